"""Fly rollouts in worlds that were not made to fit, and say what became of them.

    python -m benchmarks.worlds.run --world iid block-6 --fault none accuracy-20 --rollouts 200 --seed 1

`--world all` and `--fault all` take every one; `--list` tells what there is.
"""

import argparse
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.faults import FAULTS
from benchmarks.worlds.figures import Figures, figures
from benchmarks.worlds.flight import Flight, Flown, Onset
from benchmarks.worlds.plans import ALSO, PLANS, plan_named

PROCESSES = 2
BATCH = 5


@dataclass(frozen=True)
class Order:
    """What to fly: everything by name, so that another process can make it."""

    world: str
    fault: str
    plan: str
    also: tuple[str, ...]
    onset: Onset

    def seeds(self, seed: int, rollouts: int) -> list[np.random.SeedSequence]:
        """Return one seed per rollout; other worlds and faults get others."""
        return np.random.SeedSequence([seed, zlib.crc32(f"{self.world}/{self.fault}".encode())]).spawn(rollouts)


def fly(order: Order, seeds: Sequence[np.random.SeedSequence]) -> list[Flown]:
    """Fly one rollout for each seed."""
    world, fault = WORLDS[order.world], FAULTS[order.fault]
    plan = plan_named(order.plan, world, order.also)
    return [Flight(world, fault, plan, order.onset, np.random.default_rng(seed)).fly() for seed in seeds]


def measure(orders: Sequence[Order], rollouts: int, seed: int) -> Iterator[Figures]:
    """Fly every order `rollouts` times on at most two cores, and return its figures as soon as it is done."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
    with ProcessPoolExecutor(PROCESSES) as pool, bar:
        task = bar.add_task("rollouts", total=rollouts * len(orders))
        for order in orders:
            bar.update(task, description=f"{order.world}, {order.fault}")
            seeds = order.seeds(seed, rollouts)
            futures: list[Future[list[Flown]]] = [
                pool.submit(fly, order, seeds[begin : begin + BATCH]) for begin in range(0, rollouts, BATCH)
            ]
            for future in as_completed(futures):
                bar.advance(task, len(future.result()))
            flown = [each for future in futures for each in future.result()]
            yield figures(WORLDS[order.world], FAULTS[order.fault], flown)


COLUMNS = (
    "world", "fault", "rollouts", "promoted (≤)", "rolled back (≤)", "held", "paged", "blamed", "first stage passed",
    "proven at the margin", "falsely", "intervals that missed", "delay, s", "harmed", "minutes", "ended at %", "looks",
    "requests",
)  # fmt: skip


def cells(row: Figures) -> list[str]:
    """Return a row of the table, as texts."""
    blamed = [f"{metric} {count}" for metric, count in (*row.blamed.items(), *row.held_for.items())]
    worst = max(row.uncovered.items(), key=lambda each: each[1].count / each[1].of, default=None)
    none_met = not row.met
    return [
        row.world,
        row.fault,
        f"{row.rollouts:,}",
        str(row.promoted),
        str(row.rolled_back),
        f"{100 * row.held.count / row.rollouts:.1f} %",
        f"{100 * row.paged.count / row.rollouts:.1f} %",
        "; ".join(blamed) or "-",
        f"{100 * row.first_stage_passed.count / row.rollouts:.1f} %",
        str(row.proven) if row.proven else "-",
        str(row.false) if row.false else "-",
        f"{worst[0]} {worst[1]}" if worst else "-",
        "-" if none_met else " / ".join("-" if each is None else f"{each:,.0f}" for each in row.delays),
        "-" if none_met else " / ".join(f"{each:,.0f}" for each in row.harmed),
        " / ".join(f"{each:,.0f}" for each in row.minutes),
        ", ".join(f"{stage}: {count}" for stage, count in row.ended_at.items()),
        f"{row.looks:,}",
        f"{row.requests:,}",
    ]


def line(texts: Sequence[str]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(texts) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, fly, print a table or one JSON object for each row."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.list:
        for each in (*WORLDS.values(), *FAULTS.values()):
            print(f"{each.name:20} {each.about}")
        return
    worlds, faults = _named(asked.world, WORLDS), _named(asked.fault, FAULTS)
    stages = plan_named(asked.plan, WORLDS[worlds[0]], asked.also).stages
    if asked.from_stage is not None and asked.from_stage not in stages:
        parser.error(f"no stage of {asked.from_stage} % in the plan {asked.plan!r}; it has {stages}")
    at = (
        Onset(second=round(60 * asked.from_minute))
        if asked.from_minute is not None
        else Onset(asked.from_stage or stages[0])
    )
    orders = [Order(world, fault, asked.plan, tuple(asked.also), at) for world in worlds for fault in faults]
    if not asked.json:
        print(line(COLUMNS), line(["---"] * len(COLUMNS)), sep="\n", flush=True)
    for row in measure(orders, asked.rollouts, asked.seed):
        print(json.dumps(row.json()) if asked.json else line(cells(row)), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worlds.run", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument(
        "--world", nargs="+", default=["iid"], metavar="NAME", choices=[*WORLDS, "all"], help="worlds to fly in, or all"
    )
    parser.add_argument(
        "--fault",
        nargs="+",
        default=["none"],
        metavar="NAME",
        choices=[*FAULTS, "all"],
        help="faults to inject, or all",
    )
    parser.add_argument("--plan", default="default", choices=PLANS, help="plan to fly by")
    parser.add_argument("--also", nargs="*", default=["brier"], choices=ALSO, help="guardrails besides the plan's own")
    onset = parser.add_mutually_exclusive_group()
    onset.add_argument("--from-stage", type=int, metavar="PERCENT", help="the fault begins with this stage (the first)")
    onset.add_argument("--from-minute", type=float, metavar="MINUTES", help="the fault begins so long after the start")
    parser.add_argument("--rollouts", type=int, default=200, help="rollouts of each world and fault")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other rollouts")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each row instead of a table")
    parser.add_argument("--list", action="store_true", help="tell the worlds and faults, and end")
    return parser


def _named(asked: Sequence[str], known: dict[str, object]) -> list[str]:
    return list(known) if "all" in asked else list(asked)


if __name__ == "__main__":
    main(sys.argv[1:])
