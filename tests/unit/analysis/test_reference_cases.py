"""Every statistic against independent implementations, on a table of data sets.

Compared with scipy 1.17.1, statsmodels 0.15.0 and tea-tasting 1.14.0. Where they use an approximation of ours, the
tolerance says so.
"""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from numpy.typing import NDArray
from statsmodels.stats.gof import chisquare as gof_chisquare
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.nonparametric import rank_compare_2indep
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics import Mean, Proportion, SampleRatio

from firstflight.analysis.cuped import Covaried, cuped
from firstflight.analysis.effect_size import effect_size
from firstflight.analysis.goodness_of_fit import sample_ratio
from firstflight.analysis.lift import improvement, paired_improvement
from firstflight.analysis.moments import from_counts, from_values, pairs_from_values, variance
from firstflight.analysis.multiplicity import benjamini_hochberg, holm
from firstflight.analysis.paired import clustered_paired_t, paired_t
from firstflight.analysis.rank import mann_whitney, mann_whitney_of_histograms
from firstflight.analysis.two_proportions import exact_bounds, two_proportions, wilson_bounds
from firstflight.analysis.welch import welch_t
from firstflight.domain.samples import Counts, Histogram, Moments

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]

DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda random, n: random.normal(10, 2, n),
    "latency": lambda random, n: random.lognormal(3, 0.6, n),
    "large": lambda random, n: random.normal(1e6, 1, n),
    "tiny": lambda random, n: random.gamma(2, 1e-6, n),
    "rounded": lambda random, n: random.poisson(4, n).astype(float) + 1,
}
SIZES = [(2, 3), (9, 30), (50, 20), (1000, 100)]
DATA = [
    pytest.param(name, control, treatment, id=f"{name}-{control}-{treatment}")
    for name in DISTRIBUTIONS
    for control, treatment in SIZES
]
COUNTS = [
    ((500, 10_000), (530, 10_000)),
    ((10, 9_500), (10, 500)),
    ((9, 10), (4, 12)),
    ((0, 40), (3, 30)),
    ((40, 40), (29, 30)),
    ((1, 2), (1, 3)),
    ((4_500, 5_000), (2_650, 3_000)),
    ((3, 1_000), (0, 1_000)),
    ((120_000, 1_000_000), (12_600, 100_000)),
]
ALPHAS = [0.05, 0.1, 0.01]


def drawn(name: str, control: int, treatment: int) -> tuple[Values, Values]:
    """Two arms of a data set, the treatment a little larger."""
    random = np.random.default_rng([control, treatment, len(name)])
    old, new = DISTRIBUTIONS[name](random, control), DISTRIBUTIONS[name](random, treatment)
    return old, new + 0.3 * old.std()


def aggregates(metric: Values, covariate: Values | None = None) -> Aggregates:
    """The data as tea-tasting wants them."""
    mean, var, cov = {"y": float(metric.mean())}, {"y": float(metric.var(ddof=1))}, {}
    if covariate is not None:
        mean["x"], var["x"] = float(covariate.mean()), float(covariate.var(ddof=1))
        cov["x", "y"] = float(np.cov(covariate, metric)[0, 1])
    return Aggregates(len(metric), mean, var, cov)


def of(pair: tuple[int, int]) -> Counts:
    """(events, exposures) as counts."""
    return Counts(exposures=pair[1], events=pair[0])


def near(value: float | None, rel: float = 1e-9) -> object:
    """A number to compare with."""
    assert value is not None
    return pytest.approx(value, rel=rel, abs=1e-13)


