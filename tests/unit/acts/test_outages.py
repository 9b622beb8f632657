"""What is away does not move traffic, and does not hold up the way home."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import pytest

from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.ledger_view import append, current
from firstflight.acts.roll_back import bring_home
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import RegistryUnavailableError
from firstflight.domain.samples import Sample, Window
from firstflight.observation.memory_source import MemorySource
from firstflight.registry.mlflow_registry import MlflowRegistry
from firstflight.rollout.machine import Phase
from firstflight.serving.lease import Surrender
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive, in_first_stage

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
