"""What a report tells: the ledger's and the stores' own values where there are any, gathered by whoever read them.

A section is either what there is to show or `NoData(reason)`, which the page prints in its place;
an empty section is refused, since nobody could tell whether nothing happened or nothing was kept.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints, WrapValidator

from firstflight.comparison.compare import Comparison
from firstflight.decision.verdicts import Decision, MetricVerdict
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import NoData
from firstflight.domain.values import Value
from firstflight.observation.history import Bin

Outcome = Literal["promoted", "rolled back", "compared", "in progress"]
Role = Literal["stable", "candidate", "variant", "shadow"]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"]+$", max_length=2000)]

Held = Annotated[Guardrail, WrapValidator(lambda told, judge: told if isinstance(told, Guardrail) else judge(told))]
"""A guardrail as its rollout was held to it: one of an old ledger is not asked again by the rules for new ones."""


class Figure(Value):
    """One number a reader looks for first, e.g. `Harmed requests`, `31`, `of 4,210 sent to the candidate`."""

    label: str
    value: str
    note: str = ""


class Link(Value):
    """A page elsewhere: the flow run, the model in the registry."""

    label: str
    url: Url


class Variant(Value):
    """A served model and the part it played; fixes its colour and its place in every plot."""

    name: str
    role: Role


class Stage(Value):
    """A span of time under one split, e.g. `A/B test` or `25 %`; drawn as a boundary in every plot."""

    label: str = Field(max_length=24)
    since: AwareDatetime
    until: AwareDatetime


class Event(Value):
    """One record of the ledger, for a person to read; `actor` is empty when it was the run itself."""

    at: AwareDatetime
    what: str
    actor: str = ""
    detail: str = ""
    tone: Literal["plain", "good", "warning", "bad"] = "plain"


class Course(Value):
    """How evidence about one guardrail grew: what each check said of it, oldest first."""

    guardrail: Held
    looks: tuple[tuple[AwareDatetime, MetricVerdict], ...] = Field(min_length=1)

    @property
    def interval_of(self) -> Literal["candidate", "difference"]:
        """What most of its intervals are of: without a stable arm, as at 100 %, there is no difference to speak of."""
        kinds = [verdict.interval_of for _, verdict in self.looks]
        return max(("difference", "candidate"), key=kinds.count)


class StageDecision(Value):
    """How a stage was decided, by the last of so many checks; `later` tells of the looks after it, in words."""

    stage: str
    checks: int = Field(ge=0)
    decision: Decision
    later: str = ""


class Approval(Value):
    """A question put to people, and what came of it; nobody has answered yet while `decision` is None.

    `expired`: nobody did in time. `overtaken`: the rollout ended for another reason before anybody did.
    """

    stage: str
    asked_at: AwareDatetime
    answer_by: AwareDatetime
    answered_at: AwareDatetime | None = None
    approver: str | None = None
    decision: Literal["approve", "reject", "expired", "overtaken"] | None = None
    comment: str = ""


class ModelCard(Value):
    """A model's card in Markdown; raw HTML and images in it are not shown."""

    title: str
    markdown: str


class Notice(Value):
    """A message to people and where it ended up."""

    at: AwareDatetime
    kind: str
    text: str
    delivered: bool
    where: str
    reason: str = ""


class Fact(Value):
    """One line of provenance: a digest, a commit, a version."""

    label: str
    value: str


class ReportData(Value):
    """Everything one report shows."""

    title: str
    model: str
    outcome: Outcome
    summary: str = Field(description="One sentence: what happened, why, and what serves now.")
    reasons: tuple[str, ...] = Field(default=(), description="Why it ended so, in whole sentences.")
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    written_at: AwareDatetime
    figures: tuple[Figure, ...] = ()
    links: tuple[Link, ...] = ()
    variants: tuple[Variant, ...] = ()
    stages: tuple[Stage, ...] = ()
    timeline: tuple[Event, ...] = Field(min_length=1)
    bins: tuple[Bin, ...] = ()
    guardrails: tuple[Held, ...] = Field(default=(), description="Those of the plan; their limits are drawn.")
    courses: Annotated[tuple[Course, ...], Field(min_length=1)] | NoData | None = Field(description="None: no canary.")
    comparison: Comparison | NoData | None = Field(description="None: no A/B test.")
    decisions: Annotated[tuple[StageDecision, ...], Field(min_length=1)] | NoData | None = Field(
        description="None: there are none but the comparison."
    )
    approvals: Annotated[tuple[Approval, ...], Field(min_length=1)] | NoData | None = Field(
        description="None: the plan asks nobody."
    )
    model_cards: Annotated[tuple[ModelCard, ...], Field(min_length=1)] | NoData
    notices: Annotated[tuple[Notice, ...], Field(min_length=1)] | NoData
    provenance: tuple[Fact, ...] = Field(min_length=1)
    plan: dict[str, Any] = Field(description="The plan as JSON, as it was recorded.")
