"""Canaries on the real local stack that do not end in promotion: broken, rejected, unanswered, of nothing."""

import asyncio
import threading
from pathlib import Path

import httpx
import pytest

from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.ledger_view import history
from firstflight.domain.faults import Fault
from firstflight.ledger import open_store
from firstflight.page.app import Keys, app
from firstflight.page.reading import Reading
from firstflight.serving import open_backend
from firstflight.world import open_world
from tests.e2e.runs import CANARY, MODEL, RELEASE, Runs, assert_home, canary, candidate

pytestmark = [pytest.mark.local, pytest.mark.usefixtures("released")]


def test_a_broken_candidate_is_caught(runs: Runs) -> None:
    """A runtime that fails 30 % of its requests goes home on evidence, and the run says so."""
    run = canary(runs, candidate(runs, "errors", Fault(kind="errors", share=0.3)))
    ended = runs.ended(run.id)
    assert ("FAILED", "RolledBack") == (ended.state_type, ended.state_name)
    rollout = runs.rollout(run.id)
    assert_home(runs, rollout)
    assert () == rollout.passed
    assert "error rate" in " ".join(rollout.reasons)


def test_an_ab_test_that_was_brought_home_is_red(runs: Runs) -> None:
    """As a canary is: who reads the list of runs sees it."""
    world = open_world(runs.settings)
    champion = world.registry.get(MODEL, "champion")
    plan = RELEASE.ab_test.model_copy(
        update={
            "control": champion.variant,
            "versions": {champion.variant: champion.number},
            "shadow": None,
            "requests": 100_000,
            "seconds": 600.0,
        }
    )
    run = runs.start("ab-test/ab-test", plan)
    runs.observing(run.id)
    bring_model_home(world, MODEL, actor="ada", reason="seen enough")
    ended = runs.ended(run.id)
    assert ("FAILED", "RolledBack") == (ended.state_type, ended.state_name)
    assert "seen enough" in ended.message
    assert_home(runs, runs.rollout(run.id))


def test_silence_leads_home(runs: Runs) -> None:
    """Nobody answers in time: Prefect fails the run, the automation brings traffic home; the guard looked on."""
    plan = CANARY.model_copy(update={"approval_seconds": 5.0})
    run = canary(runs, candidate(runs, "unanswered"), plan)
    runs.suspended(run.id)
    assert "FAILED" == runs.ended(run.id).state_type
    rollout = runs.home(run.id)
    assert_home(runs, rollout)
    said = (runs.settings.home / "supervisor" / "logs" / "guard.log").read_text(encoding="utf-8")
    assert f"{rollout.id}: check at 25 %: " in said


def answered(runs: Runs, path: str, answer: dict[str, str | int]) -> str:
    """Answer on the rollout's page as its script does for whoever `firstflight open` led there; return what it said."""
    keys, origin = Keys(), runs.settings.page
    page = app(Reading(open_store(runs.settings)), runs.orchestrator, runs.settings, keys, threading.Event())

    async def asked() -> str:
        transport = httpx.ASGITransport(page)
        async with httpx.AsyncClient(transport=transport, base_url=origin, headers={"Origin": origin}) as client:
            assert "Shall " in (await client.get(path)).text
            assert httpx.codes.FORBIDDEN == (await client.post(f"{path}/answer", json=answer)).status_code
            key = (await client.post("/sign-in", content=keys.code or "")).json()["key"]
            said = await client.post(f"{path}/answer", json=answer, headers={"Authorization": f"Bearer {key}"})
            assert httpx.codes.OK == said.status_code, said.text
            return str(said.json()["told"])

    return asyncio.run(asked())


def test_an_answer_without_a_name_is_refused_and_a_no_leads_home(runs: Runs, reports: Path) -> None:
    """Prefect checks the form on its server; the run goes on waiting. A report in the way keeps no question back."""
    version = candidate(runs, "nameless")
    in_the_way = reports / f"{MODEL}-r{len(history(open_store(runs.settings), MODEL)) + 1}.html"
    in_the_way.mkdir()
    run = canary(runs, version)
    runs.suspended(run.id)
    assert runs.rollout(run.id).id == in_the_way.stem
    in_the_way.rmdir()
    with pytest.raises(Exception, match="did not take the answer"):
        runs.orchestrator.resume(run.id, {"decision": "approve", "comment": ""})
    assert runs.orchestrator.run(run.id).suspended
    shown = {"approver": "grace", "decision": "reject", "comment": "not on a Friday", "stage": 50}
    assert "Taken: traffic goes back" in answered(runs, f"/rollouts/{run.id}", shown)
    assert "RolledBack" == runs.ended(run.id).state_name
    rollout = runs.rollout(run.id)
    assert_home(runs, rollout)
    assert ("grace rejected: not on a Friday",) == rollout.reasons


def test_a_version_the_registry_does_not_have_is_refused(runs: Runs) -> None:
    """The run fails with what exists; nothing moves."""
    before = open_backend(runs.settings).get_traffic(MODEL)
    ended = runs.ended(runs.start("canary/canary", CANARY.model_copy(update={"candidate": 999})).id)
    assert "FAILED" == ended.state_type
    assert "999" in ended.message
    assert before == open_backend(runs.settings).get_traffic(MODEL)
