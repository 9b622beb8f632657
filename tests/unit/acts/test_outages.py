"""What is away does not move traffic, and does not hold up the way home."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import pytest

from benchmarks.faults.twin import Hurt, Process, no_faults
from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.homecoming import bring_all_home, bring_model_home, bring_run_home
from firstflight.acts.lease import renew_lease
from firstflight.acts.ledger_view import append, current
from firstflight.acts.roll_back import bring_home
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import RegistryUnavailableError, StoreUnavailableError
from firstflight.domain.metrics import Scoring
from firstflight.domain.samples import Sample, Window
from firstflight.guard.guard import Guard
from firstflight.ledger.record import RecordStore
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from firstflight.observation.memory_source import MemorySource
from firstflight.registry.mlflow_registry import MlflowRegistry
from firstflight.rollout.machine import Phase
from firstflight.serving.lease import Surrender
from firstflight.world import World
from tests.unit.acts.twin import MODEL, PLAN, Twin, begun, drive, in_first_stage

NOBODY = MlflowRegistry("http://127.0.0.1:9")


def test_nothing_starts_without_the_registry(twin: Twin) -> None:
    """The error names the address; no record is written, no traffic moves."""
    twin.champion()
    before = twin.world.backend.get_traffic(MODEL)
    with pytest.raises(RegistryUnavailableError, match=r"127\.0\.0\.1:9"):
        resume_or_start(replace(twin.world, registry=NOBODY), PLAN, run="run-1")
    assert current(twin.world.ledger, MODEL) is None
    assert before == twin.world.backend.get_traffic(MODEL)


def test_the_way_home_does_not_wait_for_the_registry(twin: Twin) -> None:
    """Killed in mid-promotion, with MLflow away: traffic is home, and the record says what is left to do."""
    stable = twin.champion()
    rollout = in_first_stage(twin)
    rollout = append(twin.world.ledger, rollout, "promotion.intended", {"candidate": rollout.candidate.served_name})
    ended = bring_home(
        replace(twin.world, registry=NOBODY), rollout, Surrender(actor="ada", reason="stop", trigger="person")
    )
    assert Phase.ROLLED_BACK is ended.phase
    split = twin.world.backend.get_traffic(MODEL)
    assert split is not None
    assert 100 == split.percent(stable.served_name)
    last = twin.world.ledger.read(f"rollout/{MODEL}")[-1]
    assert last.body["champion"].startswith("not restored")


@dataclass(frozen=True)
class Stopped:
    """A source whose collector died: its watermark stands still."""

    source: MemorySource
    since: Window

    def scored_by(self, scoring: Scoring) -> Self:
        """Of what had been collected."""
        return replace(self, source=self.source.scored_by(scoring))

    def watermark(self, route: str) -> Window | None:
        """The moment the collector died."""
        del route
        return self.since

    def samples(
        self, route: str, name: str, window: Window, *, answered_since: datetime | None = None
    ) -> Mapping[str, Sample]:
        """What had been collected."""
        return self.source.samples(route, name, window, answered_since=answered_since)

    def outcomes(self, route: str, name: str, window: Window, *, answered_until: datetime) -> Mapping[str, Sample]:
        """What had been collected."""
        return self.source.outcomes(route, name, window, answered_until=answered_until)

    def paired(
        self,
        route: str,
        control: str,
        name: str,
        window: Window,
        *,
        answered_since: datetime | None = None,
        answered_until: datetime | None = None,
    ) -> Mapping[str, Sample]:
        """What had been collected."""
        return self.source.paired(
            route, control, name, window, answered_since=answered_since, answered_until=answered_until
        )

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """What had been collected."""
        return self.source.assignments(route, window)

    def units(self, route: str, window: Window, *, begun: datetime) -> Mapping[str, int]:
        """What had been collected."""
        return self.source.units(route, window, begun=begun)


def test_a_dead_collector_is_blindness_with_a_deadline(twin: Twin) -> None:
    """The same window again and again is no news: past the deadline the rollout goes home."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    twin.wait(5)
    window = twin.source.watermark(MODEL)
    assert window is not None
    ended = drive(replace(twin.world, source=Stopped(twin.source, window)), rollout)
    assert Phase.ROLLED_BACK is ended.phase
    assert ended.ended_at is not None
    took = (ended.ended_at - ended.started_at).total_seconds()
    assert took < plan.no_data_seconds + 3 * plan.check_seconds


