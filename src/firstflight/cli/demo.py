"""The whole story on one machine: a release that is promoted, then a broken candidate that is brought home."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rich.prompt import Prompt

from firstflight.acts.impact import impact_of
from firstflight.acts.ledger_view import history
from firstflight.acts.start import champion
from firstflight.cli.plan_files import plan_from
from firstflight.cli.stack import bring_up
from firstflight.cli.telling import plain, say, terminal
from firstflight.cli.watch import Terminal, follow
from firstflight.domain.errors import FirstflightError, StackError
from firstflight.domain.faults import Fault, with_fault
from firstflight.domain.plans import ABTestPlan, CanaryPlan, ReleasePlan
from firstflight.domain.versions import ModelVersion
from firstflight.domain.wording import duration, visible
from firstflight.ledger import open_store
from firstflight.orchestrator import FlowRun, Orchestrator
from firstflight.registry.mlflow_rest import MlflowRest
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, Rollout
from firstflight.settings import Settings
from firstflight.stack import local
from firstflight.stack.environment import environment
from firstflight.stack.home import private_home
from firstflight.world import World, open_world

FAULTS: dict[str, Fault] = {
    "errors": Fault(kind="errors", share=0.3),
    "latency": Fault(kind="latency", share=1.0, milliseconds=400),
    "inverted": Fault(kind="inverted"),
}
PLANS = {"market": "demo-release.yaml", "digits": "digits-release.yaml"}
RATE = 100.0
MARK = "demo"
TOLD = {"Promoted", "RolledBack", "Completed"}
"""Ends that the run's own records have told, and the last act sums up."""
console = terminal()


def demo(approve: Literal["ask", "auto"], fault: str, workload: str) -> None:
    """Tell the story; raises FirstflightError when it does not end as it should."""
    settings = Settings()
    make_room(settings)
    os.environ.update(environment(settings))
    console.rule("[bold]1 · the local stack")
    bring_up(settings, console)
    plan = plan_from(ReleasePlan, settings.project / "deployments" / "plans" / PLANS[workload], ())
    mlflow = MlflowRest(settings.mlflow_uri)
    orchestrator, ledger = Orchestrator(settings.prefect_api, settings.prefect_auth), open_store(settings)

    def answer(run: FlowRun) -> None:
        given = (
            person()
            if approve == "ask"
            else Answer(approver="demo", decision="approve", comment="answered by --approve auto")
        )
        orchestrator.resume(run.id, given.model_dump())

    def run_to_end(deployment: str, parameters: dict[str, Any]) -> FlowRun:
        started = orchestrator.start(deployment, parameters)
        console.print(f"run {settings.run_page(started.id)}", highlight=False, soft_wrap=True)
        with console.status(plain(f"run {started.name}")) as status:
            ended = follow(orchestrator, ledger, started, Terminal(console, status), mlflow, answer).run
        if ended.state_name not in TOLD:
            say(console, f"[bold]{plain(ended.state_name)}[/bold]: {plain(ended.message or '')}")
        return ended

    with live_traffic(settings, plan.canary):
        console.rule("[bold]2 · a release: train, deploy, A/B test, canary, approve, promote")
        released = run_to_end("release/release", {"plan": plan.model_dump(mode="json")})
        console.rule(f"[bold]3 · a candidate that is really broken ({fault})")
        world = open_world(settings)
        broken = register_broken(world, champion(world, plan.canary.model), FAULTS[fault])
        run_to_end("deploy/deploy", {"plan": {"model": broken.model, "versions": [broken.number]}})
        canary = plan.canary.model_copy(update={"candidate": broken.number})
        run_to_end("canary/canary", {"plan": canary.model_dump(mode="json")})
    console.rule("[bold]what happened")
    told = history(ledger, plan.canary.model)
    for indent, words in story(world, told):
        say(console, words, indent)
    console.print(f"Prefect  {settings.prefect_page} (`firstflight open --prefect`: signed in)", highlight=False)
    console.print(f"MLflow   {settings.mlflow_uri}", highlight=False)
    for rollout in told:
        if isinstance(rollout.plan, CanaryPlan):
            console.print(f"report   {settings.home / 'reports' / rollout.id}.html", highlight=False, soft_wrap=True)
    console.print(
        f"The stack stays up, its home is {settings.home}. Look on: `firstflight status`, `firstflight doctor`, "
        f"`firstflight history {plan.canary.model}`. `firstflight down` ends it and loses nothing.",
        highlight=False,
        soft_wrap=True,
    )
    if told[-1].phase is not Phase.ROLLED_BACK or released.state_type != "COMPLETED":
        raise FirstflightError(f"the demo's story did not end as it should: {released.state_name}, {told[-1].phase}")


