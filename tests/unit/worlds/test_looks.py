"""What was seen is folded into looks: everything once, in the window in which it was first seen."""

import numpy as np
import pytest

from benchmarks.worlds.blocks import Blocks
from benchmarks.worlds.events import CANDIDATE, STABLE, Events
from benchmarks.worlds.faults import FAULTS
from benchmarks.worlds.looks import block_means, fold
from benchmarks.worlds.records import Records, Seen
from benchmarks.worlds.service import Service
from benchmarks.worlds.world import Labels, World
from firstflight.domain.samples import Counts, Look, Moments, NoData, PairedMoments

NAMES = {STABLE: "stable", CANDIDATE: "candidate"}


def told(rows: list[tuple[int, int, float, float, float, float]]) -> Events:
    """Return events of (arm, block, latency, prediction, truth, payoff), a NaN prediction a failure."""
    arm, block, latency, prediction, truth, payoff = (np.array(column) for column in zip(*rows, strict=True))
    count, zeros = len(rows), np.zeros(len(rows))
    return Events(
        arrived=zeros, answered=zeros, known=zeros, closes=zeros, unit=np.arange(count), block=block.astype(int),
        stage=np.full(count, 5), arm=arm.astype(int), failed=np.isnan(prediction), risk=zeros, latency=latency,
        prediction=prediction, mirrored=np.full(count, np.nan), truth=truth, payoff=payoff,
    )  # fmt: skip


def looked(requests: Events, *, mirrored: bool = False) -> Look:
    """Return the look that saw these requests, their labels and their blocks at once."""
    answered = requests.where(~requests.failed)
    seen = Seen(requests, answered, answered)
    return fold(seen, NAMES, since=1, until=30, stage=5, stage_began=0, mirrored=mirrored)


def test_samples_are_made_of_the_same_answers() -> None:
    """Failures, latency, accuracy, Brier's score and profit of four requests, by hand."""
    candidate = looked(
        told(
            [
                (1, 0, 10.0, 0.8, 1.0, 5.0),
                (1, 0, 20.0, 0.6, 0.0, -1.0),
                (1, 1, 30.0, 0.1, 0.0, -7.0),
                (1, 2, 40.0, np.nan, 1.0, 9.0),
            ]
        )
    ).samples["candidate"]
    assert Counts(exposures=4, events=1) == candidate["error_rate"]
    assert Moments(count=4, mean=25.0, m2=500.0) == candidate["latency_mean"]
    assert Counts(exposures=3, events=2) == candidate["accuracy"]
    brier, profit = candidate["brier"], candidate["profit"]
    assert isinstance(brier, Moments)
    assert pytest.approx((0.04 + 0.36 + 0.01) / 3) == brier.mean
    assert Moments(count=2, mean=1.0, m2=2.0) == profit  # blocks earned 2 and 0 on average


def test_an_arm_without_requests_has_no_data() -> None:
    """Absence is neither zero nor healthy."""
    look = looked(told([(1, 0, 10.0, 0.8, 1.0, 5.0)]))
    assert {NoData} == {type(sample) for sample in look.samples["stable"].values()}
    assert {"candidate": 1} == look.assignments


def test_pairs_are_blocks_that_both_models_answered() -> None:
    """Whoever answered the client, the candidate's part is the treatment's."""
    events = told([(1, 0, 1.0, 0.9, 1.0, 3.0), (0, 1, 1.0, 0.8, 1.0, 2.0), (0, 2, 1.0, 0.8, 1.0, 2.0)])
    events.mirrored[:] = [0.2, 0.3, np.nan]
    profit = looked(events, mirrored=True).paired["candidate"]["profit"]
    expected = PairedMoments(
        count=2, control_mean=1.0, treatment_mean=1.5, control_m2=2.0, treatment_m2=4.5, cross=-3.0
    )
    assert expected == profit


def test_a_block_counts_its_own_mean() -> None:
    """However many units it holds; numbers without units are no blocks."""
    events = told([(0, block, 1.0, 0.9, 1.0, 0.0) for block in (7, 7, 9)])
    assert [2.0, 5.0] == block_means(events, np.array([1.0, 3.0, 5.0])).tolist()


@pytest.mark.parametrize(
    "blocks", [Blocks(), Blocks(size=6), Blocks(seconds=10), Blocks(seconds=45)], ids=["1", "6", "10s", "45s"]
)
def test_everything_is_seen_once_and_in_its_time(blocks: Blocks) -> None:
    """Over many windows no request, label or block is lost, doubled or early; a block is never divided."""
    service = Service(World("t", "", blocks=blocks, labels=Labels(after=40)), FAULTS["none"], np.random.default_rng(7))
    records = Records(service.serve(0, 0, 0))
    everything, seen = [], []
    for until in range(30, 1230, 30):
        everything.append(service.serve(until - 30, until, 50) if until < 1000 else service.serve(0, 0, 50))
        records.add(everything[-1])
        seen.append(records.take(until - 30, until, service.growing))
        assert np.all(seen[-1].requests.answered <= until)
        assert np.all(seen[-1].labelled.known <= until)
        assert np.all(seen[-1].closed.closes <= until)
    served = Events.joined(everything)
    assert sorted(served.arrived) == sorted(Events.joined([each.requests for each in seen]).arrived)
    answered = sorted(served.arrived[~served.failed])
    assert answered == sorted(Events.joined([each.labelled for each in seen]).arrived)
    closed = [{*each.closed.block} for each in seen]
    assert sum(map(len, closed)) == len(set().union(*closed))
    assert len(answered) - sum(len(each.closed) for each in seen) <= 6  # of the last block, which is growing


def test_what_an_older_split_routed_is_not_looked_at() -> None:
    """Requests answered before the window are passed over; their labels count."""
    service = Service(World("t", ""), FAULTS["none"], np.random.default_rng(7))
    records = Records(service.serve(0, 0, 0))
    records.add(service.serve(0, 30, 50))
    seen = records.take(10, 60, service.growing)
    assert seen.requests.answered.min() > 10
    assert seen.labelled.answered.min() < 10
