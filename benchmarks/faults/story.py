"""One rollout in the clock twin under faults, and what must hold at every moment of it and at its end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from benchmarks.faults.processes import Desk, Driver, guarding, rolling_back
from benchmarks.faults.twin import MODEL, Hurt, Process, Stalls, Twin, own_clock
from firstflight.acts.champion import settle_champions
from firstflight.domain.errors import (
    BackendUnavailableError,
    RegistryUnavailableError,
    RolloutError,
    StoreUnavailableError,
    TrafficNotAppliedError,
)
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, Rollout, rollouts, stream

PLAN = CanaryPlan(
    model=MODEL,
    candidate=2,
    stages=(10, 50, 100),
    approvals=(50,),
    stage_seconds=90,
    min_stage_seconds=5,
    warmup_seconds=0,
    check_seconds=5,
    no_data_seconds=30,
    bake_seconds=10,
    approval_seconds=60,
    guardrails=(Guardrail(metric="error_rate", limit=0.2),),
)
LEASE, ROUND = 30.0, 3.0
DETECTED = LEASE + 2 * ROUND + 15.0
"""Longest time from a fault to traffic at home: the lease, two rounds, both ways home with their stalls."""
LONGEST = 3 * PLAN.stage_seconds + 2 * (PLAN.approval_seconds + DETECTED) + PLAN.bake_seconds + PLAN.no_data_seconds
"""Within so long after the last fault a rollout has ended, whatever had happened to it."""
STORES = frozenset({"append", "read"})
FILES = frozenset({"hold", "renew", "surrender", "release"})


@dataclass(frozen=True)
class Fault:
    """What befalls the write numbered `nth` of the process `who`.

    `what`: kill, lost (the effect is there, the answer is not), outage, full (a disk), late (by a minute), stall.
    """

    who: str
    nth: int
    what: str


@dataclass(frozen=True)
class Down:
    """`what` (ledger, router, registry, disk) does not answer from `since` for `seconds`."""

    what: str
    since: float
    seconds: float


@dataclass(frozen=True)
class Step:
    """The clock of `who` (a process, or `machine` for all of them) jumps by `seconds` at `at`."""

    at: float
    who: str
    seconds: float


@dataclass(frozen=True)
class Story:
    """What happens. `after` a driver's death: restart the run, a new run, or nobody comes."""

    faults: tuple[Fault, ...] = ()
    down: tuple[Down, ...] = ()
    steps: tuple[Step, ...] = ()
    person: Literal["approve", "reject", "silent"] = "approve"
    answers_after: float = 10.0
    rolls_back_at: float | None = None
    breach_at: float | None = None
    doubled_at: float | None = None
    after: str = "restart"
    after_seconds: float = 10.0
    guards: int = 1
    seed: int = 7

    @property
    def quiet_from(self) -> float:
        """When the last fault that has a time of its own is over."""
        ends = [one.since + one.seconds for one in self.down] + [one.at for one in self.steps]
        return max([0.0, *ends, *(at for at in (self.rolls_back_at, self.breach_at, self.doubled_at) if at)])


class BrokenPromiseError(AssertionError):
    """Something that must never happen did."""


@dataclass
class Told:
    """How a story ended."""

    rollout: Rollout | None
    kinds: list[str]
    calls: list[tuple[float, str, str]]
    writes: dict[str, int]
    ended: float


