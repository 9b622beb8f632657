"""Start a canary, an A/B test or a release, as Prefect's form does."""

import json
from pathlib import Path

import typer

from firstflight.cli.plan_files import Plan, plan_from
from firstflight.cli.watch import tell_to_the_end
from firstflight.domain.plans import ABTestPlan, CanaryPlan, ReleasePlan, TrainingPlan
from firstflight.domain.wording import visible
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.policy import environments_of
from firstflight.settings import Settings
from firstflight.world import read_policy


def canary(file: Path | None, changes: list[str] | None, *, follow: bool, as_json: bool) -> None:
    """Start the flow `canary`."""
    _start("canary", CanaryPlan, file, changes, follow=follow, as_json=as_json)


def ab_test(file: Path | None, changes: list[str] | None, *, follow: bool, as_json: bool) -> None:
    """Start the flow `ab-test`."""
    _start("ab-test", ABTestPlan, file, changes, follow=follow, as_json=as_json)


def release(file: Path | None, changes: list[str] | None, *, follow: bool, as_json: bool) -> None:
    """Start the flow `release`."""
    _start("release", ReleasePlan, file, changes, follow=follow, as_json=as_json)


def _start(
    flow: str, kind: type[Plan], file: Path | None, changes: list[str] | None, *, follow: bool, as_json: bool
) -> None:
    settings = Settings()
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    otherwise = {} if file else orchestrator.parameters(f"{flow}/{flow}").get("plan")
    plan = plan_from(kind, file, changes or (), otherwise)
    _refuse_by_policy(settings, plan)
    run = orchestrator.start(f"{flow}/{flow}", {"plan": plan.model_dump(mode="json")})
    page = settings.run_page(run.id)
    if as_json:
        typer.echo(json.dumps({"run": str(run.id), "name": run.name, "page": page}))
    else:
        typer.echo(visible(f"run {run.id} ({run.name}): {page}"))
    if follow:
        tell_to_the_end(settings, orchestrator, run, as_json=as_json)
    elif not as_json:
        typer.echo(f"follow it with `firstflight watch {run.id}`")


def _refuse_by_policy(settings: Settings, plan: CanaryPlan | ABTestPlan | ReleasePlan | TrainingPlan) -> None:
    """Refuse what would be refused when it starts, before anything is trained; the run itself asks again."""
    parts = (plan.ab_test, plan.canary) if isinstance(plan, ReleasePlan) else (plan,)
    for part in (one for one in parts if not isinstance(one, TrainingPlan)):
        for policy in (read_policy(settings, name) for name in environments_of(part, settings.environment)):
            if faults := policy.faults(part):
                raise typer.BadParameter(f"{policy} does not allow this plan: {'; '.join(faults)}")