@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_variance_is_numpys(name: str, control: int, treatment: int) -> None:
    """Mean and unbiased variance are numpy's (on values moved to 0, where numpy loses nothing)."""
    old, _ = drawn(name, control, treatment)
    found = from_values(old)
    assert isinstance(found, Moments)
    assert near(found.mean) == old.mean()
    assert near(variance(found)) == (old - old.mean()).var(ddof=1)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_welch_is_scipys_and_statsmodels(name: str, control: int, treatment: int, alpha: float) -> None:
    """Statistic, degrees of freedom, p and interval."""
    old, new = drawn(name, control, treatment)
    found = welch_t(from_values(old), from_values(new), alpha)
    theirs = scipy.stats.ttest_ind(new, old, equal_var=False)
    interval = theirs.confidence_interval(1 - alpha)
    assert near(found.t, 1e-7) == theirs.statistic
    assert near(found.df, 1e-7) == theirs.df
    assert near(found.p_value, 1e-7) == theirs.pvalue
    assert (near(found.low, 1e-7), near(found.high, 1e-7)) == (interval.low, interval.high)
    compared = CompareMeans(DescrStatsW(new - old.mean()), DescrStatsW(old - old.mean()))
    assert near(found.p_value, 1e-7) == compared.ttest_ind(usevar="unequal")[1]


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_improvement_is_tea_tastings(name: str, control: int, treatment: int, alpha: float) -> None:
    """Relative effect and its interval by the delta method on the logarithm, where a ratio makes sense."""
    old, new = drawn(name, control, treatment)
    found = improvement(from_values(old), from_values(new), alpha)
    if found.percent is None:
        assert old.mean() < 3 * scipy.stats.sem(old)
        return
    theirs = Mean("y", confidence_level=1 - alpha, equal_var=False).analyze_aggregates(aggregates(old), aggregates(new))
    assert near(found.percent / 100) == theirs.rel_effect_size
    assert near((found.low or 0) / 100, 1e-8) == theirs.rel_effect_size_ci_lower
    assert near((found.high or 0) / 100, 1e-8) == theirs.rel_effect_size_ci_upper
    assert near(found.difference, 1e-7) == theirs.effect_size


@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_cuped_is_tea_tastings(name: str, control: int, treatment: int) -> None:
    """Adjusted difference, interval and p with the slope of both arms together."""
    old, new = drawn(name, control, treatment)
    random = np.random.default_rng(control)
    before_old, before_new = (arm + random.normal(0, arm.std(), len(arm)) for arm in (old, new))
    found = cuped(Covaried.of_values(old, before_old), Covaried.of_values(new, before_new))
    theirs = Mean("y", "x", equal_var=False).analyze_aggregates(
        aggregates(old, before_old), aggregates(new, before_new)
    )
    assert near(found.test.difference, 1e-6) == theirs.effect_size
    assert near(found.test.p_value, 1e-6) == theirs.pvalue
    assert near(found.test.low, 1e-6) == theirs.effect_size_ci_lower


@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_effect_sizes_are_statsmodels(name: str, control: int, treatment: int) -> None:
    """Hedges' g (statsmodels approximates the correction, and takes n - 3.94 for n in the variance)."""
    old, new = drawn(name, control, treatment)
    found = effect_size(from_values(old), from_values(new))
    pooled = ((len(old) - 1) * old.var(ddof=1) + (len(new) - 1) * new.var(ddof=1)) / (len(old) + len(new) - 2)
    assert near(found.d, 1e-7) == (new.mean() - old.mean()) / np.sqrt(pooled)
    theirs, squared_error = effectsize_smd(new.mean(), new.std(ddof=1), len(new), old.mean(), old.std(ddof=1), len(old))
    assert near(found.g, 1e-2) == theirs
    if len(old) > 5:
        radius = scipy.stats.norm.isf(0.025) * np.sqrt(squared_error)
        assert near((found.high or 0) - (found.g or 0), 0.02) == radius


@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_ranks_are_scipys_and_statsmodels(name: str, control: int, treatment: int) -> None:
    """U, two-sided p (exact or with ties and continuity as scipy chooses) and P(larger) + ½·P(equal)."""
    old, new = drawn(name, control, treatment)
    if name == "rounded":
        new = np.round(new)
    found = mann_whitney(list(old), list(new))
    theirs = scipy.stats.mannwhitneyu(new, old, method="exact" if found.method == "exact" else "asymptotic")
    assert near(found.u) == theirs.statistic
    assert near(found.p_value) == theirs.pvalue
    if control > 3:  # statsmodels divides by zero for two separate pairs
        assert near(found.superiority) == rank_compare_2indep(new, old).prob1


