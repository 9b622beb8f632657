"""The plans that rollouts are driven by: the default one with more guardrails, and two that ask one question each."""

from collections.abc import Sequence

from benchmarks.worlds.faults import MARGIN_MEAN
from benchmarks.worlds.service import PATIENCE
from benchmarks.worlds.world import World
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.workloads.market.guardrails import GUARDRAILS

ALSO = {
    "brier": Guardrail(metric="brier", proves=False),
    "latency_mean": Guardrail(metric="latency_mean", margin=MARGIN_MEAN, bounds=(0.0, PATIENCE)),
}
"""Guardrails that can be added to the default ones."""


def default(guardrails: tuple[Guardrail, ...]) -> CanaryPlan:
    """The plan as it is when nobody says otherwise."""
    return CanaryPlan(model="worlds", guardrails=guardrails)


def tolerant(guardrails: tuple[Guardrail, ...]) -> CanaryPlan:
    """Harm is tolerated up to the margin: a candidate exactly there may be neither rolled back nor passed.

    Guardrails that have nothing to prove are left out: they would be right to fire.
    """
    proving = [each for each in guardrails if each.proves]
    return default(tuple(each.model_copy(update={"tolerance": each.margin or each.tolerance}) for each in proving))


def detection(guardrails: tuple[Guardrail, ...]) -> CanaryPlan:
    """Six hours at 5 %, no warm-up: how long a fault takes to be found there."""
    hours = 6 * 3600
    still = {"warmup_seconds": 0, "min_stage_seconds": hours, "stage_seconds": hours}
    return default(guardrails).model_copy(update={"stages": (5, 100), "approvals": (), **still})


PLANS = {plan.__name__: plan for plan in (default, tolerant, detection)}


def plan_named(name: str, world: World, also: Sequence[str]) -> CanaryPlan:
    """Return the plan, with the guardrails of `ALSO` that are named besides the default ones.

    Whoever runs a service knows what an answer can earn, so the bounds of profit are those of the world.
    """
    bounds = {"profit": world.payoff.bounds}
    rules = [rule.model_copy(update={"bounds": bounds.get(rule.metric, rule.bounds)}) for rule in GUARDRAILS]
    return PLANS[name]((*rules, *(ALSO[each] for each in also)))
