"""Training with each variant in a run of its own, as it is in a cluster, on the real local stack."""

import pytest

from firstflight.domain.plans import TrainingPlan
from firstflight.settings import Settings
from firstflight.world import open_world
from tests.e2e.runs import Runs, prefect

pytestmark = pytest.mark.local

MODEL = "trained-apart"
PLAN = TrainingPlan(model=MODEL, max_epochs=1, max_rows=4000, variants=("baseline", "lightweight"))


def test_each_variant_is_trained_by_a_run_of_its_own(stack: Settings) -> None:
    """The run asks for one run per variant, waits for them, and both versions are in the registry, judged together."""
    runs = Runs(stack)
    with prefect(stack) as client:
        found = client.get("/deployments/name/train/train").json()["id"]
        body = {
            "parameters": {"plan": PLAN.model_dump(mode="json")},
            "state": {"type": "SCHEDULED"},
            "job_variables": {"env": {"FIRSTFLIGHT_SEPARATE_TRAINING": "true"}},
        }
        run = client.post(f"/deployments/{found}/create_flow_run", json=body).json()["id"]
        ended = runs.wait(run, lambda each: each.final, seconds=400)  # three processes that import torch, one after two
        assert "COMPLETED" == ended.state_type
        flow = {"flows": {"name": {"any_": ["train-variant"]}}}
        apart = client.post("/flow_runs/filter", json=flow).json()

    assert ["COMPLETED", "COMPLETED"] == [each["state"]["type"] for each in apart]
    assert {"baseline", "lightweight"} == {each["parameters"]["variant"] for each in apart}
    judged_against = {each["parameters"]["variant"]: each["parameters"]["reference"] for each in apart}
    assert judged_against["baseline"] is None
    assert judged_against["lightweight"] is not None
    registered = open_world(stack).registry.versions(MODEL)
    assert {"baseline", "lightweight"} == {version.variant for version in registered}
