"""`approve`, `reject`, `promote` and who may say so."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from firstflight.cli import rollouts as command
from firstflight.domain.errors import StoreUnavailableError
from firstflight.rollout.approval import Answer
from tests.unit.cli.doubles import RUN, Ledger, Prefect, flow_run

Firstflight = Callable[..., tuple[int, str, str]]
OTHER = "11111111-53a8-4e0e-9b52-0f3c4c5f1a11"


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> Prefect:
    """The Prefect that takes answers, beside the ledger."""
    server = Prefect()
    monkeypatch.setattr(command, "open_store", lambda _: ledger)
    monkeypatch.setattr(command, "Orchestrator", lambda *_: server)
    return server


@pytest.mark.parametrize("word", ["latest", RUN, "m", "m-r1"])
def test_what_is_approved_is_named(firstflight: Firstflight, ledger: Ledger, prefect: Prefect, word: str) -> None:
    """Rollout, candidate and stage, with what the last check found: nobody approves something unnamed."""
    ledger.begin()
    decision = {"verdict": "PROMOTE", "reasons": ["no errors in 900"]}
    ledger.append("checks/m-r1", "check", {"look": {"stage": 10}, "decision": decision}, actor=RUN)
    ledger.ask()
    code, told, _ = firstflight("approve", word, "--as", " ann ")
    assert 0 == code
    assert f"ann approved m-r1 before 100 %: enhanced-predictor-v2 goes on to 100 % within seconds (run {RUN})" in told
    assert "its last check at 10 %: PROMOTE: no errors in 900" in told
    assert [(RUN, {"approver": "ann", "decision": "approve", "comment": ""})] == prefect.answers


def test_who_is_quicker_than_the_run_is_heard(
    firstflight: Firstflight, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question is told a moment before Prefect has suspended the run: the answer waits for that."""
    waited: list[float] = []
    server = Prefect(flow_run("RUNNING", "Running"), flow_run("RUNNING", "Running"), flow_run("PAUSED", "Suspended"))
    monkeypatch.setattr(command, "open_store", lambda _: ledger)
    monkeypatch.setattr(command, "Orchestrator", lambda *_: server)
    monkeypatch.setattr("time.sleep", waited.append)
    ledger.begin()
    ledger.ask()
    assert 0 == firstflight("approve", RUN, "--as", "ann")[0]
    assert 2 == len(waited)
    assert [RUN] == [run for run, _ in server.answers]


def test_machines_read_what_was_rejected(firstflight: Firstflight, ledger: Ledger, prefect: Prefect) -> None:
    """One object; of two that wait `latest` is the one that asked last."""
    ledger.begin(OTHER, "n")
    ledger.ask(OTHER, "n")
    ledger.begin()
    ledger.ask()
    code, told, _ = firstflight("reject", "latest", "--as", "ann", "--comment", "too slow", "--json")
    said = json.loads(told)
    assert (0, "m-r1", 100, "reject") == (code, said["rollout"], said["stage"], said["decision"])
    assert [RUN] == [run for run, _ in prefect.answers]


def test_what_waits_for_no_answer_is_left_alone(firstflight: Firstflight, ledger: Ledger, prefect: Prefect) -> None:
    """A run that is merely paused, one whose rollout was brought home, and one that nobody knows: exit code 5."""
    ledger.begin()
    code, _, told = firstflight("approve", "latest", "--as", "ann")
    assert (5, "'latest' waits for no answer; what does: none\n") == (code, told)
    ledger.ask()
    ledger.bring_home("guard", "stable alone answers")
    ledger.begin(OTHER, "n")
    ledger.ask(OTHER, "n")
    for word in (RUN, "m"):
        code, _, told = firstflight("approve", word, "--as", "ann")
        assert (5, True) == (code, "m-r1 is rolled back and asks nothing" in told)
        assert f"what does: n before 100 % (run {OTHER})" in told
    assert 5 == firstflight("approve", "nosuch", "--as", "ann")[0]
    assert [] == prefect.answers


