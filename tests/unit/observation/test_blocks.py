"""What closed blocks show of each metric."""

import pytest

from firstflight.domain.metrics import Metric, Scoring
from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments
from firstflight.observation.blocks import of_blocks, of_pairs
from firstflight.workloads.scores import AUC, PROBABILITY, SQUARED_ERROR, auc, squared_error

HIT = Metric(name="hit", direction="higher_is_better", kind="share", bounds=(0, 1))


def scored(*values: float) -> Scoring:
    """A score that tells the prediction itself as `hit`."""
    return Scoring((HIT,), lambda said, _truth, _payoff: {"hit": values[int(str(said))]})


@pytest.mark.parametrize(
    ("values", "blocks", "expected"),
    [
        ((1.0, 0.0), [[0], [1]], Counts(exposures=2, events=1)),
        ((1.0, 0.0), [[0, 1]], Moments(count=1, mean=0.5)),
        ((1.0, 0.5), [[0], [1]], Moments(count=2, mean=0.75, m2=0.125)),
    ],
)
def test_a_share_is_counted_where_each_block_is_an_event_or_none(
    values: tuple[float, ...], blocks: list[list[int]], expected: Counts | Moments
) -> None:
    """By kind, not by name; a block of several units, or a value between, has a mean."""
    assert {"hit": expected} == of_blocks(scored(*values), "a", [[(n, 1, None) for n in block] for block in blocks])


def test_a_number_that_is_none_is_no_evidence() -> None:
    """What a score computes may overflow: that window says so."""
    [sample] = of_blocks(scored(float("inf")), "a", [[(0, 1, None)]]).values()
    assert NoData(reason="a score of a tells no finite hit") == sample


@pytest.mark.parametrize("truth", [1e200, -1e308, 10**255, 1e30])
@pytest.mark.parametrize("name", ["brier", "squared_error"])
def test_a_truth_beyond_sense_stops_no_check(truth: float, name: str) -> None:
    """Its square overflows, or those of the sums: one row of somebody's must not end a rollout by an exception."""
    scoring = PROBABILITY if name == "brier" else Scoring((SQUARED_ERROR,), squared_error)
    blocks = [[(0.5, truth, None)], [(0.5, 0, None), (0.5, truth, None)]]
    for found in (of_blocks(scoring, "a", blocks), of_pairs(scoring, ("a", "b"), [(each, each) for each in blocks])):
        assert isinstance(found[name], NoData)


@pytest.mark.parametrize("payoff", [1e200, -1e308, 1.7e308])
def test_a_payoff_beyond_sense_stops_no_check(payoff: float) -> None:
    """Told by whoever tells truths."""
    found = of_blocks(PROBABILITY, "a", [[(0.9, 1, payoff), (0.9, 1, payoff)], [(0.9, 1, 1.0)]])
    assert isinstance(found["profit"], NoData)


def test_what_a_block_ranks_is_one_observation() -> None:
    """Beside the means of its units; a block of one class tells nothing, one that nobody can rank makes no window."""
    scoring = Scoring((HIT, AUC), lambda said, truth, _payoff: {"hit": float(said == truth)}, auc)
    both, one_class = [(1, 1, None), (0, 0, None), (1, 0, None)], [(1, 1, None), (0, 1, None)]
    found = of_blocks(scoring, "a", [both, both, one_class])
    assert Moments(count=2, mean=0.75) == found["auc"]
    assert isinstance(hit := found["hit"], Moments)
    assert 3 == hit.count
    pairs = of_pairs(scoring, ("a", "b"), [(both, [(0, 1, None), (1, 0, None)]), (both, one_class)])
    assert isinstance(paired := pairs["auc"], PairedMoments)
    assert (1, 0.75, 0.0) == (paired.count, paired.control_mean, paired.treatment_mean)
    alone = of_blocks(scoring, "a", [[unit] for unit in both])["auc"]
    assert isinstance(alone, NoData)
    assert "a block named that holds both classes" in alone.reason
    assert all(isinstance(one, NoData) for one in of_blocks(scoring, "a", [both, [("x", 1, None)]]).values())