@pytest.mark.parametrize("edges", [3, 10, 40])
@pytest.mark.parametrize(("name", "control", "treatment"), [each for each in DATA if each.values[1] > 8])
def test_ranks_of_histograms_are_scipys_of_their_buckets(name: str, control: int, treatment: int, edges: int) -> None:
    """A histogram is tested as its bucket numbers are."""
    old, new = drawn(name, control, treatment)
    both = np.concatenate((old, new))
    bounds = np.linspace(both.min(), both.max(), edges)
    places = [np.searchsorted(bounds, arm) for arm in (old, new)]
    histograms = [
        Histogram(edges=tuple(bounds), counts=tuple(int(n) for n in np.bincount(at, minlength=edges + 1)))
        for at in places
    ]
    found = mann_whitney_of_histograms(*histograms)
    theirs = scipy.stats.mannwhitneyu(places[1], places[0], method="asymptotic")
    assert (near(found.u), near(found.p_value)) == (theirs.statistic, theirs.pvalue)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("name", "control", "treatment"), DATA)
def test_paired_t_is_scipys(name: str, control: int, treatment: int, alpha: float) -> None:
    """Statistic, p and interval of the differences."""
    del treatment
    old, new = drawn(name, control, control)
    found = paired_t(pairs_from_values(old, new), alpha)
    theirs = scipy.stats.ttest_rel(new, old)
    interval = theirs.confidence_interval(1 - alpha)
    assert near(found.t, 1e-6) == theirs.statistic
    assert near(found.p_value, 1e-6) == theirs.pvalue
    assert (near(found.low, 1e-6), near(found.high, 1e-6)) == (interval.low, interval.high)


@pytest.mark.parametrize(("name", "control", "treatment"), [each for each in DATA if each.values[1] > 8])
def test_clustered_t_is_statsmodels(name: str, control: int, treatment: int) -> None:
    """A regression on a constant with standard errors clustered by block gives the same."""
    del treatment
    old, new = drawn(name, control, control)
    blocks = np.arange(control) // 3
    found = clustered_paired_t(list(old), list(new), list(blocks))
    fit = sm.OLS(new - old, np.ones(control)).fit(cov_type="cluster", cov_kwds={"groups": blocks}, use_t=True)
    low, high = fit.conf_int()[0]
    assert near(found.t, 1e-6) == fit.tvalues[0]
    assert near(found.p_value, 1e-6) == fit.pvalues[0]
    assert (near(found.low, 1e-6), near(found.high, 1e-6)) == (low, high)