class Pager:
    """Remembers what people were told."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> Delivery:
        """Keep it."""
        self.sent.append(message)
        return Delivery(delivered=True, where="pager", reason="")


def read_only(twin: Twin, *, silent: bool = False) -> tuple[World, Pager]:
    """The world while the database takes no records, as after a failover, or (`silent`) does not answer at all."""
    down, pager = Hurt(raises=StoreUnavailableError("cannot execute INSERT in a read-only transaction")), Pager()
    twin.faults = lambda _process, call: down if call.startswith("append") or (silent and call == "read") else None
    world = twin.world_of(Process("whoever"))
    streams = _no_streams if silent else world.ledger.streams
    return replace(world, wait=twin.wait, notifier=pager, ledger=_Ledger(world.ledger, streams)), pager


def _no_streams(_prefix: str) -> tuple[str, ...]:
    raise StoreUnavailableError("the database does not answer")


@dataclass(frozen=True)
class _Ledger:
    inner: RecordStore
    streams: Callable[[str], tuple[str, ...]]

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(
    "end",
    [
        lambda world: bring_run_home(world, "run-1", actor="hook", reason="the run failed"),
        lambda world: bring_model_home(world, MODEL, actor="ada", reason="stop"),
        lambda world: bring_all_home(world, actor="ada", reason="stop"),
    ],
    ids=["hook", "roll-back", "roll-back of all"],
)
def test_traffic_goes_home_whatever_the_ledger_says(
    twin: Twin, end: Callable[[World], object], *, silent: bool
) -> None:
    """Traffic first; the lease keeps who and why until the ledger takes it, in that name."""
    rollout = in_first_stage(twin)
    world, _ = read_only(twin, silent=silent)
    with suppress(StoreUnavailableError):  # a hook says so; a person is told in words
        end(world)
    assert rollout.home == twin.backend.get_traffic(MODEL)
    twin.faults = no_faults
    twin.wait(3)
    Guard(twin.world, monotonic=lambda: twin.time.now).round()
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert (Phase.ROLLED_BACK, "hook" if "failed" in told.reasons[0] else "ada") == (told.phase, told.driver)


@pytest.mark.parametrize("silent", [False, True])
def test_people_are_told_of_what_a_hook_could_not_write_down(twin: Twin, *, silent: bool) -> None:
    """Traffic is home and the ledger does not know: they hear why, and that."""
    in_first_stage(twin)
    world, pager = read_only(twin, silent=silent)
    with pytest.raises(StoreUnavailableError):
        bring_run_home(world, "run-1", actor="hook", reason="the run failed")
    [message] = pager.sent
    assert "rolled back" == message.kind
    assert ("the run failed",) == message.reasons
    assert "not told yet" in message.text


def test_harm_goes_home_though_no_check_can_be_written_down(twin: Twin) -> None:
    """The guard sees it in a database that takes no records: it acts on what it found, and tells people."""
    rollout = in_first_stage(twin)
    twin.clients.failing[rollout.candidate.served_name] = 0.3
    world, pager = read_only(twin)
    guard = Guard(world, monotonic=lambda: twin.time.now)
    for _ in range(8):
        twin.wait(3)
        renew_lease(twin.world, rollout)
        if guard.round():
            break
    assert rollout.home == twin.backend.get_traffic(MODEL)
    assert ["rolled back"] == [message.kind for message in pager.sent]


def test_a_held_split_is_told_once_though_that_cannot_be_written_down(twin: Twin) -> None:
    """Nobody is paged every three seconds because a database is read-only."""
    rollout = drive(twin.world, begun(twin, approvals=(50,), approval_seconds=3000))
    twin.clients.failing[rollout.arms.stable.served_name] = 1.0
    world, pager = read_only(twin)
    guard = Guard(world, monotonic=lambda: twin.time.now)
    for _ in range(20):
        twin.wait(3)
        guard.round()
    assert ["home fails"] == [message.kind for message in pager.sent]


def test_one_that_cannot_be_brought_home_keeps_no_other_from_it(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each duty of the guard stands alone: what fails on the way to people is logged, and the next is done."""
    rollout = in_first_stage(twin)
    announced: list[str] = []
    guard = Guard(twin.world, announce=lambda event, _payload: announced.append(event), monotonic=lambda: twin.time.now)
    pager = Pager()
    guard.world = replace(twin.world, notifier=pager)
    monkeypatch.setattr("firstflight.guard.guard.bring_home", _breaks)
    twin.backend.evict(rollout.candidate.served_name)
    [home] = guard.round()
    assert not home.recorded
    assert ["firstflight.brought-home"] == announced
    assert ["rolled back"] == [message.kind for message in pager.sent]
    assert "a duty of the guard failed" in caplog.text


def _breaks(*_: object) -> None:
    raise KeyError("nobody thought of that")
