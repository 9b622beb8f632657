"""Records as sentences."""

from datetime import UTC, datetime

import pytest

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


@pytest.mark.parametrize(
    ("kind", "canary", "test"),
    [
        ("stage.intended", "moving to 30 %", "dividing traffic: b 30 %, a 70 %"),
        ("stage.passed", "stage 30 % passed", "the A/B test has run its length"),
        ("check", "check at 30 %: PROMOTE", "check of the A/B test: PROMOTE"),
    ],
)
def test_an_ab_test_has_no_stage_that_passes(kind: str, canary: str, test: str) -> None:
    """Its one split is for comparing; records of before that was written down read as they did."""
    body = {
        "stage": 30,
        "split": {"stable": "a", "weights": {"b": 30, "a": 70}},
        "look": {"stage": 30},
        "decision": {"verdict": "PROMOTE"},
    }
    about = [body, {**body, "activity": "canary"}, {**body, "activity": "ab_test"}]
    record = attached(RUN, RUN).model_copy(update={"kind": kind})
    assert [canary, canary, test] == [sentence(record.model_copy(update={"body": one})) for one in about]


def test_people_keep_their_names_and_runs_lose_their_digits() -> None:
    """Whoever wrote a record is named as people know him."""
    assert ("mara", "guard", "hook of run 8c0f7a52") == tuple(map(actor_name, ("mara", "guard", f"hook of {RUN}")))
