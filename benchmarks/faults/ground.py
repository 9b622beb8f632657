"""What the bench stands on: models of its own on a running stack, each with a candidate, and a mortal deployment."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.domain.plans import CanaryPlan, Guardrail, TrainingPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion, Registered
from firstflight.orchestrator import basic
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from firstflight.stack.parts import parts
from firstflight.supervision.supervisor import Supervisor
from firstflight.workloads.market.data.market import load_market
from firstflight.workloads.market.training.side_by_side import train_side_by_side
from firstflight.workloads.tracking import MemoryTracker
from firstflight.world import World, open_world

DEPLOYMENT = "canary/doomed"
_ENTRYPOINT = "benchmarks.faults.doomed.canary"
GUARDRAILS = (
    Guardrail(metric="error_rate", limit=0.2, proves=False),
    Guardrail(metric="latency", limit=5000.0, quantile=0.95, proves=False),
)
"""Wide: the candidate is as good as the stable model, and what a kill does to it is not what is measured here."""


@dataclass(frozen=True)
class Lane:
    """One model with two versions that take turns in being stable; rollouts of a lane follow each other."""

    model: str
    versions: tuple[ModelVersion, ModelVersion]

    def plan(self, stable: str, stages: tuple[int, ...], min_stage_seconds: float) -> CanaryPlan:
        """A quick rollout of the version that is not served as `stable`."""
        first, second = self.versions
        old, new = (first, second) if stable == first.served_name else (second, first)
        return CanaryPlan(
            model=self.model,
            stable=old.number,
            candidate=new.number,
            stages=stages,
            approvals=(),
            stage_seconds=600,
            min_stage_seconds=min_stage_seconds,
            warmup_seconds=0,
            check_seconds=0.5,
            no_data_seconds=90,
            bake_seconds=1,
            guardrails=GUARDRAILS,
        )


def resting_split(rollout: Rollout) -> TrafficSplit:
    """What the router must report once `rollout` has ended."""
    promoted = rollout.phase.value == "promoted"
    return TrafficSplit.all_to((rollout.candidate if promoted else rollout.arms.stable).served_name)


def prepare(settings: Settings, lanes: int, prefix: str = "faults") -> tuple[Lane, ...]:
    """Make the lanes, served and with traffic, and the deployment; what is there already is left alone.

    Rollouts of the deployment have leases of `settings.lease_seconds`, whatever those of the stack are.
    """
    world = open_world(settings)
    artifact = _artifact(settings)
    _deploy_flow(settings)
    _make_guard_mortal(settings)
    return tuple(_lane(world, artifact, f"{prefix}-{letter}") for letter in "abcdefgh"[:lanes])


def _artifact(settings: Settings) -> Path:
    """Train the smallest model that is a real one, once."""
    folder = settings.home / "faults" / "artifact"
    if not (folder / "baseline").exists():
        plan = TrainingPlan(model="faults", variants=("baseline",), max_epochs=1, max_rows=4000)
        train_side_by_side(plan, load_market(), folder, MemoryTracker(), commit="none")
    return folder / "baseline"


def _lane(world: World, artifact: Path, model: str) -> Lane:
    variant = model  # served names carry the variant, not the model
    first, second = (world.registry.register(model, variant, artifact, {"copy": str(copy)}) for copy in (1, 2))
    if world.backend.get_traffic(model) is None:
        ensure_champion(world, Registered(version=first, passed=True, reasons=()), actor="bench")
    for version in (first, second):
        deploy(world, version)
    return Lane(model=model, versions=(first, second))


def _deploy_flow(settings: Settings) -> None:
    """Deploy the canary flow once more, by an entrypoint whose processes are mortal."""
    auth = basic(settings.prefect_auth)
    with httpx.Client(base_url=settings.prefect_api, auth=auth, timeout=30, trust_env=False) as prefect:
        known = prefect.get("/deployments/name/canary/canary").raise_for_status().json()
        kept = ("flow_id", "path", "pull_steps", "work_pool_name", "job_variables", "parameter_openapi_schema", "tags")
        body = {name: known[name] for name in kept}
        body["job_variables"] |= {"env": {"FIRSTFLIGHT_LEASE_SECONDS": str(settings.lease_seconds)}}
        wanted = {**body, "name": DEPLOYMENT.rpartition("/")[2], "entrypoint": _ENTRYPOINT}
        prefect.post("/deployments/", json=wanted).raise_for_status()


def _make_guard_mortal(settings: Settings) -> None:
    """Let the supervisor run the guard in a process that can be told where to die."""
    supervisor = Supervisor(settings.supervisor_folder)
    [guard] = [part for part in parts(settings, supervisor) if part.name == "guard"]
    command = (sys.executable, "-m", "benchmarks.faults.doomed_guard")
    supervisor.add(replace(guard.program(), command=command))
