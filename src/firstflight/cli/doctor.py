"""Look at everything, change nothing, say what to do."""

import json

import typer
from rich.console import Console

from firstflight.cli.telling import plain, say, terminal
from firstflight.doctor.examine import examine
from firstflight.domain.findings import Finding, Report, Status
from firstflight.settings import Settings

SOMETHING_FAILS = 1
_COLOURS = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red"}


def doctor(*, as_json: bool, every: bool) -> None:
    """Examine everything and show what was found; exit code 1 when something fails."""
    report = examine(Settings())
    if as_json:
        typer.echo(_as_json(report))
    else:
        _show(report, terminal(), every=every)
    raise typer.Exit(SOMETHING_FAILS if report.failed else 0)


def _as_json(report: Report) -> str:
    counts = {str(status): report.count(status) for status in Status}
    findings = [{**finding.model_dump(mode="json"), "runbook": finding.runbook} for finding in report.findings]
    body = {"home": report.home, "failed": report.failed, "counts": counts, "seconds": report.seconds}
    return json.dumps({**body, "findings": findings})


def _show(report: Report, console: Console, *, every: bool) -> None:
    shown = report.findings if every or not report.count(Status.FAIL) else _unwell(report)
    for finding in shown:
        colour = _COLOURS[finding.status]
        mark = f"[{colour}]{finding.status:4}[/{colour}]"
        say(console, f"{mark}  [bold]{plain(finding.subject)}[/bold]: {plain(finding.found, lines=True)}")
        if finding.runbook:
            say(console, f"wanted: {plain(finding.wanted, lines=True)}", indent=6)
            say(console, f"[bold]fix: {plain(finding.fix, lines=True)}[/bold]", indent=6)
            say(console, f"[dim]{finding.runbook}[/dim]", indent=6)
    told = ", ".join(f"[{_COLOURS[status]}]{report.count(status)} {status}[/]" for status in Status)
    console.print(f"\n{plain(report.home)}: {told} in {report.seconds:.1f} s", highlight=False)
    if len(shown) < len(report.findings):
        console.print("[dim]--all shows what is well, too[/dim]")


def _unwell(report: Report) -> tuple[Finding, ...]:
    return tuple(finding for finding in report.findings if finding.status is not Status.PASS)
