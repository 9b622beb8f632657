"""The rollout as a pure state machine over the ledger's records.

A model has one stream, `rollout/<model>`; its rollouts follow each other there, and each is the
fold of its records. Nothing else remembers where a rollout stands, so a suspended run, a retry, a
crash and a new run for the same rollout all go on from the same place.

    started ──► entering ──► observing ──► passed ──► (awaiting approval) ──► entering …
                                │                                                │
                                │ harm, blind, undecided, rejected, expired      │ all stages passed
                                ▼                                                ▼
                          rolling back ──► ROLLED_BACK ◄── harm ── promoting ──► baking ──► PROMOTED

An A/B test is a rollout of one stage that ends COMPARED: traffic goes back to its control.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field

from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import RECORDED, ABTestPlan, CanaryPlan
from firstflight.domain.traffic import Percent, TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.domain.wording import visible
from firstflight.ledger.record import Record


class Phase(StrEnum):
    """Where a rollout stands."""

    STARTED = "started"  # written down; no traffic has moved
    ENTERING = "entering"  # a split is intended, perhaps already in force
    OBSERVING = "observing"  # the split is in force and being judged
    PASSED = "passed"  # the stage is good; the next act follows
    AWAITING_APPROVAL = "awaiting approval"  # a person has been asked
    PROMOTING = "promoting"  # every stage passed; the candidate becomes stable
    BAKING = "baking"  # promoted and still watched; the model before it is warm
    ROLLING_BACK = "rolling back"  # traffic is going back to stable
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    COMPARED = "compared"


UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What a record raises whose body is not what its kind promises."""
FINAL = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.COMPARED})


class Arms(Value):
    """Who takes part: versions by served name, as they were when the rollout started."""

    stable: ModelVersion
    candidates: tuple[ModelVersion, ...] = ()
    shadow: ModelVersion | None = None
    shadow_name: str | None = None
    weights: dict[str, Percent] = Field(default={}, description="Of an A/B test: served name → share of traffic.")

    @property
    def names(self) -> tuple[str, ...]:
        """Served names that carry weight, candidates first."""
        return (*(version.served_name for version in self.candidates), self.stable.served_name)


class Rollout(Value):
    """One rollout, as its records tell it."""

    id: str
    model: str
    run: str = Field(description="Flow run that started it; the same run never starts a second one of its kind.")
    driver: str = Field(description="Who acts for it now; its token is the newest.")
    plan: CanaryPlan | ABTestPlan
    arms: Arms
    started_at: AwareDatetime
    phase: Phase
    stage: int | None = None
    stage_started_at: AwareDatetime | None = None
    split: TrafficSplit | None = None
    attempt: int = Field(default=1, description="Which try of these candidates it is, rollouts that ended included.")
    passed: tuple[int, ...] = ()
    asked: dict[int, AwareDatetime] = Field(default={}, description="Stage → when its approval was asked for.")
    approved: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    promotion_begun: bool = Field(default=False, description="The champion alias may name the candidate.")
    bake_started_at: AwareDatetime | None = None
    token: int
    head: int
    ended_at: AwareDatetime | None = None
    held: bool = Field(default=False, description="A person suspended its run: no process drives it until they resume.")
    unreadable: int | None = Field(default=None, description="Number of a record that could not be read.")

    @property
    def final(self) -> bool:
        """Whether the rollout has ended."""
        return self.phase in FINAL

    @property
    def waits(self) -> bool:
        """Whether no process drives it until a person has answered or resumed its run, so that others have to look."""
        return self.phase is Phase.AWAITING_APPROVAL or (self.held and self.phase in {Phase.OBSERVING, Phase.PASSED})

    @property
    def activity(self) -> Literal["ab_test", "canary"]:
        """What it does, in the words of the ledger; the stage of an A/B test is none that anybody planned."""
        return "ab_test" if isinstance(self.plan, ABTestPlan) else "canary"

    @property
    def candidate(self) -> ModelVersion:
        """The version being tried; of an A/B test the first of the variants."""
        return self.arms.candidates[0]

    def split_at(self, stage: int) -> TrafficSplit:
        """The split that belongs to `stage`."""
        if isinstance(self.plan, ABTestPlan):
            arms = self.arms
            return TrafficSplit(stable=arms.stable.served_name, weights=arms.weights, shadow=arms.shadow_name)
        return TrafficSplit.canary(self.arms.stable.served_name, self.candidate.served_name, stage)

    @property
    def home(self) -> TrafficSplit:
        """The split that is always safe: everything to the stable model."""
        return TrafficSplit.all_to(self.arms.stable.served_name)

    def answer_by(self, stage: int) -> datetime:
        """The moment after which nobody's approval of `stage`, which has been asked for, counts."""
        if isinstance(self.plan, ABTestPlan):
            raise RolloutError(f"{self.id} is an A/B test; nobody is asked in one")
        return self.asked[stage] + timedelta(seconds=self.plan.approval_seconds)

    @classmethod
    def started(cls, record: Record) -> Self:
        """The rollout that `record`, of kind `rollout.started`, begins."""
        body = record.body
        plan_type = ABTestPlan if body["activity"] == "ab_test" else CanaryPlan
        told = {
            "id": body["rollout"],
            "model": record.stream.removeprefix("rollout/"),
            "run": body["run"],
            "driver": body["run"],
            "plan": plan_type.model_validate(body["plan"], context=RECORDED),
            "arms": body["arms"],
            "started_at": record.at,
            "attempt": body.get("attempt", 1),
            "phase": Phase.STARTED,
            "token": record.number,
            "head": record.number,
        }
        return cls.model_validate(told, context=RECORDED)  # a plan's rules are asked again where it becomes a field