def test_where_the_ledger_cannot_be_asked_a_run_is_named_by_its_id(
    firstflight: Firstflight, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """As from outside a cluster, with Prefect's API alone; `latest` might be anything, and is refused."""

    def away(*_: object) -> None:
        raise StoreUnavailableError("no socket here")

    monkeypatch.setattr(ledger, "streams", away)
    monkeypatch.setattr(command, "open_store", lambda _: ledger)
    waits, over = Prefect(flow_run("PAUSED", "Suspended")), Prefect(flow_run())
    for server, word, code in ((waits, RUN, 0), (waits, "latest", 5), (over, RUN, 5)):
        monkeypatch.setattr(command, "Orchestrator", lambda *_, server=server: server)
        assert code == firstflight("approve", word, "--as", "ann")[0]
    assert [RUN] == [str(run) for run, _ in waits.answers]
    assert [] == over.answers


@pytest.mark.parametrize("name", ["", "   ", "a" * 101])
@pytest.mark.parametrize(
    "words",
    [
        ("approve", "latest"),
        ("reject", "latest", "--comment", "no"),
        ("promote", "m", "--comment", "now"),
        ("roll-back", "m"),
        ("freeze", "--reason", "feast"),
        ("thaw", "--reason", "over"),
    ],
    ids=lambda words: words[0],
)
def test_nobody_is_refused(firstflight: Firstflight, words: tuple[str, ...], name: str) -> None:
    """Whoever decides has a name: exit code 2 and a sentence, not forty lines."""
    code, _, told = firstflight(*words, "--as", name)
    assert (2, True) == (code, "is nobody's name; who are you?" in " ".join(told.split()))


def test_nobody_is_refused_by_the_form_too() -> None:
    """Prefect checks an answer against the schema of this value."""
    with pytest.raises(ValidationError, match="approver"):
        Answer(approver="   ", decision="approve", comment="")
    pattern = Answer.model_json_schema()["properties"]["approver"]["pattern"]
    assert [False, False, True] == [re.search(pattern, name) is not None for name in ("", "   ", " ann ")]


def test_a_comment_that_no_record_holds_is_refused(firstflight: Firstflight) -> None:
    """Exit code 2."""
    code, _, told = firstflight("reject", "latest", "--as", "ann", "--comment", "x" * 2001)
    assert (2, True) == (code, "2001 characters; at most 2000 are kept" in " ".join(told.split()))


def test_history_tells_every_record_in_whole_words(firstflight: Firstflight, ledger: Ledger, prefect: Prefect) -> None:
    """By day and time, with who wrote it where that changes; nothing is cut off in a pipe of eighty columns."""
    assert [] == prefect.answers
    ledger.begin()
    ledger.ask()
    why = "error rate of the candidate 32 % (always-valid 95 % interval 21 to 44 %), limit 1 %, of 60 requests"
    ledger.bring_home("guard", why)
    code, told, _ = firstflight("history", "m")
    lines = told.splitlines()
    assert (0, f"m, {datetime.now(UTC):%Y-%m-%d} (UTC)") == (code, lines[0])
    assert lines[1].endswith("canary m-r1 started: enhanced-predictor-v2 against baseline-predictor-v1 (run 8d9f2a52)")
    assert lines[4].endswith("rolling back (guard) (guard)")
    assert f"         {why}" in lines
    assert "…" not in told
    assert 2 == len(firstflight("history", "m", "--last", "2", "--json")[1].splitlines())


def test_a_model_without_history_is_named(firstflight: Firstflight, ledger: Ledger, prefect: Prefect) -> None:
    """Exit code 3, and what the ledger knows."""
    assert [] == prefect.answers
    ledger.begin(model="known")
    code, told, why = firstflight("history", "nosuch")
    assert (3, "") == (code, told)
    assert "the ledger has no rollout of 'nosuch'; models it has some of: known\n" == why
