"""What TAB offers."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from firstflight.cli import completion
from firstflight.domain.errors import StoreUnavailableError
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.rollout.machine import Arms

STABLE = ModelVersion(model="m", variant="v", number=1, digest=f"sha256:{1:064x}")


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> MemoryRecordStore:
    """Two models, of which one asks a person."""
    store = MemoryRecordStore(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    arms = Arms(stable=STABLE, candidates=(STABLE.model_copy(update={"number": 2}),)).model_dump(mode="json")
    for model in ("calm", "asking"):
        plan = CanaryPlan(model=model).model_dump(mode="json")
        body = {"rollout": f"{model}-r1", "activity": "canary", "run": f"run-{model}", "plan": plan, "arms": arms}
        store.append(f"rollout/{model}", "rollout.started", body, actor=f"run-{model}")
    store.append("rollout/asking", "approval.asked", {"stage": 50, "link": ""}, actor="run-asking")
    monkeypatch.setattr(completion, "open_store", lambda _: store)
    return store


def test_models_and_runs_are_those_of_the_ledger(ledger: MemoryRecordStore) -> None:
    """Runs that wait come with their models, either of which names the question."""
    assert ("rollout/asking", "rollout/calm") == tuple(sorted(ledger.streams("rollout/")))
    assert {"asking", "calm"} == {*completion.models()}
    assert {"latest", "run-asking", "run-calm"} == {*completion.runs()}
    assert ["latest", "asking", "run-asking"] == completion.waiting()


def test_a_ledger_that_is_away_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """TAB prints no error into the line that is being written."""

    def away(_: object) -> MemoryRecordStore:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(completion, "open_store", away)
    assert ([], ["latest"], ["latest"]) == (completion.models(), completion.runs(), completion.waiting())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("firstflight ro", ["roll-back"]),
        ("firstflight drill --fault dr", ["driver"]),
        ("firstflight watch la", ["latest"]),
    ],
)
def test_the_shell_is_offered_what_fits(line: str, offered: list[str]) -> None:
    """As bash asks, of the program itself."""
    asked = {"_FIRSTFLIGHT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", "from firstflight.cli.main import app; app(prog_name='firstflight')"],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "FIRSTFLIGHT_HOME": "/nowhere", **asked},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert offered == done.stdout.split()