class EnterStage(Value):
    """Set the stage's split, read it back, write it down."""

    stage: int


class Observe(Value):
    """Check until the stage is decided."""

    stage: int


class AwaitApproval(Value):
    """Ask a person before `stage`; past the deadline silence is a no."""

    stage: int


class Promote(Value):
    """Name the candidate champion; it has all of the traffic."""


class Bake(Value):
    """Watch the new champion, then forget the way back."""


class Conclude(Value):
    """End an A/B test: everything back to its control."""


class RollBack(Value):
    """Everything to the stable model, verified; then tell people."""

    reasons: tuple[str, ...]


Act = EnterStage | Observe | AwaitApproval | Promote | Bake | Conclude | RollBack


def stream(model: str) -> str:
    """Name of the stream that holds the rollouts of `model`."""
    return f"rollout/{model}"


def checks_stream(rollout: Rollout) -> str:
    """Name of the stream that holds every check of `rollout`."""
    return f"checks/{rollout.id}"


BEGINS = "rollout.started"
"""The kind of a rollout's first record: what stands before it says nothing of that rollout."""


def rollouts(records: Iterable[Record]) -> tuple[Rollout, ...]:
    """Return every rollout that `records`, in order, tell of; the last may be open.

    They are a model's whole stream, or what stands from the beginning of one of its rollouts on.

    One whose first record cannot be read is left out, with all that follows it.
    """
    told: list[Rollout | None] = []
    for record in records:
        if record.kind == BEGINS:
            told.append(_begun(record))
        elif told and (last := told[-1]) is not None:
            told[-1] = follow(last, record)
    return tuple(rollout for rollout in told if rollout is not None)


def _begun(record: Record) -> Rollout | None:
    try:
        return Rollout.started(record)
    except UNREADABLE:
        return None


def follow(rollout: Rollout, record: Record) -> Rollout:
    """Return the rollout after `record`; a final rollout only moves its head.

    After a record that cannot be read nobody knows where it stands: it is to go home.
    """
    try:
        changes = {} if rollout.final else _changes(rollout, record)
    except UNREADABLE as error:
        why = f"record {record.number} of {record.stream} ({record.kind}) cannot be read: {error!r}"
        changes = {"phase": Phase.ROLLING_BACK, "reasons": (" ".join(why.split())[:500],), "unreadable": record.number}
    return rollout.model_copy(update={**changes, "head": record.number})