@pytest.mark.parametrize(("name", "control", "treatment"), [each for each in DATA if each.values[1] > 8])
def test_paired_improvement_is_tea_tastings_ratio(name: str, control: int, treatment: int) -> None:
    """The variance of the log ratio is that of tea-tasting's ratio of two columns, over the squared ratio."""
    del treatment
    old, new = drawn(name, control, control)
    found = paired_improvement(pairs_from_values(old, new))
    columns = Aggregates(
        control,
        {"y": float(new.mean()), "x": float(old.mean())},
        {"y": float(new.var(ddof=1)), "x": float(old.var(ddof=1))},
        {("x", "y"): float(np.cov(old, new)[0, 1])},
    )
    ratio = new.mean() / old.mean()
    error = np.sqrt(columns.ratio_var("y", "x") / control) / ratio
    factor = np.exp(scipy.stats.t(control - 1).isf(0.025) * error)
    assert near((found.low or 0) / 100, 1e-5) == ratio / factor - 1
    assert near((found.high or 0) / 100, 1e-5) == ratio * factor - 1


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("control", "treatment"), COUNTS)
def test_two_proportions_are_statsmodels(control: tuple[int, int], treatment: tuple[int, int], alpha: float) -> None:
    """Newcombe's interval; the pooled score test, or scipy's exact one where events are few."""
    found = two_proportions(of(control), of(treatment), alpha)
    low, high = confint_proportions_2indep(*treatment, *control, method="newcomb", compare="diff", alpha=alpha)
    assert (near(found.low, 1e-7), near(found.high, 1e-7)) == (low, high)
    if found.method == "score":
        events, exposures = np.array([treatment, control]).T
        assert near(found.p_value) == proportions_ztest(events, exposures)[1]
    else:
        table = [[events, exposures - events] for events, exposures in (treatment, control)]
        assert near(found.p_value) == scipy.stats.fisher_exact(table).pvalue


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("control", "treatment"), COUNTS)
def test_bounds_of_one_proportion_are_statsmodels(
    control: tuple[int, int], treatment: tuple[int, int], alpha: float
) -> None:
    """Wilson's and Clopper and Pearson's intervals."""
    for events, exposures in (control, treatment):
        wilson = proportion_confint(events, exposures, alpha, "wilson")
        exact = proportion_confint(events, exposures, alpha, "beta")
        assert tuple(wilson_bounds(of((events, exposures)), alpha)) == pytest.approx(wilson, rel=1e-9, abs=1e-12)
        assert tuple(exact_bounds(of((events, exposures)), alpha)) == pytest.approx(exact, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("control", "treatment"), [(old, new) for old, new in COUNTS if min(old[1], new[1]) >= 500 and new[0] > 0]
)
def test_improvement_of_proportions_is_tea_tastings(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    """The log-ratio interval (theirs has n for n - 1 in the variance and the normal for Student's quantile)."""
    found = improvement(from_counts(of(control)), from_counts(of(treatment)))
    theirs = Proportion("y", equal_var=False, correction=False).analyze_aggregates(
        *(Aggregates(exposures, {"y": events / exposures}) for events, exposures in (control, treatment))
    )
    if found.percent is not None:
        assert near(found.percent / 100) == theirs.rel_effect_size
        assert near((found.low or 0) / 100, 0.01) == theirs.rel_effect_size_ci_lower


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ((5012, 2988, 2000), (50, 30, 20)),
        ((5200, 2800, 2000), (50, 30, 20)),
        ((940, 60), (95, 5)),
        ((90, 10), (95, 5)),
        ((26, 24, 22, 28), (1, 1, 1, 1)),
        ((10**6, 10**6 + 5000), (50, 50)),
    ],
)
def test_sample_ratio_is_scipys_and_statsmodels(counts: tuple[int, ...], shares: tuple[int, ...]) -> None:
    """Pearson's chi-square."""
    names = [str(place) for place in range(len(counts))]
    found = sample_ratio(dict(zip(names, counts, strict=True)), dict(zip(names, shares, strict=True)))
    expected = np.array(shares) / sum(shares) * sum(counts)
    assert "chi-square" == found.method
    assert near(found.p_value) == scipy.stats.chisquare(counts, expected).pvalue
    assert near(found.p_value) == gof_chisquare(np.array(counts), expected)[1]


@pytest.mark.parametrize("counts", [(3, 40), (0, 20), (8, 60), (1, 90)])
def test_two_arms_with_few_are_a_binomial_test(counts: tuple[int, int]) -> None:
    """With two arms the exact test is scipy's binomial one, which tea-tasting uses as well."""
    found = sample_ratio({"a": counts[0], "b": counts[1]}, {"a": 5, "b": 95})
    assert "multinomial" == found.method
    assert near(found.p_value) == scipy.stats.binomtest(counts[0], sum(counts), 0.05).pvalue
    theirs = SampleRatio(5 / 95, method="binom").analyze(
        {0: Aggregates(counts[1]), 1: Aggregates(counts[0])}, control=0, treatment=1
    )
    assert near(found.p_value) == theirs.pvalue


@pytest.mark.parametrize("seed", range(10))
def test_adjusted_p_values_are_statsmodels_and_scipys(seed: int) -> None:
    """Holm, and Benjamini and Hochberg, ties included."""
    values = np.random.default_rng(seed).beta(0.3, 1, 3 * seed + 1).round(2)
    assert list(holm(list(values))) == pytest.approx(multipletests(values, method="holm")[1])
    assert list(benjamini_hochberg(list(values))) == pytest.approx(multipletests(values, method="fdr_bh")[1])
    assert list(benjamini_hochberg(list(values))) == pytest.approx(scipy.stats.false_discovery_control(values))
