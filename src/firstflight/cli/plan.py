"""Ask a plan, before any traffic moves, what it can answer in its time."""

import json
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from firstflight.cli.plan_files import rollout_plan_from
from firstflight.cli.telling import plain, say, show_table, terminal
from firstflight.decision.forecast import GuardrailForecast, StageForecast, forecast
from firstflight.domain.plans import ABTestPlan
from firstflight.rollout.policy import environments_of
from firstflight.settings import Settings
from firstflight.world import read_policy

_CANNOT_ANSWER = 4


def plan(file: Path, rate: float, changes: list[str] | None, baseline: list[str] | None, *, as_json: bool) -> None:
    """Show what the plan in `file` can answer, and its policies; exit code 4 when it cannot, or one is not kept."""
    settings = Settings()
    wanted = rollout_plan_from(file, changes or ())
    if isinstance(wanted, ABTestPlan):
        able = _test_ends(wanted, rate, as_json=as_json)
    else:
        able = _stages_answer(forecast(wanted, rate, _baselines(baseline or [])), as_json=as_json)
    held = [read_policy(settings, name) for name in environments_of(wanted, settings.environment)]
    short = [(policy, policy.faults(wanted)) for policy in held]
    for policy, faults in short:
        typer.echo(f"{policy}: {'; '.join(faults) or 'kept'}", err=as_json)
    if any(faults for _, faults in short) or not able:
        raise typer.Exit(_CANNOT_ANSWER)


def _stages_answer(stages: tuple[StageForecast, ...], *, as_json: bool) -> bool:
    """Show them; return whether each can answer in half of the cases at least."""
    if as_json:
        typer.echo(json.dumps([stage.model_dump(mode="json") for stage in stages], indent=1))
    else:
        console = terminal()
        show_table(console, _table(stages))
        for stage in stages:
            if stage.verdict != "ok":
                say(console, plain(_advice(stage)))
        for one in stages[0].guardrails:
            if one.warning:
                say(console, plain(f"{one.metric}: {one.warning}"))
    return all(stage.verdict != "impossible" for stage in stages)


def _test_ends(test: ABTestPlan, rate: float, *, as_json: bool) -> bool:
    """Show how long an A/B test takes; return whether its requests come in its time."""
    seconds = test.requests / rate
    able = seconds <= test.seconds
    if as_json:
        typer.echo(json.dumps({"requests": test.requests, "seconds": seconds, "longest_seconds": test.seconds}))
    else:
        typer.echo(
            f"{test.requests:,} requests take {seconds / 60:,.1f} minutes, at most {test.seconds / 60:,.1f} wanted"
        )
        for variant, percent in test.weights.items():
            typer.echo(f"{variant}: {percent} %, {test.requests * percent // 100:,} requests")
        if not able:
            typer.echo("it would end before they have come; give it more seconds, or fewer requests")
    return able


def _baselines(pairs: list[str]) -> dict[str, float]:
    found = {}
    for pair in pairs:
        metric, _, value = pair.partition("=")
        try:
            found[metric] = float(value)
        except ValueError as error:
            raise typer.BadParameter(f"{pair!r} is not METRIC=VALUE") from error
        if not 0 < found[metric] < 1:
            raise typer.BadParameter(f"{pair!r} is a share and must lie between 0 and 1")
    return found


def _table(stages: tuple[StageForecast, ...]) -> Table:
    table = Table(
        title="What each stage can answer: median (95 % of the cases)",
        caption="proof: minutes until a candidate as good as the stable model has shown it\n"
        "sees: the smallest harmful share that half of the stages would catch\n"
        "caught: minutes until a fault of the margin, or of twice the limit, is; bad: its bad answers",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    headers = ("stage", "guardrail", "proof", "sees", "caught", "bad", "")
    for header in headers:
        table.add_column(header, justify="left" if header in {"stage", "guardrail", ""} else "right", no_wrap=True)
    for stage in stages:
        for each in stage.guardrails:
            table.add_row(f"{stage.percent} %", plain(each.metric), *_cells(each))
        table.add_section()
    return table


def _cells(each: GuardrailForecast) -> tuple[str, ...]:
    colour = {"ok": "green", "tight": "yellow", "impossible": "red", "not planned": "dim"}[each.verdict]
    return (
        _pair(each.proof_minutes),
        "-" if each.smallest_regression is None else f"{100 * each.smallest_regression:.2g} %",
        _pair(each.detection_minutes),
        "-" if each.harmed_requests is None else f"{each.harmed_requests:,.0f}",
        f"[{colour}]{each.verdict}[/{colour}]",
    )


def _pair(minutes: tuple[float, float] | None) -> str:
    return "-" if minutes is None else f"{minutes[0]:,.1f} ({minutes[1]:,.1f})"


def _advice(stage: StageForecast) -> str:
    slow = [each.metric for each in stage.guardrails if each.verdict in {"tight", "impossible"}]
    word = "cannot answer" if stage.verdict == "impossible" else "may not answer"
    return (
        f"{stage.percent} %: {', '.join(slow)} {word} within the stage; "
        "give it more time, a larger share of traffic or a wider margin"
    )
