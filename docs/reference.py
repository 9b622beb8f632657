"""The pages of the reference, written from the code each time the site is built, so that none can be stale.

Nothing here needs more than what the command line needs for its help.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from typer.main import get_command

from firstflight.cli.commands import EXAMPLES, EXIT_CODES, SECTIONS
from firstflight.cli.main import app, spelled
from firstflight.domain.plans import (
    OF_SERVING,
    ABTestPlan,
    CanaryPlan,
    DeployPlan,
    Guardrail,
    ReleasePlan,
    TrainingPlan,
)
from firstflight.settings import Cluster, Local, People, Ports, Settings
from firstflight.telemetry.catalogue import OF_OURS, OF_SERVERS, Described, described
from firstflight.workloads.market.exports import EXPORTS
from firstflight.workloads.market.guardrails import GUARDRAILS

PLANS = (CanaryPlan, Guardrail, ABTestPlan, TrainingPlan, DeployPlan, ReleasePlan)
PLACES: dict[str, tuple[type[BaseModel], ...]] = {
    "Everywhere": (Settings,),
    "This machine": (Local, Ports),
    "A cluster": (Cluster,),
    "People": (People,),
}
WHAT_PLANS_ARE = """\
What a form on Prefect's page asks, what a file for `firstflight canary`, `ab-test`, `release` or `train` may hold (YAML
or JSON), and what `--set` changes. A field without a default must be given, unless its meaning says what none is."""
WHAT_SETTINGS_ARE = """\
Read from the environment, else from `deployments/environments/<environment>.toml` (`mesh_url` there is
`FIRSTFLIGHT_MESH_URL` here), else as here."""
WHAT_METRICS_ARE = """\
What Prometheus is told, as text or OpenMetrics, at `/metrics`: of port 4811 by the exporter, of 4812 by the guard, and
by each model server of the third of its ports. `model` is the name of a route, `variant` the served name of a version.
**What is not known is absent, never 0**: a source that is away takes its metrics with it, and `firstflight_source_up`
says so. No label holds what a client sent; in OpenMetrics a bucket of latencies has the id of a request beside it.
Flows, which are short, tell nothing themselves. In a cluster `k8s/extras/monitoring` has all of them scraped, and calls
people: [answer an alert](../runbooks/alerts.md)."""
OTHERS = {
    "PREFECT_API_URL": "Prefect's API; by default the local stack's.",
    "PREFECT_UI_URL": "Prefect's page as people reach it, for the links that they are sent.",
    "PREFECT_API_AUTH_STRING": "What Prefect's API asks of its clients, `user:password`; by default, and to the local "
    "stack's server alone, what `prefect-password` in its home holds.",
    "MLFLOW_TRACKING_URI": "The MLflow server; by default the local stack's.",
}


def pages() -> dict[str, str]:
    """Return the text of each page by its place in the site."""
    return {
        "reference/commands.md": commands(),
        "reference/plans.md": plans(),
        "reference/settings.md": settings(),
        "reference/metrics.md": metrics(),
    }


def commands() -> str:
    """Every command as its `--help` tells it, and what exit codes mean."""
    group: Any = get_command(app)
    above = typer.Context(group, info_name="firstflight")
    parts = [
        "# Commands",
        "What the `--help` of each says.",
        "## Exit codes",
        table(("code", "means"), ((str(code), meaning) for code, meaning in EXIT_CODES.items())),
    ]
    for section, those in SECTIONS.items():
        parts.append(f"## {section}")
        for each in those:
            command = group.commands[spelled(each)]
            context = command.make_context(command.name, [], parent=above, resilient_parsing=True)
            words = " ".join(("firstflight", command.name, *command.collect_usage_pieces(context)))
            told = (parameter.get_help_record(context) for parameter in command.params)
            rows = [(f"`{word}`", meaning) for word, meaning in filter(None, told)]
            parts += [f"### {command.name}", prose(command.help), fenced(words)]
            parts += [table(("word", "meaning"), rows)] if rows else []
            parts += [fenced(*EXAMPLES[each])] if each in EXAMPLES else []
    return page(parts)


def plans() -> str:
    """Every plan with its fields, as Prefect's forms and files have them."""
    parts = ["# Plans", WHAT_PLANS_ARE]
    for kind in PLANS:
        schema = kind.model_json_schema()
        rows = (
            (f"`{name}`", default(field.get("default")), field.get("description", "") + one_of(field))
            for name, field in schema["properties"].items()
        )
        parts += [f"## {kind.__name__}", prose(schema["description"]), table(("field", "default", "meaning"), rows)]
    parts += ["## The guardrails of a plan that names none"]
    for whose, guardrails in (("market", GUARDRAILS), ("one's own that names none either", OF_SERVING)):
        rules = [one.model_dump(mode="json", exclude_defaults=True) for one in guardrails]
        parts += [f"Of the workload {whose}:", fenced(*(f"- {json.dumps(rule)}" for rule in rules))]
    return page(parts)


def settings() -> str:
    """Every setting by its environment variable."""
    parts = ["# Settings", WHAT_SETTINGS_ARE]
    for title, kinds in PLACES.items():
        inherited = {name for base in kinds[0].__bases__ for name in getattr(base, "model_fields", ())}
        rows = (
            (
                f"`{kind.model_config['env_prefix']}{name.upper()}`",
                default(field.default if field.default_factory is None else None),
                field.description or "",
            )
            for kind in kinds
            for name, field in kind.model_fields.items()
            if name not in {*inherited, "ports"}
        )
        parts += [f"## {title}", table(("variable", "default", "meaning"), rows)]
    rows = ((f"`{name}`", meaning) for name, meaning in OTHERS.items())
    return page([*parts, "## Of Prefect and MLflow", table(("variable", "meaning"), rows)])


def metrics() -> str:
    """Every metric by who tells it."""
    parts = ["# Metrics", WHAT_METRICS_ARE]
    for title, those in (
        ("The exporter", [one for one in OF_OURS if one.by == "exporter"]),
        ("The exporter, of the financial predictor", [one for each in EXPORTS for one in described(each)]),
        ("Model servers", list(OF_SERVERS)),
        ("The guard", [one for one in OF_OURS if one.by == "guard"]),
    ):
        parts += [f"## {title}", table(("metric", "labels", "kind", "meaning"), map(metric, those))]
    return page(parts)


def metric(one: Described) -> tuple[str, str, str, str]:
    """Return the row of one metric; a counter is told by the name it is asked for."""
    name = one.name if one.kind == "histogram" else one.series[0]
    return f"`{name}`", ", ".join(one.labels), one.kind, one.told


def default(value: object) -> str:
    """Return a default as a file would say it; nothing for none."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[these](#the-guardrails-of-a-plan-that-names-none)"
    if value is None or isinstance(value, str | Path):
        return f"`{value}`" if value else ""
    return f"`{json.dumps(value)}`"


def one_of(field: dict[str, Any]) -> str:
    """Return the values that a field may have, if they can be counted."""
    values = field.get("enum", field.get("items", {}).get("enum", ()))
    return f" One of {', '.join(f'`{value}`' for value in values)}." if values else ""


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    named = list(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (named, ["---"] * len(named), *rows))


def prose(text: str) -> str:
    """Return the paragraphs of a docstring; lines broken there for the code's sake are none here."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def fenced(*lines: str) -> str:
    """Return lines to copy."""
    return "\n".join(("```text", *lines, "```"))


def page(parts: Iterable[str]) -> str:
    """Return the parts of a page with a line between them."""
    return "\n\n".join(parts) + "\n"
