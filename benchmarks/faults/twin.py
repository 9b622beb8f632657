"""The clock twin: a model's whole world in memory, with time of its own and processes that can be hurt anywhere.

Everything that decides and acts is the product's own code: acts, guard, decision, ledger rules, preconditions. In
memory, and therefore not measured, are the router, the model servers, the files, the databases and the registry; an
effect on them takes `call_seconds` of the twin's time. Processes are threads of which one runs at a time: each call to
the world is a point at which others may run first, and at which `faults` may kill, delay or fail the caller.
"""

import heapq
import itertools
import random
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, NoReturn, Self
from unittest.mock import patch

from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.domain.errors import TrafficNotAppliedError
from firstflight.domain.latency import EDGES, bucket, histogram
from firstflight.domain.metrics import Scoring
from firstflight.domain.samples import Counts, NoData, Sample, Window
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion, Registered
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.ledger.record import Record
from firstflight.notify.notifier import LogNotifier
from firstflight.registry.memory import MemoryRegistry
from firstflight.serving import going_home
from firstflight.serving.backend import RouterTally
from firstflight.serving.lease import MemoryLeases
from firstflight.serving.memory import MemoryBackend
from firstflight.world import World

MODEL = "financial-predictor"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WRITES = frozenset(
    {"append", "set_traffic", "go_home", "evict", "hold", "renew", "surrender", "release", "set_alias", "send"}
)


class Killed(BaseException):
    """The process was ended by SIGKILL: nothing of it runs any more."""


@dataclass
class Process:
    """One process: a name, a clock that may be wrong by `skew` seconds, and how many writes it has begun."""

    name: str
    skew: float = 0.0
    writes: int = 0
    dead: bool = False
    done: bool = False
    error: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


@dataclass(frozen=True)
class Hurt:
    """What befalls one call: `kill` or `raises`, before the effect or `after` it; or `delay` seconds before it."""

    kill: bool = False
    raises: BaseException | None = None
    after: bool = False
    delay: float = 0.0


Faults = Callable[[Process, str], Hurt | None]


def no_faults(_process: Process, _call: str) -> None:
    """Hurt nobody."""


class Time:
    """The one true clock, and whose turn it is: the process that is due first, in the order they became due."""

    def __init__(self) -> None:
        self.now = 0.0
        self._until = 0.0
        self._due: list[tuple[float, int, Process]] = []
        self._order = itertools.count()
        self._back = threading.Semaphore(0)
        self.current: Process | None = None

    def start(self, process: Process, work: Callable[[], None], at: float = 0.0) -> Process:
        """Have `process` do `work` from `at` on."""

        def run() -> None:
            process.turn.acquire()
            try:
                if not process.dead:
                    work()
            except Killed:
                process.dead = True
            except BaseException as error:  # noqa: BLE001 - kept on the process: the story names it as a broken promise
                process.error = error
            process.done = True
            self._back.release()

        threading.Thread(target=run, daemon=True, name=process.name).start()
        self._push(process, at)
        return process

    def sleep(self, seconds: float) -> None:
        """Let the process that runs wait; others run meanwhile."""
        process = self.current
        if process is None:  # nobody runs yet: the scenario is being set up
            self.now += seconds
            return
        at = self.now + max(0.0, seconds)
        if at <= self._until and (not self._due or at < self._due[0][0]):
            self.now = at
        else:
            self._push(process, at)
            self._back.release()
            process.turn.acquire()
        if process.dead:
            raise Killed

    def run(self, until: float) -> None:
        """Run every process that is due until then."""
        self._until = until
        while self._due and self._due[0][0] <= until:
            at, _, process = heapq.heappop(self._due)
            self.now = max(self.now, at)
            self.current = process
            process.turn.release()
            self._back.acquire()
            self.current = None
        self.now = max(self.now, until)

    def end(self) -> None:
        """Kill whatever still waits."""
        for _, _, process in self._due:
            process.dead = True
        self.run(max((at for at, _, _ in self._due), default=self.now))

    def _push(self, process: Process, at: float) -> None:
        heapq.heappush(self._due, (at, next(self._order), process))


