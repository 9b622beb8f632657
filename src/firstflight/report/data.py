"""What a report tells: frozen values, JSON both ways, assembled by whoever read the ledger and the stores.

A section is either what there is to show or `NoData(reason)`, which the page prints in its place;
an empty section is refused, since nobody could tell whether nothing happened or nothing was kept.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from firstflight.domain.samples import NoData
from firstflight.domain.values import Value

Outcome = Literal["promoted", "rolled back", "refused", "compared", "inconclusive", "in progress"]
Role = Literal["stable", "candidate", "variant", "shadow"]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"]+$", max_length=2000)]


def _absent(reason: str) -> Any:
    return Field(default_factory=lambda: NoData(reason=reason))


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
    """One record of the ledger, for a person to read."""

    at: AwareDatetime
    what: str
    actor: str
    detail: str = ""
    tone: Literal["plain", "good", "warning", "bad"] = "plain"


class TrafficBin(Value):
    """Requests answered by each variant from `at` on, for `seconds`; a variant not named had none."""

    at: AwareDatetime
    seconds: float = Field(gt=0)
    requests: dict[str, Annotated[int, Field(ge=0)]]


class Point(Value):
    """A measured value, or None where nothing was measured: the line breaks there."""

    at: AwareDatetime
    value: float | None


class Line(Value):
    """One variant's course; `label` tells lines of one variant apart, e.g. `p95`."""

    variant: str
    label: str = ""
    points: tuple[Point, ...] = Field(min_length=1)
    dashed: bool = False


class Chart(Value):
    """A metric over time, per variant, with the limit it is held to. `unit` is `%` or `ms` or empty.

    Values are in that unit: an error rate of 1 % is 1.0 with unit `%`.
    """

    title: str
    unit: str = ""
    lines: tuple[Line, ...] = Field(min_length=1)
    limit: float | None = None
    note: str = ""


class GuardrailLook(Value):
    """What one check knew of one guardrail. `low`, `high` is its confidence sequence, None where it was unbounded."""

    at: AwareDatetime
    value: float | None = None
    low: float | None = None
    high: float | None = None
    log_e_rollback: float | None = None
    log_e_promote: float | None = None


class GuardrailCourse(Value):
    """How evidence about one guardrail grew, and how its confidence sequence closed in.

    `interval_of` says what `value`, `low` and `high` are about: the candidate's own metric (held to
    `limit`) or its difference from stable (held to `margin`, the largest harm that counts as not worse).
    Evidence is the natural logarithm of an e-value; beyond its threshold the claim is made.
    """

    metric: str
    unit: str = ""
    direction: Literal["lower_is_better", "higher_is_better"] = "lower_is_better"
    interval_of: Literal["candidate", "difference"]
    limit: float | None = None
    margin: float | None = None
    log_threshold_rollback: float | None = None
    log_threshold_promote: float | None = None
    status: str = Field(description="What the last check said of it: harm, proven, undecided, …")
    looks: tuple[GuardrailLook, ...] = Field(min_length=1)
    note: str = ""


class Arm(Value):
    """One side of a comparison."""

    variant: str
    n: int = Field(ge=0)
    mean: float


class Comparison(Value):
    """One metric, one variant against the control.

    `difference` is treatment minus control in the metric's unit; `improvement` is relative, in percent,
    positive is better whatever the metric's direction. `margin` is the non-inferiority margin in percent
    on the scale of `improvement`, as a positive number.
    """

    metric: str
    unit: str = ""
    control: Arm
    treatment: Arm
    difference: float
    difference_low: float
    difference_high: float
    improvement: float | None = None
    improvement_low: float | None = None
    improvement_high: float | None = None
    p_value: float | None = Field(default=None, ge=0, le=1)
    significant: bool = False
    practical: bool = Field(default=False, description="Large enough to act on.")
    non_inferior: bool | None = Field(default=None, description="None: no margin was planned.")
    margin: float | None = Field(default=None, gt=0)


class Recommendation(Value):
    """What an A/B test concludes."""

    headline: str
    reasons: tuple[str, ...] = ()


class ArmShare(Value):
    """Requests assigned to one arm, beside the share it was meant to get."""

    variant: str
    expected: float = Field(ge=0, le=1)
    observed: int = Field(ge=0)


class SampleRatio(Value):
    """Whether traffic was split as planned."""

    ok: bool | None = Field(description="None: it could not be told.")
    sentence: str
    arms: tuple[ArmShare, ...] = Field(min_length=1)


class MetricRow(Value):
    """What a stage's last check said of one metric, as text ready to print."""

    metric: str
    stable: str
    candidate: str
    interval: str
    held_to: str
    status: str


class StageDecision(Value):
    """How a stage ended."""

    stage: str
    at: AwareDatetime
    verdict: Literal["CONTINUE", "PROMOTE", "ROLL_BACK", "INCONCLUSIVE", "HOLD"]
    checks: int = Field(ge=0)
    reasons: tuple[str, ...]
    metrics: tuple[MetricRow, ...] = ()


class Approval(Value):
    """A question put to people, and what came of it; nobody answered while `decision` is None."""

    stage: str
    asked_at: AwareDatetime
    answered_at: AwareDatetime | None = None
    approver: str | None = None
    decision: Literal["approve", "reject", "expired"] | None = None
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


Events = Annotated[tuple[Event, ...], Field(min_length=1)] | NoData
Traffic = Annotated[tuple[TrafficBin, ...], Field(min_length=1)] | NoData
Charts = Annotated[tuple[Chart, ...], Field(min_length=1)] | NoData
Courses = Annotated[tuple[GuardrailCourse, ...], Field(min_length=1)] | NoData
Comparisons = Annotated[tuple[Comparison, ...], Field(min_length=1)] | NoData
Decisions = Annotated[tuple[StageDecision, ...], Field(min_length=1)] | NoData
Approvals = Annotated[tuple[Approval, ...], Field(min_length=1)] | NoData
Cards = Annotated[tuple[ModelCard, ...], Field(min_length=1)] | NoData
Notices = Annotated[tuple[Notice, ...], Field(min_length=1)] | NoData


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
    timeline: Events = _absent("No record was read for this report.")
    traffic: Traffic = _absent("No request was counted.")
    charts: Charts = _absent("Neither latency nor errors were measured.")
    guardrails: Courses = _absent("No check was made.")
    recommendation: Recommendation | None = None
    comparisons: Comparisons = _absent("No A/B test belongs to this rollout.")
    sample_ratio: SampleRatio | NoData = _absent("The split was not checked against the requests counted.")
    decisions: Decisions = _absent("No stage was decided.")
    approvals: Approvals = _absent("Nobody was asked.")
    model_cards: Cards = _absent("The registry held no model card.")
    notices: Notices = _absent("No message was sent.")
    provenance: tuple[Fact, ...] = ()
    plan: dict[str, Any] = Field(default={}, description="The plan as JSON, as it was recorded.")
