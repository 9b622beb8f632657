"""The judge of the kill bench finds what it is there to find."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.faults.audit import summarise
from benchmarks.faults.judge import Book, at_rest, is_settled, ladder_faults
from benchmarks.faults.results import Ended, Played, Point
from benchmarks.faults.scenarios import sample, schedule
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.rollout.machine import Arms, rollouts, stream

MODEL = "judged"
STABLE, CANDIDATE = (
    ModelVersion(model=MODEL, variant="judged", number=number, digest=f"sha256:{number:064x}") for number in (1, 2)
)
PLAN = CanaryPlan(model=MODEL, stages=(20, 60, 100), approvals=(), min_stage_seconds=5)


class Told:
    """A ledger whose clock moves ten seconds with each record."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.store = MemoryRecordStore(lambda: self.time)
        body = {
            "rollout": f"{MODEL}-r1",
            "activity": "canary",
            "run": "run",
            "plan": PLAN.model_dump(mode="json"),
            "arms": Arms(stable=STABLE, candidates=(CANDIDATE,)).model_dump(mode="json"),
        }
        self.tell("rollout.started", body)

    def tell(self, kind: str, body: dict[str, object], seconds: float = 10.0) -> None:
        """Append a record `seconds` later."""
        self.time += timedelta(seconds=seconds)
        self.store.append(stream(MODEL), kind, body, actor="run")

    def pass_stage(self, stage: int, seconds: float = 10.0) -> None:
        """Intend, enter and pass a stage."""
        split = TrafficSplit.canary(STABLE.served_name, CANDIDATE.served_name, stage).model_dump(mode="json")
        self.tell("stage.intended", {"stage": stage, "split": split})
        self.tell("stage.entered", {"stage": stage, "split": split})
        self.tell("stage.passed", {"stage": stage, "reasons": []}, seconds)

    def faults(self) -> list[str]:
        """What the judge says."""
        book = Book(self.store, MODEL)
        rollout = book.refresh()
        assert rollout is not None
        return ladder_faults(rollout, book.records(rollout))


def test_a_beginning_of_the_plans_ladder_is_right() -> None:
    """Two stages passed, one to come."""
    told = Told()
    told.pass_stage(20)
    told.pass_stage(60)
    assert [] == told.faults()


@pytest.mark.parametrize(
    ("stages", "seconds", "fault"),
    [
        ((20, 20), 10.0, r"stage.entered \[20, 20\]"),
        ((60,), 10.0, r"stage.entered \[60\]"),
        ((60, 20), 10.0, r"stage.passed \[60, 20\]"),
        ((20,), 2.0, r"20 % lasted 2.0 s"),
    ],
)
def test_a_doubled_skipped_swapped_or_hurried_stage_is_found(
    stages: tuple[int, ...], seconds: float, fault: str
) -> None:
    """Each by name."""
    told = Told()
    for stage in stages:
        told.pass_stage(stage, seconds)
    with pytest.raises(AssertionError, match=fault):
        assert not told.faults(), "; ".join(told.faults())


def test_a_promotion_before_the_last_stage_and_a_second_end_are_found() -> None:
    """What the ledger must never tell."""
    told = Told()
    told.pass_stage(20)
    for _ in range(2):
        told.tell("rollout.promoted", {"split": TrafficSplit.all_to(CANDIDATE.served_name).model_dump(mode="json")})
    found = "; ".join(told.faults())
    assert "ended 2 times" in found


def test_a_record_that_is_gone_or_changed_is_found() -> None:
    """The bench remembers all it has seen."""
    told = Told()
    book = Book(told.store, MODEL)
    book.refresh()
    assert [] == book.losses()
    told.store._records[stream(MODEL)][0] = told.store._records[stream(MODEL)][0].model_copy(update={"actor": "forger"})
    assert 1 == len(book.losses())
    told.store._records[stream(MODEL)].clear()
    assert 1 == len(book.losses())


def test_rest_is_the_stable_model_alone() -> None:
    """An open rollout whose router agrees is settled, not at rest."""
    told = Told()
    told.pass_stage(20)
    [rollout] = rollouts(told.store.read(stream(MODEL)))
    twenty = TrafficSplit.canary(STABLE.served_name, CANDIDATE.served_name, 20)
    assert is_settled(rollout, twenty)
    assert not at_rest(rollout, twenty)
    assert not is_settled(rollout, TrafficSplit.all_to(STABLE.served_name))
    assert not is_settled(rollout, None)


def test_the_summary_counts_who_answered_after_the_rollback(tmp_path: Path) -> None:
    """Requests sent after traffic was home and given to the candidate, and those that failed."""
    told = Told()
    home = TrafficSplit.all_to(STABLE.served_name).model_dump(mode="json")
    told.tell("rollout.rolled_back", {"split": home, "reasons": []})
    at = told.time.timestamp()
    lines = [
        {"sent": at - 5, "model": MODEL, "chosen": {CANDIDATE.served_name: 7}},
        {"sent": at + 5, "model": MODEL, "chosen": {STABLE.served_name: 8, CANDIDATE.served_name: 2}},
        {"failed": at, "model": MODEL, "why": "503 nobody", "seconds": 0.1, "chosen": None},
    ]
    (tmp_path / "clients-control.jsonl").write_text("\n".join(map(json.dumps, lines)))
    results = (
        _point(3.0),
        _point(None),
        Ended(scenario=1, rollout="judged-r1", phase="rolled back", reasons=(), faults=("a fault",)),
        Played(scenario=1, seconds=9.0, problem="late"),
    )
    found = summarise(results, told.store, (MODEL,), tmp_path)
    assert (2, 1, 1) == (found.points, found.in_time, found.rolled_back)
    assert (2, 10) == (found.after_home, found.home_requests)
    assert "nobody asked: nothing is known" == str(found.data)
    assert (17, 1, {"503": 1}) == (found.control.requests, found.control.failed, found.control.why)
    assert (("a fault",), ("late",)) == (found.faults, found.given_up)


def _point(seconds: float | None) -> Point:
    return Point(
        scenario=1, model=MODEL, killed="worker", crossing="any instant", at=0.0, seconds=seconds, state="", load=1.0
    )


def test_a_run_can_be_continued() -> None:
    """The same seed plans the same kills; five hundred are about that many, the sample is forty."""
    assert schedule(500, 7) == schedule(500, 7)
    assert abs(sum(one.points for one in schedule(500, 7)) - 500) <= 25
    assert 40 == sum(one.points for one in sample(7))
