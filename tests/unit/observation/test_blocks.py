"""What closed blocks show of each metric."""

import pytest

from firstflight.domain.metrics import Metric, Scoring
from firstflight.domain.samples import Counts, Moments, NoData
from firstflight.observation.blocks import of_blocks

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
