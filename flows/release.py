"""The whole chain: train → deploy → A/B test → canary → promote."""

from typing import Any

from prefect import flow
from prefect.client.schemas import State
from pydantic import Field

from firstflight.acts.drive import drive
from firstflight.comparison.compare import choose
from firstflight.domain.plans import ABTestPlan, DeployPlan, ReleasePlan
from firstflight.domain.versions import ModelVersion, Trained
from firstflight.rollout.release import ab_test_after, canary_after
from firstflight.workloads.find import filled
from flows.ab_test import ab_test
from flows.deploy import deploy
from flows.roll_back import bring_run_home
from flows.train import train
from tasks import checkpoints, reports, rollouts, serving
from tasks.runs import called_after_its_model


@flow(
    flow_run_name=called_after_its_model,
    on_failure=[bring_run_home],
    on_crashed=[bring_run_home],
    on_cancellation=[bring_run_home],
)
def release(
    plan: ReleasePlan = Field(description="What to train, and how it is compared and rolled out."),
) -> State[Any]:
    """Train variants, serve those that pass the gate, compare them live, and canary the best one.

    The run suspends for approval and starts again from the top: what it has done is kept in the
    ledger, so nothing is trained, deployed or compared twice. It contains the canary's steps itself,
    since only a run that a person started can suspend.
    """
    plan = filled(plan)
    rollouts.refuse_by_policy(plan)
    trained = trained_variants(plan)
    champion = serving.ensure_champion(trained.variants[plan.first_champion])
    if (test := ab_test_after(plan.ab_test, trained, champion)) is None:
        return reports.kept_champion("no variant passed the offline gate", champion, trained)
    winner, why = compared_variants(test, trained)
    if winner is None:
        return reports.kept_champion(why, champion, trained)
    rollout = rollouts.begin(canary_after(plan.canary, winner, champion))
    with rollouts.handed_over(rollout):
        rollout = drive(rollout, rollouts.InTasks())
    reports.write_report(rollout)
    return reports.outcome(rollout)


def trained_variants(plan: ReleasePlan) -> Trained:
    """Train, or recall what this run has trained."""
    if (kept := checkpoints.load("trained")) is not None:
        return Trained.model_validate(kept)
    trained = train(plan.training)
    checkpoints.save("trained", trained.model_dump(mode="json"))
    return trained


def compared_variants(test: ABTestPlan, trained: Trained) -> tuple[ModelVersion | None, str]:
    """Deploy and compare, or recall what this run has found; return the version to canary, if any, and why."""
    if (kept := checkpoints.load("compared")) is None:
        numbers = tuple(sorted(set(test.versions.values())))
        deploy(DeployPlan(model=test.model, versions=numbers, shadow=test.versions.get(test.shadow or "")))
        reports.refuse_other_end(ab_test(test, return_state=True))
        comparison = rollouts.comparison()
        kept = {
            "chosen": choose(comparison) if comparison else None,
            "why": comparison.summary if comparison else "the A/B test ended before it could conclude",
        }
        checkpoints.save("compared", kept)
    return trained.variants[kept["chosen"]].version if kept["chosen"] else None, kept["why"]
