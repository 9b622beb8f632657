"""One whole rollout, driven through the product's own decisions and state machine as any user of them would."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from benchmarks.worlds.events import CANDIDATE, STABLE
from benchmarks.worlds.faults import Fault
from benchmarks.worlds.intervals import AtTheLine, Coverage
from benchmarks.worlds.looks import fold, moment
from benchmarks.worlds.records import Records
from benchmarks.worlds.routing import PerUnit
from benchmarks.worlds.service import NEVER, Service, harmed
from benchmarks.worlds.world import World
from firstflight.decision.decide import Decision, Verdict, judge, start, update
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.record import Record
from firstflight.rollout.machine import (
    Arms,
    AwaitApproval,
    Bake,
    EnterStage,
    Observe,
    Phase,
    Promote,
    RollBack,
    Rollout,
    follow,
    next_act,
)

SETTLE = 1
"""Seconds after a change of the split whose answers are not looked at, as the product has it."""

End = Literal["promoted", "rolled back", "held", "paged"]
"""Held: home without harm. Paged: the split is held because home is no better, until a person has come."""


@dataclass(frozen=True)
class Onset:
    """When the fault begins: as the candidate reaches `stage` percent, or `second` seconds after the start."""

    stage: int | None = None
    second: int | None = None


@dataclass
class Flown:
    """What became of a rollout: `why` is what ended it.

    `delay` counts from the fault's onset to the roll-back, or to the first page where the stable model is at fault;
    `harmed` to the end. `paged` is the second of the first page, `stage` the last share of traffic the candidate had.
    """

    end: End = "held"
    why: tuple[str, ...] = ()
    seconds: int = 0
    stage: int = 0
    stages_passed: int = 0
    paged: int | None = None
    onset: int | None = None
    delay: int | None = None
    harmed: int = 0
    looks: int = 0
    requests: int = 0
    proven_at_once: tuple[str, ...] = field(default=(), metadata={"about": "ever proven while in the first stage"})
    proven_falsely: tuple[str, ...] = field(
        default=(), metadata={"about": "those of them that were not within the limit over what had been seen either"}
    )
    stages: dict[str, int] = field(default_factory=dict)
    misses: dict[str, int] = field(default_factory=dict)


class Flight:
    """A rollout under way."""

    def __init__(self, world: World, fault: Fault, plan: CanaryPlan, onset: Onset, rng: np.random.Generator) -> None:
        """Nothing has happened yet."""
        self.world, self.fault, self.plan, self.onset = world, fault, plan, onset
        self.patient = plan.model_copy(update={"stage_seconds": NEVER})  # what has passed cannot be late
        stable, candidate = (
            ModelVersion(model=plan.model, variant=variant, number=number, digest=f"sha256:{number:064x}")
            for number, variant in ((1, "stable"), (2, "candidate"))
        )
        self.names = {STABLE: stable.served_name, CANDIDATE: candidate.served_name}
        self.service = Service(world, fault, rng)
        sticky = isinstance(world.routing, PerUnit)
        self.records = Records(self.service.serve(0, 0, 0), mirrored=world.mirrored, sticky=sticky)
        self.coverage = Coverage(world, self.service.course)
        self.line = AtTheLine(world, fault, self.service.course)
        self.evidence = start(plan, *self.names.values())
        self.now = self.looked = self.stage = self.stage_began = 0
        self.flown = Flown()
        self.began = onset.second if fault.changes and onset.second is not None else None
        arms = Arms(stable=stable, candidates=(candidate,))
        body = {"rollout": "worlds-r1", "activity": "canary", "run": "worlds"}
        self.rollout = Rollout.started(
            self._record(
                {**body, "plan": plan.model_dump(mode="json"), "arms": arms.model_dump(mode="json")},
                "rollout.started",
                1,
            )
        )

    def fly(self) -> Flown:
        """Do what comes next until nothing is left, and return what became of it."""
        while self.flown.end != "paged" and (act := next_act(self.rollout)) is not None:
            match act:
                case EnterStage(stage=stage):
                    self._enter(stage)
                case Observe():
                    self._observe()
                case AwaitApproval(stage=stage):
                    self._await(stage)
                case Promote():
                    self._write("promotion.intended", {"candidate": self.names[CANDIDATE]})
                    self._write("bake.started", {})
                case Bake():
                    self._bake()
                case RollBack():
                    self._write("rollout.rolled_back", {"split": self.rollout.home.model_dump(mode="json")})
                case other:
                    raise AssertionError(f"a canary has nothing to do with {other}")
        self.coverage.end_stage()
        flown = self.flown
        flown.seconds, flown.stage, flown.requests = self.now, self.stage, self.service.requests
        flown.stages, flown.misses = dict(self.coverage.stages), dict(self.coverage.misses)
        flown.onset = self.began if self.began is not None and self.began < self.now else None
        found = flown.paged if STABLE in self.fault.changes else self.now if flown.end == "rolled back" else None
        flown.delay = None if flown.onset is None or found is None else found - flown.onset
        return flown

    def _enter(self, stage: int) -> None:
        self._write("stage.intended", {"stage": stage})
        self._write("stage.entered", {"stage": stage, "split": self.rollout.split_at(stage).model_dump(mode="json")})
        self.stage, self.stage_began, self.looked = stage, self.now, self.now + SETTLE
        self.coverage.end_stage()
        if self.fault.changes and self.onset.stage == stage:
            self.began = self.now

    def _observe(self) -> None:
        while not (decision := self._look()).verdict.decides:
            if self._has_come(decision):
                return
        if decision.verdict is Verdict.PROMOTE:
            self.flown.stages_passed += 1
            self._write("stage.passed", {"stage": self.rollout.stage, "reasons": list(decision.reasons)})
        else:
            self._go_home(decision)

    def _await(self, stage: int) -> None:
        """Look on while a person is asked: a stage that has passed cannot be late, but harm and blindness go home."""
        self._write("approval.asked", {"stage": stage})
        answer = self.now + self.world.approval
        while self.now < answer:
            decision = self._look()
            if decision.verdict in {Verdict.ROLL_BACK, Verdict.INCONCLUSIVE}:
                self._go_home(decision)
                return
            if self._has_come(decision):
                return
        self._write("approval.answered", {"stage": stage, "decision": "approve", "approver": "worlds", "comment": ""})

    def _bake(self) -> None:
        over = self.now + self.plan.bake_seconds
        while self.now < over:
            decision = self._look()
            if decision.verdict is Verdict.ROLL_BACK:
                self._go_home(decision)
                return
        self.flown.end = "promoted"
        self._write("rollout.promoted", {"split": self.rollout.home.model_dump(mode="json")})

    def _look(self) -> Decision:
        """Serve until the next check, and return what is decided there."""
        plan, stage = self.plan, self.stage
        until = self.now + int(plan.check_seconds)
        onset = NEVER if self.began is None else self.began
        events = self.service.serve(self.now, until, stage, onset)
        self.flown.harmed += int(harmed(events, self.fault, onset).sum())
        self.records.add(events)
        seen = self.records.take(self.looked, until, self.service.growing)
        look = fold(seen, self.names, since=self.looked, until=until, stage=stage, stage_began=self.stage_began)
        warm = self.looked - self.stage_began >= plan.warmup_seconds
        self.now = self.looked = until
        self.flown.looks += 1
        self.evidence = update(plan, self.evidence, look)
        decision = judge(plan if self.rollout.phase is Phase.OBSERVING else self.patient, self.evidence)
        if warm and not self.fault.changes:
            self.coverage.count(seen.requests, seen.judged.where(seen.judged.stage == stage))
            self.coverage.check(decision.metrics)
        if self.rollout.phase is Phase.OBSERVING and stage == plan.stages[0]:
            if warm:
                self.line.count(seen.requests)
            proven = {metric.metric for metric in decision.metrics if metric.status == "proven"}
            fresh = proven - {*self.flown.proven_at_once}
            self.flown.proven_at_once = tuple(sorted({*self.flown.proven_at_once, *fresh}))
            false = {metric for metric in fresh if not self.line.within(metric)}
            self.flown.proven_falsely = tuple(sorted({*self.flown.proven_falsely, *false}))
        return decision

    def _has_come(self, decision: Decision) -> bool:
        """Return whether the person who was paged is there; one does not page twice."""
        if decision.verdict is Verdict.HOLD and self.flown.paged is None:
            self.flown.paged = self.now
        if decision.verdict is Verdict.HOLD and self.now - (self.flown.paged or 0) >= self.world.approval:
            self.flown.end, self.flown.why = "paged", decision.failing
            return True
        return False

    def _go_home(self, decision: Decision) -> None:
        if decision.verdict is Verdict.ROLL_BACK:
            self.flown.end, self.flown.why = "rolled back", decision.triggers
        else:
            self.flown.end, self.flown.why = "held", (cause_of(self.plan, decision),)
        self._write("rollback.intended", {"reasons": list(decision.reasons)})

    def _write(self, kind: str, body: dict[str, object]) -> None:
        self.rollout = follow(self.rollout, self._record(body, kind, self.rollout.head + 1))

    def _record(self, body: dict[str, object], kind: str, number: int) -> Record:
        return Record(
            stream=f"rollout/{self.plan.model}",
            number=number,
            at=moment(self.now),
            kind=kind,
            actor="worlds",
            body=body,
        )


def cause_of(plan: CanaryPlan, decision: Decision) -> str:
    """Return in one word what kept a rollout from going on, or which metrics were still unproven."""
    proving = {guardrail.metric for guardrail in plan.guardrails if guardrail.proves}
    if decision.sample_ratio is not None and decision.sample_ratio.status == "mismatch":
        return "ratio"
    if any(reason.startswith(("blind", "no data")) for reason in decision.reasons):
        return "blind"
    open_questions = [
        each.metric for each in decision.metrics if each.metric in proving and each.status in {"undecided", "no_data"}
    ]
    return "undecided: " + ", ".join(sorted(open_questions))