@dataclass
class Teller:
    """Tells one story and watches that every promise is kept."""

    story: Story
    twin: Twin = field(init=False)

    def __post_init__(self) -> None:
        self.twin = Twin(self.story.seed, slice_seconds=1.0)
        self.twin.faults = self._befall
        self.twin.watchers.append(self._watch)
        self.desk = Desk()
        self.processes: list[Process] = []
        self.broken: list[str] = []
        self.left_wrong: float | None = None
        self.last_fault = 0.0
        self.handled: set[int] = set()
        self.runs = 0
        self._folded: tuple[int, Rollout | None] = (0, None)

    def tell(self) -> Told:
        """Run it to its end. Raises BrokenPromiseError."""
        twin, story = self.twin, self.story
        stable = twin.champion()
        twin.candidate()
        with own_clock(twin):
            try:
                for number in range(story.guards):
                    self._guard(f"guard-{number + 1}", 0.3 * number)
                self._drive("run-1", 0.0)
                if story.doubled_at is not None:
                    self._drive("run-1", story.doubled_at)
                if story.rolls_back_at is not None:
                    self._start("ada", partial(rolling_back, twin), story.rolls_back_at)
                self._live()
            finally:
                twin.time.end()
        self._judge_end(stable.served_name)
        if self.broken:
            raise BrokenPromiseError("\n".join([*self.broken, str(story), *self._log()]))
        last = self._last()
        records = twin.ledger.read(stream(MODEL))
        writes = {one.name: max(p.writes for p in self.processes if p.name == one.name) for one in self.processes}
        return Told(last, [record.kind for record in records], twin.calls, writes, twin.time.now)

    def _live(self) -> None:
        steps = sorted(self.story.steps, key=lambda step: step.at)
        longest = LONGEST + 2 * sum(abs(step.seconds) for step in steps)
        while True:
            now = self.twin.time.now
            while steps and steps[0].at <= now:
                self._step(steps.pop(0))
            if self.story.breach_at is not None and now >= self.story.breach_at:
                self.twin.clients.failing["lightweight-predictor-v2"] = 0.6
            self._orchestrate(now)
            self.twin.time.run(now + 1.0)
            self._watch("a second")
            if self._over() or self.broken:
                self.twin.time.run(now + 150.0)  # whoever sleeps has woken up by then
                settle_champions(self.twin.world_of(Process("watch-health")))
                return
            if now > max(self.story.quiet_from, self.last_fault) + longest:
                self.broken.append(f"not final {longest:.0f} s after the last fault")
                return

    def _over(self) -> bool:
        last = self._last()
        nothing = last is None and all(one.done for one in self.processes if one.name.startswith("run"))
        return (
            (nothing or (last is not None and last.final))
            and not self.twin.leases.all
            and self.twin.time.now > max(self.story.quiet_from, self.last_fault) + DETECTED
        )

    def _orchestrate(self, now: float) -> None:
        """Restart what is supervised, resume what has been answered, start again what has died."""
        for process in [one for one in self.processes if one.done and id(one) not in self.handled]:
            self.handled.add(id(process))
            if process.name.startswith("guard"):
                if process.error is not None:
                    self.broken.append(f"{process.name} ended: {process.error!r}")
                self._guard(process.name, now + 5.0)
            elif process.name.startswith("run"):
                self._follow(process, now)
        while self.desk.asked and self.story.person != "silent":
            at, rollout, stage = self.desk.asked[0]
            if now < at + self.story.answers_after:
                return
            self.desk.asked.pop(0)
            given = Answer(approver="ada", decision=self.story.person, comment="so")
            self.desk.answers[rollout, stage] = given
            self._drive("run-1", now + 1.0)

    def _follow(self, process: Process, now: float) -> None:
        """Do what the orchestrator does about a run's process that has ended."""
        if isinstance(process.error, AssertionError):
            self.broken.append(str(process.error))
        if process.dead and self.runs < 4 and self.story.after != "nobody":
            run = "run-1" if self.story.after == "restart" else f"run-{self.runs + 1}"
            self._drive(run, now + self.story.after_seconds)

    def _step(self, step: Step) -> None:
        if step.who == "machine":
            self.twin.base_skew += step.seconds
        for process in self.processes:
            if process.name == step.who:
                process.skew += step.seconds

    def _drive(self, run: str, at: float) -> None:
        self.runs += 1
        self._start(run, lambda process: Driver(self.twin, process, self.desk, PLAN, run).work, at)

    def _guard(self, name: str, at: float) -> None:
        self._start(name, lambda process: guarding(self.twin, process, ROUND), at)

    def _start(self, name: str, work: Callable[[Process], Callable[[], None]], at: float) -> None:
        before = [one for one in self.processes if one.name == name]
        process = Process(name, skew=before[-1].skew if before else 0.0, writes=before[-1].writes if before else 0)
        self.processes.append(process)
        self.twin.time.start(process, work(process), at)

    def _befall(self, process: Process, call: str) -> Hurt | None:
        kind = call.split(":", 1)[0]
        for down in self.story.down:
            if down.since <= self.twin.time.now < down.since + down.seconds and (error := _refusal(down.what, kind)):
                return Hurt(raises=error)
        for fault in self.story.faults:
            if (fault.who, fault.nth) == (process.name, process.writes) and kind not in {"read", "get_traffic"}:
                self.last_fault = max(self.last_fault, self.twin.time.now + 60.0)
                return _hurt(fault.what, kind, bounded=process.name in self.twin.bounded)
        return None

    def _watch(self, what: str) -> None:
        """Check what must hold at every moment."""
        last = self._last()
        share = self.twin.backend.share("lightweight-predictor-v2")
        where = f"at {self.twin.time.now:.1f} s after {what}: the candidate has {share} %"
        if last is None:
            return
        if share and last.phase is Phase.ROLLED_BACK:
            self._break(f"{where}, and its rollout is rolled back")
        if last.phase is Phase.PROMOTED and share != 100:
            self._break(f"{where}, and its rollout is promoted")
        if not last.final and share > _allowed(last):
            self._break(f"{where}, allowed are {_allowed(last)} % ({last.phase}, passed {last.passed})")
        if what.startswith("append:"):
            self._watch_order()
        if last.phase is Phase.ROLLING_BACK and share:
            self.left_wrong = self.twin.time.now if self.left_wrong is None else self.left_wrong
            allowed = DETECTED + 60.0 * len(self.story.faults) + sum(down.seconds for down in self.story.down)
            if self.twin.time.now - self.left_wrong > allowed:
                self._break(f"{where}, {self.twin.time.now - self.left_wrong:.0f} s after it was refused")

    def _watch_order(self) -> None:
        """No stage doubled, skipped or folded; numbers without gaps; nothing after the end."""
        records = self.twin.ledger.read(stream(MODEL))
        if [record.number for record in records] != list(range(1, len(records) + 1)):
            self._break("record numbers have gaps")
        done: list[tuple[str, int]] = []
        final = False
        for record in records:
            if final and record.kind not in {"rollout.started", "champion.restored"}:
                self._break(f"{record.kind} by {record.actor} after the end")
            if record.kind == "rollout.started":
                done.clear()
            if record.kind in {"stage.entered", "stage.passed"}:
                done.append((record.kind, record.body["stage"]))
            final = record.kind in {"rollout.promoted", "rollout.rolled_back"}
        wanted = [(kind, stage) for stage in PLAN.stages for kind in ("stage.entered", "stage.passed")]
        if done != wanted[: len(done)]:
            self._break(f"stages out of order: {done}")
        if records[-1].kind == "rollout.promoted" and len(done) != len(wanted):
            self._break(f"promoted after {done} alone")

    def _judge_end(self, stable: str) -> None:
        last = self._last()
        for process in self.processes:
            told = (RolloutError, *_OUTAGES, *([TrafficNotAppliedError] if process.name == "ada" else []))
            if process.error is not None and not isinstance(process.error, told):
                self.broken.append(f"{process.name} ended with {process.error!r}")
        if last is None:
            return
        split = self.twin.backend.splits[MODEL]
        if not last.final:
            self.broken.append(f"ends {last.phase}, split {split}")
        elif split != last.split:
            self.broken.append(f"the last record says {last.split}, the router {split}")
        if self.twin.leases.all:
            self.broken.append(f"a lease is left: {self.twin.leases.all}")
        named = self.twin.registry.get(MODEL, "champion").served_name
        wanted = "lightweight-predictor-v2" if last.phase is Phase.PROMOTED else stable
        if named != wanted:
            self.broken.append(f"{last.phase}, and the champion is {named}")
        if not all(self.twin.backend.is_ready(name) for name, weight in split.weights.items() if weight):
            self.broken.append(f"split {split}, served {sorted(self.twin.backend.served())}: somebody gets no answer")

    def _last(self) -> Rollout | None:
        head = self.twin.ledger.head(stream(MODEL))
        if head != self._folded[0]:
            told = rollouts(self.twin.ledger.read(stream(MODEL)))
            self._folded = (head, told[-1] if told else None)
        return self._folded[1]

    def _break(self, sentence: str) -> None:
        if sentence not in self.broken:
            self.broken.append(sentence)

    def _log(self) -> list[str]:
        return [f"{at:7.1f}  {who:9} {call}" for at, who, call in self.twin.calls if call != "renew"][-60:]


