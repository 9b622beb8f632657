"""Drills in the clock twin: hurt a rollout, and measure how fast its traffic is home, by the twin's clock.

    python -m benchmarks.faults.drills --runs 1000 --json docs/drills.json --plot docs/img/drills.svg

What is measured: the product's acts, guard and decision code, with the product's intervals (guard every 3 s, lease
30 s), on a router, model servers, files and databases in memory whose calls take random times. What is not: Envoy,
MLServer, PostgreSQL and the disk themselves. Seeded: the same arguments give the same table.
"""

import argparse
import json
import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.faults.processes import Desk, Driver, guarding, rolling_back
from benchmarks.faults.twin import MODEL, Hurt, Process, Stalls, Twin, own_clock
from firstflight.domain.errors import BackendUnavailableError, StoreUnavailableError
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.rollout.machine import Phase, rollouts, stream

CANDIDATE = "lightweight-predictor-v2"
STAGE_PERCENT = (25, 50)
LEASE, ROUND, CHECK, SCRAPE = 30.0, 3.0, 5.0, 1.0
SETTLED = 20.0
"""The fault comes some time after the rollout has been in its stage for so long."""
GIVEN_UP = 400.0
CALLS = (0.005, 0.1)
"""Every call to the world takes a time between these, in seconds."""
RATE = 40.0
FAST = frozenset({"errors", "latency", "dead candidate", "router refuses", "router stalls", "ledger down", "disk full",
                  "clock back an hour"})  # fmt: skip
"""Faults that the guard's fast path sees: a burst of failures, answers that take twice as long, a dead candidate."""


@dataclass(frozen=True)
class Drill:
    """One drill, in seconds of the twin's time; None: it did not happen."""

    fault: str
    seed: int
    rate: float
    share: int
    decided: float | None
    zero: float | None
    verified: float | None
    harmed: int
    way: str
    by: str
    ended: str


def plan(share: int) -> CanaryPlan:
    """A rollout that stays in its first stage, whose driver checks as often as a demo's."""
    return CanaryPlan(
        model=MODEL,
        candidate=2,
        stages=(share, 100),
        approvals=(),
        stage_seconds=3600,
        min_stage_seconds=1800,
        warmup_seconds=0,
        check_seconds=CHECK,
        no_data_seconds=60,
        bake_seconds=30,
        guardrails=(
            Guardrail(metric="error_rate", limit=0.01),
            Guardrail(metric="latency", limit=200.0, quantile=0.95),
            Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
        ),
    )


