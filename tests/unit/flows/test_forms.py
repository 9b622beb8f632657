"""The forms on Prefect's page: what the schema of each deployment's flow says is all that a person sees."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from firstflight.domain import plans
from firstflight.domain.values import Form
from firstflight.rollout.approval import Answer
from firstflight.workloads.market.guardrails import GUARDRAILS

ROOT = Path(__file__).parents[3]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
DEPLOYED = {one["name"]: one["entrypoint"] for one in DEPLOYMENTS}
PARAMETERS = {one["name"]: one.get("parameters") for one in DEPLOYMENTS}
FORMS = [form for form in vars(plans).values() if inspect.isclass(form) and issubclass(form, Form) and form is not Form]
JARGON = ("null", "arm", "e-value", "INCONCLUSIVE")


def schema_of(deployment: str) -> dict[str, Any]:
    """Return the schema that Prefect keeps with a deployment."""
    module, _, name = DEPLOYED[deployment].rpartition(".")
    return parameter_schema(getattr(import_module(module), name).fn).model_dump()


def fields(schema: dict[str, Any], inside: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field below `inside`, by path, those of values in lists and of alternatives too."""
    for name, field in inside.get("properties", {}).items():
        yield f"{path}{name}", field
        for part in (field, field.get("items", {}), *field.get("anyOf", ())):
            below = part.get("$ref", "").rpartition("/")[2]
            if below:
                yield from fields(schema, schema["definitions"][below], f"{path}{name}.")


@pytest.mark.parametrize("deployment", DEPLOYED)
def test_every_field_says_what_it_is_and_where_it_stands(deployment: str) -> None:
    """A description, a title and a place each, however deep; the places are those of the source."""
    schema = schema_of(deployment)
    told = dict(fields(schema, schema))
    assert [] == [path for path, field in told.items() if not {"description", "position"} <= field.keys()]
    assert [] == [path for path, field in told.items() if not ({"title", "$ref"} & field.keys())]
    assert [] == [path for path, field in told.items() if any(word in field["description"].split() for word in JARGON)]
    for inside in (schema, *(schema["definitions"].get(form.__name__, {}) for form in FORMS)):
        places = [field["position"] for field in inside.get("properties", {}).values()]
        assert list(range(len(places))) == places


@pytest.mark.parametrize("deployment", DEPLOYED)
def test_what_a_run_is_given_by_default_is_what_the_form_shows(deployment: str) -> None:
    """A factory is not in the schema: the form would show nothing where something applies."""
    module, _, name = DEPLOYED[deployment].rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), name).fn).parameters
    shown = schema_of(deployment)["properties"]
    for name, parameter in parameters.items():
        assert parameter.default.is_required() == ("default" not in shown[name])
        assert parameter.default.is_required() or parameter.default.default == shown[name]["default"]


@pytest.mark.parametrize("form", FORMS)
def test_what_applies_by_default_is_what_the_form_shows(form: type[Form]) -> None:
    """Field by field the default of the value is the one in its schema, lists of guardrails in full."""
    shown = form.model_json_schema()["properties"]
    for name, field in form.model_fields.items():
        assert field.is_required() == ("default" not in shown[name])
        if not field.is_required():
            applies = TypeAdapter(Any).dump_python(field.get_default(call_default_factory=True), mode="json")
            assert applies == shown[name]["default"]


def test_a_person_meets_first_what_is_changed_most() -> None:
    """Who against whom, in which stages, asking whom, held to what; where it runs is the last word."""
    names = list(plans.CanaryPlan.model_json_schema()["properties"])
    assert ["model", "candidate", "stable", "stages", "approvals", "guardrails"] == names[:6]
    assert "environment" == names[-1]
    assert ["approver", "decision", "comment"] == list(Answer.model_json_schema()["properties"])


@pytest.mark.parametrize(("deployment", "parts"), [("canary", ()), ("ab-test", ()), ("release", ("canary", "ab_test"))])
def test_the_guardrails_of_the_form_are_its_workload_s(deployment: str, parts: tuple[str, ...]) -> None:
    """What the page shows it submits: the plan would else be held to what no model may spoil, and to nothing more."""
    given = PARAMETERS[deployment]["plan"]
    for plan in (given[part] for part in parts) if parts else [given]:
        assert GUARDRAILS == plans.CanaryPlan(model="m", guardrails=plan["guardrails"]).guardrails


def test_the_guardrails_of_the_form_are_those_of_the_plan() -> None:
    """Those that apply stand in the form; one more is added, and none is dropped."""
    given = plans.CanaryPlan.model_json_schema()["properties"]["guardrails"]["default"]
    assert ["error_rate", "latency", "refused_rate"] == [one["metric"] for one in given]
    more = plans.CanaryPlan(model="m", guardrails=[*given, {"metric": "timeout_rate", "limit": 0.01}])
    assert (
        *plans.CanaryPlan(model="m").guardrails,
        plans.Guardrail(metric="timeout_rate", limit=0.01),
    ) == more.guardrails