_OUTAGES = (BackendUnavailableError, RegistryUnavailableError, StoreUnavailableError, OSError)


def _allowed(rollout: Rollout) -> int:
    """The candidate's largest share for which every stage before has passed and, where wanted, a person approved."""
    allowed = 0
    for stage in PLAN.stages:
        if stage in PLAN.approvals and stage not in rollout.approved:
            break
        allowed = stage
        if stage not in rollout.passed:
            break
    return allowed


def _refusal(what: str, kind: str) -> Exception | None:
    match what:
        case "ledger" if kind in STORES:
            return StoreUnavailableError("the database does not answer")
        case "router" if kind in {"set_traffic", "go_home", "get_traffic"}:
            return BackendUnavailableError("the router does not answer")
        case "registry" if kind == "set_alias":
            return RegistryUnavailableError("the registry does not answer")
        case "disk" if kind in FILES:
            return OSError(28, "No space left on device")
    return None


def _hurt(what: str, kind: str, *, bounded: bool) -> Hurt | None:  # noqa: PLR0911 - one return for each kind
    match what:
        case "kill":
            return Hurt(kill=True)
        case "died":
            return Hurt(kill=True, after=True)
        case "late":
            return Hurt(delay=60.0)
        case "full":
            return Hurt(raises=OSError(28, "No space left on device")) if kind in FILES else None
        case "stall" if bounded:
            return Hurt(raises=Stalls())
        case "stall":
            return Hurt(raises=BackendUnavailableError("no answer"), delay=12.0) if kind == "set_traffic" else None
    error: Exception = BackendUnavailableError("the router does not answer")
    if kind == "append":
        error = StoreUnavailableError("the database does not answer")
    if kind == "set_alias":
        error = RegistryUnavailableError("the registry does not answer")
    return None if kind == "send" else Hurt(raises=error, after=what == "lost")