class Room:
    """The place of one drill: a twin with a driver, two guards and a rollout in its first stage."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.twin = Twin(seed, lag=SCRAPE, slice_seconds=0.25, call_seconds=CALLS)
        self.twin.clients.rate = self.random.choice([RATE, 2 * RATE])
        self.share = self.random.choice(STAGE_PERCENT)
        self.processes: dict[str, Process] = {}
        self.homeward: list[tuple[float, str, str]] = []
        self.refuses: Callable[[Process, str], Hurt | None] = lambda _process, _call: None
        self.zero_at: float | None = None
        self.twin.faults = self._asked
        self.twin.watchers.append(self._changed)

    def begin(self) -> None:
        """Start everybody."""
        self.twin.champion()
        self.twin.candidate()
        self._start("driver", lambda one: Driver(self.twin, one, Desk(), plan(self.share), "run-1").work, 0.0)
        self._start("guard-1", lambda one: guarding(self.twin, one, ROUND), self.random.uniform(0, ROUND))
        self._start("guard-2", lambda one: guarding(self.twin, one, ROUND), self.random.uniform(0, ROUND))

    def _start(self, name: str, work: Callable[[Process], Callable[[], None]], at: float) -> None:
        process = self.processes[name] = Process(name)
        self.twin.time.start(process, work(process), at)

    def person(self) -> None:
        """Somebody runs `firstflight roll-back`."""
        self._start("person", partial(rolling_back, self.twin), self.twin.time.now)

    def _asked(self, process: Process, call: str) -> Hurt | None:
        if call in {"go_home", "evict"} or call.startswith(("append:rollback.intended", "append:rollout.rolled_back")):
            self.homeward.append((self.twin.time.now, process.name, call))
        if call == "surrender":
            self.homeward.append((self.twin.time.now, process.name, call))
        return self.refuses(process, call)

    def _changed(self, what: str) -> None:
        if what in {"split", "evict"} and self.zero_at is None and self.twin.backend.share(CANDIDATE) == 0:
            self.zero_at = self.twin.time.now


def _errors(room: Room) -> None:
    room.twin.clients.failing[CANDIDATE] = room.random.choice([0.7, 0.85, 1.0])


def _latency(room: Room) -> None:
    room.twin.clients.milliseconds[CANDIDATE] = room.random.choice([120.0, 400.0, 1500.0])


def _inverted(room: Room) -> None:
    room.twin.clients.accuracy[CANDIDATE] = 0.3


def _dead(room: Room) -> None:
    room.twin.settle()
    room.twin.backend.dead.add(CANDIDATE)


def _killed(*names: str) -> Callable[[Room], None]:
    def kill(room: Room) -> None:
        for name in names:
            room.processes[name].dead = True

    return kill


def _killed_guard(room: Room) -> None:
    _killed("guard-1")(room)
    _errors(room)


def _refusing(hurt: Callable[[str], Hurt | None], then: Callable[[Room], None] = _errors) -> Callable[[Room], None]:
    def hinder(room: Room) -> None:
        room.refuses = lambda _process, call: hurt(call.split(":", 1)[0])
        then(room)

    return hinder


def _router_refuses(call: str) -> Hurt | None:
    return Hurt(raises=BackendUnavailableError("the router refuses")) if call in {"set_traffic", "go_home"} else None


def _router_stalls(call: str) -> Hurt | None:
    return Hurt(raises=Stalls()) if call in {"set_traffic", "go_home"} else None


def _ledger_down(call: str) -> Hurt | None:
    return Hurt(raises=StoreUnavailableError("the database does not answer")) if call in {"append", "read"} else None


def _disk_full(call: str) -> Hurt | None:
    if call == "append":
        return Hurt(raises=StoreUnavailableError("the database has no space left"))
    return (
        Hurt(raises=OSError(28, "No space left on device"))
        if call in {"hold", "renew", "surrender", "release"}
        else None
    )


def _clock_back(room: Room) -> None:
    room.twin.settle()
    room.twin.base_skew -= 3600.0
    _errors(room)


def _clock_back_inverted(room: Room) -> None:
    room.twin.settle()
    room.twin.base_skew -= 3600.0
    _inverted(room)


FAULTS: dict[str, Callable[[Room], None]] = {
    "errors": _errors,
    "latency": _latency,
    "inverted predictions": _inverted,
    "dead candidate": _dead,
    "killed driver": _killed("driver"),
    "killed guard, errors": _killed_guard,
    "router refuses": _refusing(_router_refuses),
    "router stalls": _refusing(_router_stalls),
    "ledger down": _refusing(_ledger_down),
    "disk full": _refusing(_disk_full),
    "clock back an hour": _clock_back,
    "clock back, inverted": _clock_back_inverted,
    "a person says so": lambda room: room.person(),
}


def drill(fault: str, seed: int) -> Drill:
    """Go through one drill."""
    room = Room(seed)
    twin = room.twin
    with own_clock(twin):
        try:
            room.begin()
            twin.time.run(SETTLED + room.random.uniform(0.0, CHECK + ROUND))
            begun = twin.time.now
            room.zero_at = None  # before the rollout it had none
            if not twin.backend.share(CANDIDATE) or room.homeward:
                raise AssertionError(f"{fault}, seed {seed}: home before the fault: {room.homeward}")
            before = _failed(twin)
            FAULTS[fault](room)
            while not _is_home(room) and twin.time.now < begun + GIVEN_UP:
                twin.time.run(twin.time.now + 1.0)
            twin.time.run(twin.time.now + 5.0)
        finally:
            twin.time.end()
    decided, by = _decided(room)
    told = rollouts(twin.ledger.read(stream(MODEL)))[-1]
    calls = [call for _, _, call in room.homeward]
    return Drill(
        fault=fault,
        seed=seed,
        rate=twin.clients.rate,
        share=room.share,
        decided=None if decided is None else decided - begun,
        zero=None if room.zero_at is None else room.zero_at - begun,
        verified=_verified(room, begun),
        harmed=_failed(twin) - before,
        way="eviction" if "evict" in calls else "router",
        by=by,
        ended=told.phase if told.final else f"open: {told.phase}",
    )


def _drilled(order: tuple[str, int]) -> Drill:
    logging.disable(logging.CRITICAL)
    return drill(*order)


def _failed(twin: Twin) -> int:
    twin.settle()
    return twin.counts[CANDIDATE][-1].failures if CANDIDATE in twin.counts else 0


def _is_home(room: Room) -> bool:
    return room.zero_at is not None and _verified(room, 0.0) is not None


def _decided(room: Room) -> tuple[float | None, str]:
    """The first thing anybody did because he had decided."""
    return (room.homeward[0][0], room.homeward[0][1]) if room.homeward else (None, "nobody")


def _verified(room: Room, begun: float) -> float | None:
    """When it was first proved that no request reaches the candidate."""
    after = [at for at in room.twin.proofs if room.zero_at is not None and at >= room.zero_at]
    return after[0] - begun if after else None


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of `values` does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else None


def summary(drills: Sequence[Drill]) -> dict[str, Any]:
    """p50, p99 and the worst of each span, by fault."""
    table = {}
    for fault in FAULTS:
        done = [one for one in drills if one.fault == fault]
        spans = {
            "breach_to_decision": [one.decided for one in done if one.decided is not None],
            "decision_to_zero": [
                one.zero - one.decided for one in done if one.zero is not None and one.decided is not None
            ],
            "decision_to_verified": [
                one.verified - one.decided for one in done if one.verified is not None and one.decided is not None
            ],
        }
        table[fault] = {
            "runs": len(done),
            "home": sum(one.verified is not None for one in done),
            "evicted": sum(one.way == "eviction" for one in done),
            "rolled_back": sum(one.ended == Phase.ROLLED_BACK for one in done),
            **{
                name: {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99), "max": max(values, default=None)}
                for name, values in spans.items()
            },
        }
    return table


def main() -> None:
    """Run the drills, print the table, write the figures."""
    logging.disable(logging.CRITICAL)
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--runs", type=int, default=1000)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--processes", type=int, default=2)
    parse.add_argument("--json", type=Path)
    parse.add_argument("--plot", type=Path)
    given = parse.parse_args()
    names = list(FAULTS)
    order = [(names[number % len(names)], 1000 * given.seed + number) for number in range(given.runs)]
    with Pool(given.processes) as pool:
        running = pool.imap(_drilled, order, chunksize=2)
        drills = list(track(running, description="drills", total=len(order), console=Console(stderr=True)))
    found = summary(drills)
    shown = Table("fault", "runs", "home", "evicted", "breach → decision", "→ zero requests", "→ verified",
                  title="seconds of the twin's clock: p50 / p99 / max")  # fmt: skip
    for fault, row in found.items():
        spans = [row[name] for name in ("breach_to_decision", "decision_to_zero", "decision_to_verified")]
        shown.add_row(fault, str(row["runs"]), str(row["home"]), str(row["evicted"]),
                      *(" / ".join("–" if one is None else f"{one:.1f}" for one in span.values())
                        for span in spans))  # fmt: skip
    Console().print(shown)
    if given.json:
        body = {"runs": given.runs, "seed": given.seed, "faults": found}
        given.json.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if given.plot:
        draw(drills, given.plot)


def draw(drills: Sequence[Drill], file: Path) -> None:
    """Draw each fault's spans as dots over a logarithmic axis."""
    import matplotlib as mpl  # noqa: PLC0415 - slow, and only the published run draws

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "drills"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    figure, panes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
    names = list(reversed(FAULTS))
    for pane, title, span in (
        (panes[0], "breach → decision", lambda one: one.decided),
        (panes[1], "decision → no request, verified", lambda one: one.verified - one.decided),
    ):
        for place, fault in enumerate(names):
            values = [span(one) for one in drills if one.fault == fault and one.verified is not None]
            wiggle = random.Random(place)
            pane.plot(
                values, [place + wiggle.uniform(-0.28, 0.28) for _ in values], ".", ms=3, alpha=0.5, color="#1f6f8b"
            )
        pane.set(title=title, xlabel="seconds of the twin's clock", xscale="log")
        pane.axvline(5.0, color="#b0413e", lw=1)
        pane.grid(axis="x", alpha=0.3)
    panes[0].set_yticks(range(len(names)), names)
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    main()
