"""Records as sentences."""

from datetime import UTC, datetime

from firstflight.ledger.record import Record
from firstflight.rollout.story import actor_name, sentence

RUN, OTHER = "8c0f7a52-1d1e-4f6e-9a51-0d2a6b7c8d9e", "e3d627df-184d-401f-a27e-424d471de258"


def attached(before: str, actor: str) -> Record:
    """A record of a driver that takes a rollout."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Record(stream="rollout/m", number=2, at=at, kind="driver.attached", actor=actor, body={"before": before})


def test_a_run_that_goes_on_takes_over_from_nobody() -> None:
    """A run that was suspended takes its own rollout up again; another one is named by the first part of its id."""
    assert "the run goes on where it stood" == sentence(attached(RUN, RUN))
    assert "took over from run 8c0f7a52" == sentence(attached(RUN, OTHER))


def test_people_keep_their_names_and_runs_lose_their_digits() -> None:
    """Whoever wrote a record is named as people know him."""
    assert ("mara", "guard", "hook of run 8c0f7a52") == tuple(map(actor_name, ("mara", "guard", f"hook of {RUN}")))