@dataclass
class Clients:
    """Who asks: `rate` requests a second, and how each model answers them, by its name."""

    rate: float = 20.0
    failing: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)


@dataclass
class Count:
    """What one model has answered up to a moment."""

    requests: int = 0
    failures: int = 0
    right: int = 0
    times: tuple[int, ...] = (0,) * (len(EDGES) + 1)


class Router(MemoryBackend):
    """Router and model servers."""

    def __init__(self, twin: "Twin") -> None:
        super().__init__()
        self._twin = twin

    def put(self, route: str, split: TrafficSplit) -> None:
        """Let `split` be in force from now on."""
        self._twin.settle()
        super().put(route, split)
        self._twin.changed("split")

    def evict(self, name: str) -> None:
        """Stop it at once."""
        self._twin.settle()
        super().evict(name)
        self._twin.changed("evict")

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """What was counted so far."""
        self._twin.settle()
        last = {name: counts[-1] for name, counts in self._twin.counts.items()}
        return {
            name: RouterTally(
                requests=last[name].requests, failures=last[name].failures, latency=histogram(last[name].times)
            )
            if name in last
            else none
            for name, none in super().tallies(route).items()
        }

    def share(self, name: str) -> int:
        """How much of the traffic reaches a running `name`: what it has by the split, when it is there."""
        split = self.splits.get(MODEL)
        return split.percent(name) if split and name in self.versions else 0