def make_room(settings: Settings) -> None:
    """Leave the home empty: the story starts from nothing. What an earlier demo left there is moved aside.

    Raises:
        StackError: The home holds a stack that no demo made.
    """
    home, mark = settings.home, settings.home / MARK
    if home.exists():
        if not mark.is_file():
            raise StackError(
                f"{home} holds a stack that is no demo's, and a demo starts from nothing. "
                f"Tell the story beside it: `firstflight down`, then FIRSTFLIGHT_HOME={home}-demo firstflight demo"
            )
        local.down(settings)
        aside = home.with_name(f"{home.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        shutil.move(home, aside)
        console.print(f"the earlier demo is kept in {aside}", highlight=False, soft_wrap=True)
    private_home(settings)
    mark.write_text("A demo made this home; the next one moves it aside.\n")


def person() -> Answer:
    """Ask the person at the terminal."""
    console.print("[bold yellow]The rollout waits for you[/bold yellow] (Prefect's page asks the same).")
    decision = Prompt.ask("approve or reject?", choices=["approve", "reject"], console=console)
    name = visible(Prompt.ask("who are you?", console=console).strip()) or "somebody"
    comment = visible(Prompt.ask("why?", default="", console=console))
    return Answer.model_validate({"approver": name, "decision": decision, "comment": comment})


@contextmanager
def live_traffic(settings: Settings, plan: CanaryPlan) -> Iterator[None]:
    """Replay held-out questions as live requests, in a process of its own, for as long as the block runs."""
    words = ["replay", plan.model, "--workload", plan.workload, "--rate", str(RATE), "--json"]
    command = [sys.executable, "-m", "firstflight.cli.main", *words]
    log = settings.home / "replay.log"
    with log.open("w") as sink, subprocess.Popen(command, stdout=sink, stderr=sink, cwd=settings.project) as replay:
        try:
            yield
        finally:
            replay.terminate()
            replay.wait(timeout=30)


def register_broken(world: World, good: ModelVersion, fault: Fault) -> ModelVersion:
    """Register a copy of `good` whose runtime misbehaves as `fault` says."""
    with tempfile.TemporaryDirectory(prefix="firstflight-") as folder:
        artifact = world.registry.fetch(good, Path(folder) / "good")
        broken = with_fault(artifact, fault, Path(folder) / "broken")
        return world.registry.register(good.model, good.variant, broken, {"fault": fault.kind})


def story(world: World, told: tuple[Rollout, ...]) -> Iterator[tuple[int, str]]:
    """Yield what was tried, how it ended, what it cost and why: a headline for each rollout, lines indented below."""
    for rollout in told:
        harm = impact_of(world, rollout)
        kind = "A/B test" if isinstance(rollout.plan, ABTestPlan) else "canary"
        tried = ", ".join(version.served_name for version in rollout.arms.candidates)
        yield 0, f"[bold]{kind}[/bold]: {tried} against {rollout.arms.stable.served_name}"
        lasted = (rollout.ended_at - rollout.started_at).total_seconds() if rollout.ended_at else None
        after = f" after {duration(lasted)}" if lasted is not None else ""
        harmed = f", {harm.requests} requests harmed" if harm.requests is not None else ""
        yield 4, f"{rollout.phase}{after}{harmed}"
        if harm.seconds and rollout.phase is Phase.ROLLED_BACK:
            yield 4, f"home {duration(harm.seconds)} after the first harm"
        yield from ((4, plain(reason)) for reason in rollout.reasons[:1])
