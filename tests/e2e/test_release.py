"""A release on the real local stack: trained, deployed, compared, canaried, approved, promoted."""

from pathlib import Path

import pytest

from firstflight.acts.compare import comparison_in
from firstflight.acts.ledger_view import checks, of_run
from firstflight.domain.traffic import TrafficSplit
from firstflight.orchestrator import FlowRun
from firstflight.rollout.machine import Phase
from firstflight.settings import Settings
from firstflight.world import open_world
from tests.e2e.complaints import Complaints
from tests.e2e.runs import MODEL, Runs, prefect

pytestmark = pytest.mark.local


def test_the_run_ends_promoted(released: FlowRun) -> None:
    """Prefect's page names what came of it."""
    assert ("COMPLETED", "Promoted") == (released.state_type, released.state_name)


def test_the_candidate_serves_all_traffic(released: FlowRun, runs: Runs) -> None:
    """The router, the registry and the ledger agree on who is champion."""
    rollout = runs.rollout(released.id)
    world = open_world(runs.settings)
    assert Phase.PROMOTED is rollout.phase
    assert rollout.candidate == world.registry.get(MODEL, "champion")
    ended = world.ledger.read(f"rollout/{MODEL}")
    promoted = next(record for record in ended if record.kind == "rollout.promoted")
    assert TrafficSplit.all_to(rollout.candidate.served_name).model_dump(mode="json") == promoted.body["split"]


def test_every_stage_was_entered_once_and_in_order(released: FlowRun, runs: Runs) -> None:
    """Suspending and resuming neither skips nor doubles a stage."""
    rollout = runs.rollout(released.id)
    records = open_world(runs.settings).ledger.read(f"rollout/{MODEL}")
    started = next(record.number for record in records if record.body.get("rollout") == rollout.id)
    entered = [
        record.body["stage"]
        for record in records
        if record.kind == "stage.entered" and started < record.number <= rollout.head
    ]
    assert [25, 50, 100] == entered
    assert (25, 50, 100) == rollout.passed


def test_nothing_was_trained_or_compared_twice(released: FlowRun, runs: Runs) -> None:
    """The run was resumed once; what it had done before is recalled, not done again."""
    world = open_world(runs.settings)
    kinds = [record.kind for record in world.ledger.read(f"release/{released.id}")]
    assert ["trained", "compared"] == kinds
    phases = [rollout.phase for rollout in of_run(world.ledger, str(released.id))]
    assert [Phase.COMPARED, Phase.PROMOTED] == phases


def test_the_comparison_saw_the_planned_requests(released: FlowRun, runs: Runs) -> None:
    """The A/B test ended on its length, with a recommendation and its reasons."""
    world = open_world(runs.settings)
    test = of_run(world.ledger, str(released.id))[0]
    seen = sum(sum(look.assignments.values()) for look, _ in checks(world.ledger, test))
    assert seen >= 1200
    found = comparison_in(world.ledger, test)
    assert found is not None
    [recommended] = found.recommendations
    assert "adopt" == recommended.verdict
    assert recommended.reasons


@pytest.mark.usefixtures("released")
def test_the_approval_is_on_record(runs: Runs) -> None:
    """Who answered what, and why."""
    records = open_world(runs.settings).ledger.read(f"rollout/{MODEL}")
    answered = [record for record in records if record.kind == "approval.answered"]
    assert {"stage": 50, "approver": "ada", "decision": "approve", "comment": "looks right"} == answered[0].body
    assert "ada" == answered[0].actor


def test_the_report_is_one_file_that_names_the_outcome(released: FlowRun, runs: Runs, reports: Path) -> None:
    """It needs no network: nothing in it is fetched from elsewhere."""
    text = (reports / f"{runs.rollout(released.id).id}.html").read_text(encoding="utf-8")
    assert "promoted" in text.lower()
    assert "<script src" not in text
    assert "<link rel" not in text


def test_prefect_keeps_the_decision_of_each_stage(released: FlowRun, runs: Runs) -> None:
    """One table for each stage, few rows: the checks in between update one progress bar."""
    body = {"artifacts": {"flow_run_id": {"any_": [str(released.id)]}}, "limit": 200}
    with prefect(runs.settings) as client:
        found = client.post("/artifacts/filter", json=body).json()
    tables = [one["key"] for one in found if one["type"] == "table"]
    rollout = runs.rollout(released.id).id
    assert [f"decision-{rollout}-{stage}" for stage in (100, 25, 50)] == sorted(tables)
    assert len(found) < 20


@pytest.mark.usefixtures("released")
def test_the_registry_knows_where_the_model_comes_from(runs: Runs) -> None:
    """Training data, commit and the gate's word stand beside the version."""
    world = open_world(runs.settings)
    tags = world.registry.tags(world.registry.get(MODEL, "champion"))
    assert {"training_data_hash", "git_commit", "gate", "gate_reasons", "parameters"} <= tags.keys()


def test_the_run_s_log_tells_the_rollout_and_its_notices(released: FlowRun, runs: Runs) -> None:
    """The run's page holds each act, each check and each notice: a notice that nobody got is kept there."""
    page: list[str] = []
    while len(page) % 200 == 0:
        body = {"logs": {"flow_run_id": {"any_": [str(released.id)]}}, "limit": 200, "offset": len(page)}
        with prefect(runs.settings) as client:
            found = client.post("/logs/filter", json=body).json()
        page += [one["message"] for one in found]
        assert found, "fewer lines than a release tells"
    rollout = runs.rollout(released.id)
    for said in (
        f"{rollout.id}: moving to 25 %",
        f"{rollout.id}: check at 50 %: PROMOTE",
        f"{MODEL}: {rollout.candidate.served_name} promoted",
    ):
        assert any(said in message for message in page)


def test_notices_are_kept_with_where_they_went(released: FlowRun, runs: Runs, live: Settings) -> None:
    """Without a Slack token they are in the log and the ledger, and say so, once each."""
    assert live.slack_token is None
    notices = open_world(runs.settings).ledger.read(f"notices/{runs.rollout(released.id).id}")
    events = [record.body["event"] for record in notices]
    assert sorted(set(events)) == sorted(events)
    assert {"started", "approval of 50", "ended"} <= set(events)
    assert all(record.body["where"] == "log" for record in notices)


def test_no_part_complains(release_and_complaints: tuple[FlowRun, Complaints]) -> None:
    """A release in which nothing breaks leaves no error in the log of any part, nor in that of any run."""
    _, complaints = release_and_complaints
    assert not complaints.found, "\n".join(complaints.found.values())
    parts = {"postgres", "prefect", "mlflow", "gateway", "collector", "outcomes", "exporter", "guard", "worker"}
    assert {f"{part}.log" for part in parts} <= complaints.read.keys()
    assert complaints.read["worker.log"] > 0
    assert complaints.read["guard.log"] > 0