class Ledger(MemoryRecordStore):
    """A ledger whose readers are trusted not to change what they read, which spares copies."""

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Return the records themselves."""
        return tuple(self._records.get(stream, ())[max(after, 0) :])


class Source:
    """What the collector has stored: all requests up to `lag` seconds ago, stamped by a clock that never goes back."""

    def __init__(self, twin: "Twin") -> None:
        self._twin = twin

    def scored_by(self, _scoring: Scoring) -> Self:
        """Whether an answer was right is known here."""
        return self

    def watermark(self, _route: str) -> Window:
        """Up to where records are complete."""
        self._twin.settle()
        complete = bisect_right(self._twin.moments, self._twin.time.now - self._twin.lag) - 1
        return Window(since=EPOCH, until=self._twin.stamps[max(0, complete)])

    def samples(self, _route: str, name: str, window: Window, **_asked: datetime | None) -> Mapping[str, Sample]:
        """What `name` did in the window; truth comes with the answer."""
        before, now = self._count(name, window.since), self._count(name, window.until)
        asked = now.requests - before.requests
        if not asked:
            nothing = NoData(reason=f"no request to {name}")
            return {"error_rate": nothing, "latency": nothing, "accuracy": nothing}
        answered = asked - (now.failures - before.failures)
        return {
            "error_rate": Counts(exposures=asked, events=now.failures - before.failures),
            "latency": histogram([new - old for old, new in zip(before.times, now.times, strict=True)]),
            "accuracy": Counts(exposures=answered, events=now.right - before.right),
        }

    def outcomes(self, _route: str, _name: str, _window: Window, **_asked: datetime) -> Mapping[str, Sample]:
        """No truth comes late here."""
        return {}

    def paired(
        self, _route: str, _control: str, _name: str, _window: Window, **_asked: datetime | None
    ) -> Mapping[str, Sample]:
        """Every request is a block of its own here."""
        return {}

    def units(self, _route: str, _window: Window, **_begun: datetime) -> None:
        """Every request is routed by itself."""

    def assignments(self, _route: str, window: Window) -> Mapping[str, int]:
        """Requests of each model."""
        found = {
            name: self._count(name, window.until).requests - self._count(name, window.since).requests
            for name in self._twin.counts
        }
        return {name: count for name, count in found.items() if count}

    def _count(self, name: str, at: datetime) -> Count:
        place = bisect_right(self._twin.stamps, at) - 1
        counts = self._twin.counts.get(name)
        offset = self._twin.born.get(name, 0)
        return counts[place - offset] if counts and place >= offset else Count()


class Door:
    """One client of the world as one process has it: each call is a point where the process may be hurt."""

    def __init__(self, twin: "Twin", process: Process, inner: object) -> None:
        self._twin, self._process, self._inner = twin, process, inner

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if not callable(call):
            return call

        def passed(*args: Any, **kwargs: Any) -> Any:
            return self._twin.pass_through(self._process, name, call, args, kwargs)

        return passed


class Twin:
    """The world. `faults` is asked at each call; `watchers` are called after each change of traffic or ledger."""

    def __init__(
        self, seed: int = 7, *, lag: float = 1.0, slice_seconds: float = 0.5, call_seconds: tuple[float, float] = (0, 0)
    ) -> None:
        self.time = Time()
        self.random = random.Random(seed)
        self.lag, self._slice, self._call_seconds = lag, slice_seconds, call_seconds
        self.clients = Clients()
        self.base_skew = 0.0  # of the machine that has the databases, and of every process that was not given its own
        self.backend, self.leases, self.registry = Router(self), MemoryLeases(), MemoryRegistry()
        self.source, self.ledger = Source(self), Ledger(self.wall)
        self.world = World(
            *(self.backend, self.leases, self.source, self.registry, self.ledger, LogNotifier(), self.wall),
            monotonic=lambda: self.time.now,
            wait=self.wait,
        )
        self.faults: Faults = no_faults
        self.watchers: list[Callable[[str], None]] = []
        self.moments, self.stamps = [0.0], [EPOCH]
        self.counts: dict[str, list[Count]] = {}
        self.born: dict[str, int] = {}
        self.calls: list[tuple[float, str, str]] = []
        self.bounded: set[str] = set()
        self.proofs: list[float] = []

    def wall(self, skew: float = 0.0) -> datetime:
        """What a clock on the wall says that is wrong by `skew` seconds beside the machine's own error."""
        return EPOCH + timedelta(seconds=self.time.now + self.base_skew + skew)

    def wait(self, seconds: float) -> None:
        """Let time pass, and clients ask meanwhile."""
        self.time.sleep(seconds)
        self.settle()

    def world_of(self, process: Process) -> World:
        """The world as `process` sees it."""

        def door(inner: object) -> Any:
            return Door(self, process, inner)

        return replace(
            self.world,
            backend=door(self.backend),
            leases=door(self.leases),
            registry=door(self.registry),
            ledger=door(self.ledger),
            notifier=door(self.world.notifier),
            now=lambda: self.wall(process.skew),
            wait=self.time.sleep,
        )

    def register(self, variant: str, tags: Mapping[str, str] = MappingProxyType({})) -> ModelVersion:
        """Register another version, whose artifact is as small as can be."""
        with TemporaryDirectory(prefix="firstflight-") as folder:
            number = len(self.registry.versions(MODEL)) + 1
            (Path(folder) / "model.onnx").write_text(f"a model, {variant} {number}")
            return self.registry.register(MODEL, variant, Path(folder), tags)

    def champion(self) -> ModelVersion:
        """Make a first champion, served and with all traffic."""
        first = Registered(version=self.register("baseline"), passed=True, reasons=())
        return ensure_champion(self.world, first, actor="test")

    def candidate(self, variant: str = "lightweight") -> ModelVersion:
        """Register and serve a version to try."""
        version = self.register(variant)
        deploy(self.world, version)
        return version

    def pass_through(
        self, process: Process, name: str, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Make one call of `process`, and hurt it as `faults` wants."""
        writes, said = name in WRITES, _described(name, args)
        hurt = self.faults(process, said) if writes or said in {"read", "get_traffic"} else None
        if writes:
            process.writes += 1
        took = self.random.uniform(*self._call_seconds)
        self.time.sleep(took + (hurt.delay if hurt else 0.0))
        if hurt and not hurt.after:
            _inflict(process, hurt)
        if writes:
            self.calls.append((self.time.now, process.name, said))
        answer = call(*args, **kwargs)
        if name == "append":
            self.changed(f"append:{args[1]}")
        if hurt and hurt.after:
            _inflict(process, hurt)
        return answer

    def changed(self, what: str) -> None:
        """Tell the watchers."""
        for watcher in self.watchers:
            watcher(what)

    def settle(self) -> None:
        """Have the clients ask for the time since the last settling, under the split that was in force."""
        while self.moments[-1] < self.time.now:
            until = min(self.time.now, self.moments[-1] + self._slice)
            self._ask(until - self.moments[-1])
            self.moments.append(until)
            self.stamps.append(max(self.wall() - timedelta(seconds=self.time.now - until),
                                   self.stamps[-1] + timedelta(microseconds=1)))  # fmt: skip

    def _ask(self, seconds: float) -> None:
        split = self.backend.splits.get(MODEL)
        asked: dict[str, int] = {}
        if split:
            wanted = self.clients.rate * seconds
            number = int(wanted) + (self.random.random() < wanted % 1)
            for chosen in self.random.choices(list(split.weights), weights=list(split.weights.values()), k=number):
                # As the local gateway does: who is not there any more is answered for by the stable model.
                name = chosen if chosen in self.backend.versions else split.stable
                asked[name] = asked.get(name, 0) + 1
        for name in dict.fromkeys([*self.counts, *asked]):  # a set has another order in each process
            if name not in self.counts:
                self.counts[name], self.born[name] = [], len(self.moments)
            last = self.counts[name][-1] if self.counts[name] else Count()
            self.counts[name].append(self._answered(name, last, asked.get(name, 0)))

    def _answered(self, name: str, last: Count, asked: int) -> Count:
        if not asked:
            return last
        answers = self.backend.versions.keys() - self.backend.dead
        failing = self.clients.failing.get(name, 0.0) if name in answers else 1.0
        failures = sum(self.random.random() < failing for _ in range(asked)) if failing else 0
        usual = self.clients.milliseconds.get(name, 12.0)
        times = list(last.times)
        for _ in range(asked):
            times[bucket(usual * self.random.lognormvariate(0.0, 0.3))] += 1
        right = self.clients.accuracy.get(name, 0.7)
        return Count(
            requests=last.requests + asked,
            failures=last.failures + failures,
            right=last.right + sum(self.random.random() < right for _ in range(asked - failures)),
            times=tuple(times),
        )


def _described(name: str, args: tuple[Any, ...]) -> str:
    if name == "append":
        return f"append:{args[1]}"
    if name == "set_traffic":
        return f"set_traffic:{args[1]}"
    return "read" if name == "tail" else name  # a ledger that is away tells neither the whole nor the end


def _inflict(process: Process, hurt: Hurt) -> None:
    if hurt.kill:
        process.dead = True
        raise Killed
    if hurt.raises is not None:
        raise hurt.raises


class Stalls(Exception):  # noqa: N818 - what a call does, not what went wrong with it
    """Raised by a call that would never answer; whoever waits for it only so long gives up then."""


@contextmanager
def own_clock(twin: Twin) -> Iterator[None]:
    """Have going home wait by the twin's clock: its time limits cost no real seconds; and note when it is proved."""

    def within(seconds: float, call: Callable[[], Any]) -> Any:
        name = twin.time.current.name if twin.time.current else ""
        twin.bounded.add(name)
        try:
            return call()
        except Stalls:
            twin.time.sleep(seconds)
            return _gave_up(seconds)
        finally:
            twin.bounded.discard(name)

    def proved(**told: Any) -> going_home.HomeProof:
        twin.proofs.append(twin.time.now)
        return proof(**told)

    proof = going_home.HomeProof

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return twin.time.now

    with patch.multiple(going_home, _within=within, time=Clock, HomeProof=proved):
        yield


def _gave_up(seconds: float) -> NoReturn:
    raise TrafficNotAppliedError(f"no answer within {seconds:g} s")
