"""Plans from files, with single values changed on the command line."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import typer
import yaml
from pydantic import ValidationError

from firstflight.domain.errors import InvalidPlanError, NotFoundError
from firstflight.domain.plans import WORKLOAD, ABTestPlan, CanaryPlan, Guardrail, ReleasePlan, TrainingPlan
from firstflight.workloads.find import filled, find

Plan = TypeVar("Plan", CanaryPlan, ABTestPlan, ReleasePlan, TrainingPlan)
PARTS = {CanaryPlan: "canary", ABTestPlan: "ab_test", TrainingPlan: "training"}
"""What of a release's plan is a plan of its own."""
_OF_A_TEST = ABTestPlan.model_fields.keys() - CanaryPlan.model_fields.keys()
"""What only an A/B test's plan has."""
_MOST_VALUES = 10_000


def plan_from(
    kind: type[Plan], file: Path | None, changes: Sequence[str], otherwise: Mapping[str, Any] | None = None
) -> Plan:
    """Return the plan in `file` (of `kind`, or that part of a release's plan) once each PATH=VALUE has been changed.

    Without a file, `otherwise` is changed; what is left to the workload is filled in. A guardrail is named by its
    metric: guardrails.error_rate.limit=0.02 changes that one and keeps the others, the defaults included.

    Raises:
        typer.BadParameter: The file holds no plan, or what comes of it is not valid; each fault is named.
    """
    body = _content(kind, file) if file else _apart(dict(otherwise or {}), count())
    try:
        for change in changes:
            _change(body, change)
        return filled(kind.model_validate(body))
    except (InvalidPlanError, NotFoundError) as error:
        raise typer.BadParameter(f"{file or 'this'} is not a valid {_words(kind)}: {error}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the plan'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise typer.BadParameter(f"{file or 'this'} is not a valid {_words(kind)}: {faults}") from error


def rollout_plan_from(file: Path, changes: Sequence[str]) -> CanaryPlan | ABTestPlan:
    """Return the canary or A/B test that `file` plans, of a release its canary; raises as `plan_from` does."""
    if _OF_A_TEST & _read(file).keys():
        return plan_from(ABTestPlan, file, changes)
    return plan_from(CanaryPlan, file, changes)


def _content(kind: type[Plan], file: Path) -> dict[str, Any]:
    content = _read(file)
    part = PARTS.get(kind, "")
    return content[part] if isinstance(content.get(part), dict) else content


def _read(file: Path) -> dict[str, Any]:
    try:
        content = _apart(yaml.safe_load(file.read_text(encoding="utf-8")), count())
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # what YAML takes for a date or number may be none
        raise typer.BadParameter(f"{file} is neither YAML nor JSON: {error}") from error
    if not isinstance(content, dict):
        raise typer.BadParameter(f"{file} holds no plan: wanted names with values, found {type(content).__name__}")
    return content


def _apart(content: Any, counted: Iterator[int]) -> Any:
    """Return a copy in which nothing stands in two places, as what YAML names by an anchor does."""
    if next(counted) > _MOST_VALUES:  # a few anchors that name each other are a billion values
        raise ValueError(f"it holds more than {_MOST_VALUES:,} values")
    if isinstance(content, dict):
        return {name: _apart(value, counted) for name, value in content.items()}
    return [_apart(value, counted) for value in content] if isinstance(content, list) else content


def _words(kind: type[Plan]) -> str:
    return {CanaryPlan: "canary plan", ABTestPlan: "A/B test's plan", TrainingPlan: "training plan"}.get(
        kind, "release plan"
    )


def _change(body: dict[str, Any], change: str) -> None:
    path, equals, value = change.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise typer.BadParameter(f"{change!r} is not PATH=VALUE, such as guardrails.error_rate.limit=0.02")
    place: Any = body
    for name in names[:-1]:
        if isinstance(place, dict) and name == "guardrails" and name not in place:
            place[name] = [guardrail.model_dump(mode="json") for guardrail in _guardrails(place)]
        place = _inside(place, name, path)
    if not isinstance(place, dict):
        raise typer.BadParameter(f"{path}: name what of {names[-1]} is to change, such as {path}.limit")
    try:
        place[names[-1]] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"{change!r}: {value!r} is no value: {error}") from error


def _guardrails(plan: dict[str, Any]) -> tuple[Guardrail, ...]:
    return find(str(plan.get("workload", WORKLOAD))).guardrails


def _inside(place: Any, name: str, path: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(name, {})
    by_metric = {one.get("metric"): one for one in place if isinstance(one, dict)} if isinstance(place, list) else {}
    if name not in by_metric:
        raise typer.BadParameter(f"{path}: no {name}; there are {', '.join(map(str, by_metric)) or 'no parts of it'}")
    return by_metric[name]
