"""Tests of CUPED: less variance, the same difference in expectation, from sums alone."""

import numpy as np
import pytest

from firstflight.analysis.cuped import Covaried, Cuped, cuped
from firstflight.analysis.moments import from_values
from firstflight.analysis.status import Status
from firstflight.analysis.welch import welch_t
from firstflight.domain.samples import Moments, NoData


def arm(seed: int, count: int, gain: float = 0.0, slope: float = 2.0) -> tuple[list[float], list[float]]:
    """Values of a metric and of the covariate that explains most of it."""
    random = np.random.default_rng(seed)
    covariate = random.normal(100, 10, count)
    return list(slope * covariate + random.normal(gain, 5, count)), list(covariate)


def covaried(values: tuple[list[float], list[float]]) -> Covaried:
    """The sums of one arm."""
    found = Covaried.of_values(*values)
    assert isinstance(found, Covaried)
    return found


def test_the_share_of_variance_left_is_what_the_covariate_does_not_explain() -> None:
    """A covariate that explains 400 of 425 leaves about 6 %, and a small gain becomes visible."""
    old, new = arm(1, 2000), arm(2, 2000, gain=1.0)
    plain, adjusted = welch_t(from_values(old[0]), from_values(new[0])), cuped(covaried(old), covaried(new))
    assert 25 / 425 == pytest.approx(adjusted.variance_kept, rel=0.1)
    assert 2.0 == pytest.approx(adjusted.theta, rel=0.02)
    assert (plain.p_value or 0) > 0.05 > (adjusted.test.p_value or 1)


def test_sums_give_what_values_give() -> None:
    """Σy, Σx, Σy², Σx² and Σxy are all it needs."""

    def of_sums(values: tuple[list[float], list[float]]) -> Covaried | NoData:
        y, x = (np.array(column) for column in values)
        return Covaried.of_sums(len(y), (y.sum(), x.sum()), (y @ y, x @ x), float(x @ y))

    old, new = arm(3, 500), arm(4, 300)
    one, other = cuped(covaried(old), covaried(new)), cuped(of_sums(old), of_sums(new))
    assert one.theta == pytest.approx(other.theta, rel=1e-9)
    assert one.test.p_value == pytest.approx(other.test.p_value, rel=1e-9)


def test_a_covariate_that_never_varies_adjusts_nothing() -> None:
    """θ is 0 and the test is Welch's own."""
    old, new = arm(5, 50)[0], arm(6, 50)[0]
    found = cuped(covaried((old, [7.0] * 50)), covaried((new, [7.0] * 50)))
    assert 0.0 == found.theta
    assert welch_t(from_values(old), from_values(new)) == found.test


def test_a_metric_wholly_explained_has_no_variance_left() -> None:
    """Where the covariate is the metric, nothing is left to test."""
    values = [1.0, 2.0, 3.0, 4.0]
    found = cuped(covaried((values, values)), covaried((values, values)))
    assert (Status.ZERO_VARIANCE, None) == (found.status, found.test.p_value)


@pytest.mark.parametrize(
    ("control", "status"),
    [
        (Covaried.of_values([], []), Status.NO_DATA),
        (Covaried.of_values([1.0, float("inf")], [1.0, 2.0]), Status.NO_DATA),
        (Covaried.of_values([1.0], [2.0]), Status.INSUFFICIENT_DATA),
        (Covaried.of_values([1.0, 1.0], [2.0, 2.0]), Status.OK),
    ],
)
def test_edges_of_cuped_have_names(control: Covaried | NoData, status: Status) -> None:
    """Nothing, not finite, one unit and no spread have names."""
    found = cuped(control, covaried(arm(7, 20)))
    assert isinstance(found, Cuped)
    assert status == found.status


def test_arms_without_spread() -> None:
    """Equal values have no share of variance to keep."""
    same = Covaried(Moments(count=3, mean=1.0), Moments(count=3, mean=1.0), 0.0)
    assert (Status.ZERO_VARIANCE, None) == (cuped(same, same).status, cuped(same, same).variance_kept)
