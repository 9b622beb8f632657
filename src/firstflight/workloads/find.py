"""Workloads by name, and what a plan leaves to its own."""

import importlib
from typing import Any, TypeVar, cast

from firstflight.domain.errors import InvalidPlanError, NotFoundError
from firstflight.domain.plans import ABTestPlan, CanaryPlan, ReleasePlan, TrainingPlan
from firstflight.workloads.workload import Workload

NAMES = ("market", "digits")
"""Workloads that come with the library."""

Part = CanaryPlan | ABTestPlan | TrainingPlan
Plan = TypeVar("Plan", bound=Part | ReleasePlan)


def find(name: str) -> Workload:
    """Return the workload `name`: one of the library's, or `package.module:name` for one's own.

    Raises:
        NotFoundError: There is none of that name; the message says which there are.
    """
    if name in NAMES:
        name = f"firstflight.workloads.{name}.workload:WORKLOAD"
    module, colon, attribute = name.partition(":")
    if not colon:
        raise NotFoundError(f"no workload {name!r}; there are {_THERE_ARE}")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise NotFoundError(f"workload {name!r} cannot be imported: {error}; there are {_THERE_ARE}") from error
    if not isinstance(found, Workload):
        raise NotFoundError(f"{name!r} is no Workload but {type(found).__name__}; there are {_THERE_ARE}")
    return found


def filled(plan: Plan) -> Plan:
    """Return `plan` with what its author has left to the workload: what was given stays as it is.

    Raises:
        NotFoundError: There is no such workload.
        InvalidPlanError: The parts of a release name different workloads, or variants that theirs has not.
        pydantic.ValidationError: What was given does not go with what was left to the workload.
    """
    own = _of_a_release(plan) if isinstance(plan, ReleasePlan) else _of_a_part(plan)
    changes = {name: value for name, value in own.items() if getattr(plan, name) != value}
    if not changes:
        return plan
    return cast("Plan", type(plan).model_validate({**dict(plan), **changes}))


def _of_a_part(plan: Part) -> dict[str, Any]:
    """Return what the workload says of fields that were not given; an empty choice of variants is none."""
    workload = find(plan.workload)
    own: dict[str, Any] = {}
    chosen: dict[str, Any] = {}
    match plan:
        case TrainingPlan():
            workload.trainer(plan)
            own["model"] = workload.model
            chosen["variants"] = workload.variants
        case ABTestPlan():
            own |= {"guardrails": workload.guardrails, "shadow": workload.shadow}
            chosen |= {"weights": dict(workload.weights), "control": workload.reference}
            if not ((plan.weights or workload.weights) and (plan.control or workload.reference)):
                raise InvalidPlanError(
                    f"workload {workload.name!r} has no A/B test of its own; name weights and control in the plan"
                )
        case CanaryPlan():
            own["guardrails"] = workload.guardrails
    left = {name: value for name, value in own.items() if name not in plan.model_fields_set}
    found = left | {name: value for name, value in chosen.items() if not getattr(plan, name)}
    if not isinstance(plan, TrainingPlan):
        guardrails = found.get("guardrails", plan.guardrails)
        found["guardrails"] = tuple(guardrail.suited(workload.metrics) for guardrail in guardrails)
    return found


def _of_a_release(plan: ReleasePlan) -> dict[str, Any]:
    name = plan.training.workload
    parts: dict[str, Part] = {"training": plan.training, "ab_test": plan.ab_test, "canary": plan.canary}
    for part, own in parts.items():
        if own.workload != name and "workload" in own.model_fields_set:
            raise InvalidPlanError(f"{part} is about workload {own.workload!r}, training about {name!r}; name one")
    of_it = {part: filled(own.model_copy(update={"workload": name})) for part, own in parts.items()}
    return of_it | ({} if plan.first_champion else {"first_champion": find(name).reference})


_THERE_ARE = f"{', '.join(NAMES)}, or package.module:name for one of your own"
