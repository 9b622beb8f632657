"""`firstflight watch`: one run's own story, while it runs and after."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rich.console import Console

from firstflight.cli import watch as command
from firstflight.cli.watch import Tale, training_progress
from firstflight.domain.errors import OrchestratorUnavailableError
from firstflight.registry.mlflow_rest import MlflowRest
from tests.unit.cli.doubles import RUN, Ledger, Prefect, flow_run

Firstflight = Callable[..., tuple[int, str, str]]
Watch = Callable[..., tuple[int, str]]
OTHER = "11111111-53a8-4e0e-9b52-0f3c4c5f1a11"


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, firstflight: Firstflight, ledger: Ledger) -> Callable[..., tuple[int, str]]:
    """Run the command against a Prefect; return its exit code and what it printed."""
    monkeypatch.setattr(command, "open_store", lambda _: ledger)
    monkeypatch.setattr(command, "POLL_SECONDS", 0.0)

    def run(prefect: Prefect, *words: str) -> tuple[int, str]:
        monkeypatch.setattr(command, "Orchestrator", lambda *_: prefect)
        code, out, err = firstflight("watch", *(words or (RUN,)))
        return code, out + err

    return run


def test_a_run_that_has_ended_is_told_from_its_beginning(ledger: Ledger, watch: Watch) -> None:
    """Who asks later sees what happened, and the exit code says that the candidate does not serve."""
    ledger.begin(RUN)
    ledger.bring_home("guard", "error rate [32 %]")
    code, told = watch(Prefect(flow_run(name="RolledBack")))
    assert 4 == code
    for words in ("canary m-r1 started", "rolling back (guard)", "error rate [32 %]", "ended RolledBack"):
        assert words in " ".join(told.split())


def test_the_story_of_others_is_not_told(ledger: Ledger, watch: Watch) -> None:
    """Neither an earlier rollout of the model, nor a drill of another one at the same time."""
    ledger.begin(OTHER)
    ledger.bring_home(OTHER, "an older fault")
    ledger.begin(RUN)
    ledger.begin(OTHER, "m-drill")
    ledger.bring_home(OTHER, "error rate 100 %", "m-drill")
    _, told = watch(Prefect(flow_run()))
    assert "canary m-r4 started" in told
    assert not {"older", "drill"} & set(told.replace("-", " ").split())


@pytest.mark.parametrize(
    ("state", "name", "code"),
    [("COMPLETED", "Promoted", 0), ("COMPLETED", "KeptChampion", 4), ("FAILED", "Failed", 1), ("CANCELLED", "x", 1)],
)
def test_the_exit_code_tells_the_end(ledger: Ledger, watch: Watch, state: str, name: str, code: int) -> None:
    """0: it did what it was for; 4: no candidate serves; 1: it failed."""
    assert 0 == ledger.head("rollout/m")
    assert code == watch(Prefect(flow_run(state, name)))[0]


def test_a_run_that_nobody_knows_is_refused_with_those_there_are(ledger: Ledger, watch: Watch) -> None:
    """Exit code 3, not the raw answer of an API."""
    assert () == ledger.streams("rollout/")
    code, told = watch(Prefect(flow_run()), "nosuch")
    assert (3, True) == (code, f"no run 'nosuch'; the newest: {RUN}" in told)


def test_while_a_person_is_asked_it_says_so(ledger: Ledger) -> None:
    """The last check said PROMOTE; what the run waits for is a word."""
    rollout, run = ledger.begin(RUN), flow_run("PAUSED", "Suspended")
    look = {"look": {"stage": 10}, "decision": {"verdict": "PROMOTE", "reasons": ["all is well"]}}
    tale = Tale(ledger, run)
    ledger.append(f"checks/{rollout}", "check", look, actor=RUN)
    tale.news()
    assert "check at 10 %: PROMOTE: all is well" == tale.now(flow_run("RUNNING", "Running"))
    assert "is paused in Prefect; the rollout asks nothing" == tale.now(run)
    ledger.append("rollout/m", "rollout.held", {"stage": 10, "seconds": 300.0}, actor=RUN)
    assert ["rollout.held"] == [record.kind for record in tale.news()]
    assert "is held where it stands, watched: Resume on its page" in tale.now(run)
    ledger.ask()
    assert ["stage.passed", "approval.asked"] == [record.kind for record in tale.news()]
    assert f"waits 60 min more for a person's word before 100 %: firstflight approve {RUN} --as NAME" == tale.now(run)


def test_a_run_that_waits_for_nothing_any_more_is_left(ledger: Ledger, watch: Watch) -> None:
    """The guard brought the model home while a person was asked: nobody's answer would change that."""
    ledger.begin(RUN)
    ledger.bring_home("guard", "stable alone answers")
    code, told = watch(Prefect(flow_run("PAUSED", "Suspended")))
    assert (4, True) == (code, "still waits in Prefect, for nothing" in " ".join(told.split()))


def test_a_server_that_is_away_for_a_moment_is_waited_for(ledger: Ledger, watch: Watch) -> None:
    """Whoever watches at night is not thrown out by a restart."""
    ledger.begin(RUN)
    away = OrchestratorUnavailableError("restarting")
    code, told = watch(Prefect(flow_run("RUNNING", "Running"), away, away, flow_run()))
    assert (0, True) == (code, "ended Completed" in told)


def test_a_server_that_stays_away_ends_it(ledger: Ledger, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute it fails with the reason."""
    ledger.begin(RUN)
    monkeypatch.setattr(command, "PATIENCE_SECONDS", -1.0)
    assert 1 == watch(Prefect(flow_run("RUNNING", "Running"), OrchestratorUnavailableError("gone")))[0]


def test_machines_read_every_record_and_the_end(ledger: Ledger, watch: Watch) -> None:
    """One object a line; the last says how the run ended."""
    ledger.begin(RUN)
    code, told = watch(Prefect(flow_run(name="Promoted")), "latest", "--json")
    record, end = map(json.loads, told.splitlines())
    assert (0, "rollout.started", "Promoted") == (code, record["kind"], end["state"])


def test_training_is_looked_for_where_the_model_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the experiment of the model's name: which number MLflow gave it depends on what was there before."""
    metrics = [{"key": "validation_loss", "value": 0.69, "step": 2}]
    running = {"7": [{"info": {"run_name": "baseline"}, "data": {"metrics": metrics}}]}

    def request(_method: str, url: str, **given: Any) -> httpx.Response:
        if url.endswith("get-by-name"):
            number = {"mine": "7"}.get(given["params"]["experiment_name"], "1")
            return httpx.Response(200, json={"experiment": {"experiment_id": number}})
        (asked,) = given["json"]["experiment_ids"]
        return httpx.Response(200, json={"runs": running.get(asked, [])})

    monkeypatch.setattr(httpx, "request", request)
    mlflow = MlflowRest("http://there")
    wanted = "training  baseline: epoch 3, validation loss 0.6900"
    assert wanted == training_progress(mlflow, {"plan": {"training": {"model": "mine"}}})
    assert wanted == training_progress(mlflow, {"plan": {"model": "mine"}})
    assert "" == training_progress(mlflow, {"plan": {"model": "others"}})
    assert "" == training_progress(mlflow, {})


def test_what_it_does_now_stays_in_one_line() -> None:
    """A status that wraps would leave half of itself behind."""
    seen: list[str] = []

    class Status:
        def update(self, what: str) -> None:
            seen.append(what)

    command.Terminal(Console(width=20), Status()).doing("[bold] and much longer than that")
    assert ["\\[bold] and much…"] == seen