def _changes(rollout: Rollout, record: Record) -> dict[str, Any]:  # noqa: C901, PLR0911, PLR0912 - one case for each kind
    body = record.body
    match record.kind:
        case "driver.attached":
            return {"token": record.number, "driver": record.actor, "held": False}
        case "rollout.held":
            return {"held": True}
        case "stage.intended":
            return {"phase": Phase.ENTERING, "stage": _stage(body)}
        case "stage.entered":
            split = TrafficSplit.model_validate(body["split"])
            return {"phase": Phase.OBSERVING, "stage_started_at": record.at, "split": split, "stage": _stage(body)}
        case "stage.passed":
            return {
                "phase": Phase.PASSED,
                "passed": (*rollout.passed, _stage(body)),
                "reasons": _reasons(body),
            }
        case "approval.asked":
            asked = {**rollout.asked, _stage(body): record.at}
            return {"phase": Phase.AWAITING_APPROVAL, "asked": asked}
        case "approval.answered":
            if body["decision"] == "approve":
                return {"phase": Phase.PASSED, "approved": (*rollout.approved, _stage(body))}
            return {
                "phase": Phase.ROLLING_BACK,
                "reasons": (visible(f"{body['approver']} rejected: {body['comment']}"),),
            }
        case "promotion.ordered":
            passed = () if isinstance(rollout.plan, ABTestPlan) else rollout.plan.stages
            return {"phase": Phase.PASSED, "passed": passed, "reasons": _reasons(body)}
        case "promotion.intended":
            return {"phase": Phase.PROMOTING, "promotion_begun": True}
        case "bake.started":
            everything = rollout.split_at(100)
            jumped = {"stage": 100, "stage_started_at": record.at, "split": everything}  # a person's order skips stages
            return {
                "phase": Phase.BAKING,
                "bake_started_at": record.at,
                **(jumped if rollout.split != everything else {}),
            }
        case "rollback.intended":
            return {"phase": Phase.ROLLING_BACK, "reasons": _reasons(body)}
        case "rollout.promoted" | "rollout.rolled_back" | "rollout.compared":
            split = TrafficSplit.model_validate(body["split"])
            return {
                "phase": Phase(record.kind.removeprefix("rollout.").replace("_", " ")),
                "split": split,
                "ended_at": record.at,
            }
    return {}


def _stage(body: dict[str, Any]) -> int:
    if type(stage := body["stage"]) is not int:
        raise TypeError(f"stage {stage!r} is no whole number")
    return stage


def _reasons(body: dict[str, Any]) -> tuple[str, ...]:
    if not all(isinstance(reason, str) for reason in body["reasons"]):
        raise TypeError(f"reasons {body['reasons']!r} are not all text")
    return tuple(body["reasons"])


def next_act(rollout: Rollout) -> Act | None:  # noqa: PLR0911 - one return for each phase
    """Return what is to be done next, or None when the rollout has ended.

    A stage is entered only when every stage before it has passed and, where the plan wants it,
    a person approved; so none is skipped, doubled or folded into a jump.
    """
    plan = rollout.plan
    match rollout.phase:
        case Phase.PROMOTED | Phase.ROLLED_BACK | Phase.COMPARED:
            return None
        case Phase.ROLLING_BACK:
            return RollBack(reasons=rollout.reasons)
        case Phase.PROMOTING:
            return Promote()
        case Phase.BAKING:
            return Bake()
        case Phase.OBSERVING if rollout.stage is not None:
            return Observe(stage=rollout.stage)
    if isinstance(plan, ABTestPlan):
        return (
            Conclude()
            if rollout.phase is Phase.PASSED
            else EnterStage(stage=100 - rollout.arms.weights[rollout.arms.stable.served_name])
        )
    left = [stage for stage in plan.stages if stage not in rollout.passed]
    if not left:
        return Promote()
    if left[0] in plan.approvals and left[0] not in rollout.approved:
        return AwaitApproval(stage=left[0])
    return EnterStage(stage=left[0])
