"""How long each leg took, from records that are made up and from those of a rollout in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from firstflight.acts.ledger_view import checks
from firstflight.acts.start import resume_or_start
from firstflight.decision.decide import Decision, Verdict
from firstflight.domain.samples import Look, Window
from firstflight.drill.faults import Promise
from firstflight.drill.timeline import Timeline, broken, timeline
from firstflight.ledger.record import Record
from firstflight.observation.arm_history import Stay
from firstflight.rollout.machine import stream
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

STRUCK = datetime(2026, 1, 1, tzinfo=UTC)
GIVEN = Stay(first=STRUCK, last=STRUCK, requests=90, failed=80, late=0, after=45)


def after(seconds: float) -> datetime:
    """A moment after the fault."""
    return STRUCK + timedelta(seconds=seconds)


def record(kind: str, seconds: float) -> Record:
    """A record of the rollout."""
    return Record(stream="rollout/m", number=1, at=after(seconds), kind=kind, actor="driver", body={})


def check(verdict: Verdict, seconds: float) -> tuple[Look, Decision]:
    """A check with this verdict."""
    look = Look(
        at=after(seconds),
        window=Window(since=STRUCK, until=STRUCK),
        stage=50,
        stage_started_at=STRUCK,
        weights={},
        assignments={},
        samples={},
    )
    return look, Decision(verdict=verdict, reasons=("why",))


def test_a_driver_finds_decides_and_proves() -> None:
    """Each moment is the record's own; what lay before the fault does not count."""
    told = timeline(
        STRUCK,
        [record("rollback.intended", -5), record("rollback.intended", 3.5), record("rollout.rolled_back", 5)],
        [check(Verdict.ROLL_BACK, -5), check(Verdict.CONTINUE, 2), check(Verdict.ROLL_BACK, 3)],
        seen_home=after(4.25),
        last_request=after(4),
    )
    assert Timeline(struck=STRUCK, detected=after(3), decided=after(3.5), quiet=after(4), verified=after(5)) == told
    assert 1.0 == told.seconds("quiet", "verified")


def test_the_guard_moves_traffic_before_it_writes() -> None:
    """The router at home is the decision then, and nothing was found before it."""
    told = timeline(
        STRUCK,
        [record("rollback.intended", 4), record("rollout.rolled_back", 5)],
        [check(Verdict.CONTINUE, 1)],
        seen_home=after(2),
        last_request=after(1.5),
    )
    assert (after(2), after(2), after(2)) == (told.detected, told.decided, told.quiet)


def test_what_did_not_happen_has_no_moment() -> None:
    """Nobody noticed: nothing is made up."""
    told = timeline(STRUCK, [], [], seen_home=None, last_request=after(9))
    assert Timeline(struck=STRUCK) == told
    assert told.seconds("struck", "verified") is None


@pytest.mark.parametrize(
    ("decided", "verified", "given", "sentences"),
    [
        (5, 10, GIVEN, ()),
        (5.2, 10, GIVEN, ("decided after 5.2 s, at most 5 s promised",)),
        (1, 7, GIVEN, ("proved 6.0 s after the decision, at most 5 s promised",)),
        (1, 2, replace(GIVEN, late=3), ("3 of 45 requests reached the candidate after the proof",)),
        (1, 2, replace(GIVEN, requests=0), ("the candidate was never asked: nothing was put to the test",)),
        (
            1,
            2,
            replace(GIVEN, after=0),
            ("nobody was asked after the proof: that the candidate was not shows nothing",),
        ),
        (1, 2, None, ("the requests were not counted in time; does the collector run?",)),
    ],
)
def test_a_promise_is_kept_or_says_what_was_not(
    decided: float, verified: float, given: Stay | None, sentences: tuple[str, ...]
) -> None:
    """At the limit it is kept; what cannot be counted is no proof."""
    told = Timeline(struck=STRUCK, decided=after(decided), verified=after(verified))
    assert sentences == broken(Promise(decided=5, verified=5), told, given)


def test_a_candidate_that_did_not_come_home_broke_both() -> None:
    """No decision and no proof are two sentences."""
    assert 2 == len(broken(Promise(decided=5), Timeline(struck=STRUCK), GIVEN))


def test_a_rollout_in_memory_is_measured_from_its_own_records(twin: Twin) -> None:
    """A failing candidate driven by the library's loop: every leg has a length and they follow each other."""
    twin.champion()
    candidate = twin.candidate()
    twin.clients.failing[candidate.served_name] = 1.0
    began = twin.world.now()
    rollout = drive(twin.world, resume_or_start(twin.world, PLAN.model_copy(update={"candidate": 2}), run="drill"))
    told = timeline(began, twin.world.ledger.read(stream(MODEL)), checks(twin.world.ledger, rollout), None, None)
    moments = [told.struck, told.detected, told.decided, told.quiet, told.verified]
    assert None not in moments
    assert sorted(moments) == moments  # type: ignore[type-var]  # none of them is None, see above
    assert () == broken(Promise(decided=30, verified=5), told, GIVEN)
