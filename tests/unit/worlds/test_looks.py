"""What was seen is folded into looks: everything once, in the window in which it was first seen."""

from dataclasses import replace

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


def looked(requests: Events, *, stage: int = 5) -> Look:
    """Return the look that saw these requests, their labels and their blocks at once."""
    answered = requests.where(~requests.failed)
    return fold(Seen(requests, answered, answered), NAMES, since=1, until=30, stage=stage, stage_began=0)


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
    assert Moments(count=2, mean=0.75, m2=0.125) == candidate["accuracy"]  # of a block, one half was right
    brier, profit = candidate["brier"], candidate["profit"]
    assert isinstance(brier, Moments)
    assert pytest.approx(((0.04 + 0.36) / 2 + 0.01) / 2) == brier.mean
    assert Moments(count=2, mean=1.0, m2=2.0) == profit  # blocks earned 2 and 0 on average


def test_units_that_are_blocks_of_their_own_are_counted() -> None:
    """Then accuracy is a share of answers, of which the pairs' blocks hold none."""
    look = looked(told([(1, 0, 10.0, 0.8, 1.0, 5.0), (1, 1, 10.0, 0.8, 0.0, 5.0), (0, 2, 10.0, 0.8, 1.0, 5.0)]))
    assert Counts(exposures=2, events=1) == look.samples["candidate"]["accuracy"]
    assert {} == look.paired


def test_blocks_that_both_arms_saw_are_pairs() -> None:
    """Each arm's mean over its own units; what the candidate answered in an earlier stage is told apart."""
    events = told(
        [(1, 0, 1.0, 0.9, 1.0, 3.0), (0, 0, 1.0, 0.2, 1.0, 3.0), (0, 0, 1.0, 0.8, 1.0, 1.0), (0, 1, 1.0, 0.8, 1.0, 2.0)]
    )
    now, later = looked(events), looked(events, stage=10)
    pairs = now.paired["candidate"]["accuracy"]
    assert PairedMoments(count=1, control_mean=0.5, treatment_mean=1.0) == pairs
    assert {} == now.earlier_paired
    assert {} == later.paired
    assert pairs == later.earlier_paired["candidate"]["accuracy"]
    assert {NoData} == {type(later.samples["candidate"][metric]) for metric in ("accuracy", "brier", "profit")}


def test_an_arm_without_requests_has_no_data() -> None:
    """Absence is neither zero nor healthy."""
    look = looked(told([(1, 0, 10.0, 0.8, 1.0, 5.0)]))
    assert {NoData} == {type(sample) for sample in look.samples["stable"].values()}
    assert {"candidate": 1} == look.assignments


def test_pairs_are_blocks_that_both_models_answered() -> None:
    """Whoever answered the client, the candidate's part is the treatment's."""
    events = told([(1, 0, 1.0, 0.9, 1.0, 3.0), (0, 1, 1.0, 0.8, 1.0, 2.0), (0, 2, 1.0, 0.8, 1.0, 2.0)])
    events.mirrored[:] = [0.2, 0.3, np.nan]
    profit = looked(events).paired["candidate"]["profit"]
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
    """Over many windows no request or block is lost, doubled or early; a block is never divided."""
    service = Service(World("t", "", blocks=blocks, labels=Labels(after=40)), FAULTS["none"], np.random.default_rng(7))
    records = Records(service.serve(0, 0, 0))
    everything, seen = [], []
    for until in range(30, 1230, 30):
        everything.append(service.serve(until - 30, until, 50) if until < 1000 else service.serve(0, 0, 50))
        records.add(everything[-1])
        seen.append(records.take(until - 30, until, service.growing))
        assert np.all(seen[-1].requests.answered <= until)
        assert np.all(seen[-1].judged.known <= until)
    served = Events.joined(everything)
    assert sorted(served.arrived) == sorted(Events.joined([each.requests for each in seen]).arrived)
    closed = [{*zip(each.judged.arm, each.judged.block, strict=True)} for each in seen]
    assert sum(map(len, closed)) == len(set().union(*closed))
    answered = served.where(~served.failed)
    assert set().union(*closed) == {*zip(answered.arm, answered.block, strict=True)}
    pairs = [{*each.pairs.block} for each in seen]
    assert sum(map(len, pairs)) == len(set().union(*pairs))
    shared = {*answered.block[answered.arm == CANDIDATE]} & {*answered.block[answered.arm == STABLE]}
    assert shared == set().union(*pairs)


def test_what_an_older_split_routed_is_not_looked_at() -> None:
    """Requests answered before the window are passed over; their labels count."""
    service = Service(World("t", ""), FAULTS["none"], np.random.default_rng(7))
    records = Records(service.serve(0, 0, 0))
    records.add(service.serve(0, 30, 50))
    seen = records.take(10, 60, service.growing)
    assert seen.requests.answered.min() > 10
    assert seen.judged.answered.min() < 10


def test_a_label_that_comes_after_its_block_closed_is_left_out() -> None:
    """Two seconds after the first label of a block; a block is a pair from the later model's first label on."""
    rows = told([(1, 0, 1.0, 0.9, 1.0, 3.0), (1, 0, 1.0, 0.9, 1.0, 3.0), (0, 0, 1.0, 0.9, 1.0, 3.0)])
    rows = replace(rows, known=np.array([5.0, 7.5, 20.0]), closes=np.full(3, 90.0))
    records = Records(rows.where(np.zeros(3, dtype=bool)))
    records.add(rows)
    first, last = records.take(-1, 10, 9), records.take(10, 30, 9)
    assert [5.0] == first.judged.known.tolist()
    assert 0 == len(first.pairs)
    assert [20.0] == last.judged.known.tolist()
    assert [5.0, 7.5, 20.0] == last.pairs.known.tolist()


def test_a_unit_is_met_once() -> None:
    """However often it asks; what the split before routed is met, and not counted."""
    rows = told([(arm, 0, 1.0, 0.9, 1.0, 3.0) for arm in (0, 0, 1, 0, 1)])
    rows = replace(rows, unit=np.array([3, 3, 1, 2, 1]), answered=np.array([2.0, 3.0, 3.0, 0.5, 12.0]))
    records = Records(rows.where(np.zeros(5, dtype=bool)), sticky=True)
    records.add(rows)
    assert (1, 1) == records.take(1, 10, 9).units
    assert (0, 0) == records.take(10, 30, 9).units
