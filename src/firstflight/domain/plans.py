"""WHAT is to happen: plans are frozen, valid from birth, filled in as forms and kept in the ledger.

A plan never holds an address or a secret (those are `settings`). Fields stand in the order in which a person fills
them in, what is rarely changed last; titles and descriptions are what the form says.
"""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, model_validator

from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.metrics import Metric
from firstflight.domain.traffic import Percent
from firstflight.domain.values import Form, Name
from firstflight.domain.versions import DnsLabel

RECORDED = {"recorded": True}
"""Context in which a plan out of the ledger is validated: it was born before some of the rules for new ones."""
LONGEST_SECONDS = 30 * 86_400.0
"""No part of a plan lasts longer: sums of times stay dates, and a lease stays a number that Kubernetes takes."""
MOST_LOOKS = 100_000
"""Looks in one stage: each is a record, and whoever takes over reads them all."""
LARGEST_NUMBER = 1e12
"""Of a limit, margin or bound, in the metric's unit: beyond it sums and squares are no numbers any more."""
MOST_GUARDRAILS = 32
MOST_VARIANTS = 20
_LONGEST_NAME = 63
_METRIC = re.compile(rf"[\w.:/%-]{{1,{_LONGEST_NAME}}}")
_LARGEST_VERSION = 2**31 - 1


def _within(low: float, high: float) -> AfterValidator:
    """Refuse numbers outside, in plans that are new."""

    def check(number: float, info: ValidationInfo) -> float:
        if not info.context and not low <= number <= high:
            raise ValueError(f"{number:g} must lie between {low:,g} and {high:,g}")
        return number

    return AfterValidator(check)


Share = Annotated[float, Field(gt=0, lt=1)]
Chance = Annotated[Share, _within(1e-9, 0.5)]
Seconds = Annotated[float, Field(gt=0), _within(0, LONGEST_SECONDS)]
Span = Annotated[float, Field(ge=0), _within(0, LONGEST_SECONDS)]
"""Seconds that may be none."""
Number = Annotated[float, _within(-LARGEST_NUMBER, LARGEST_NUMBER)]
VersionNumber = Annotated[int, Field(ge=1), _within(1, _LARGEST_VERSION)]

DnsLabelOrNone = Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", max_length=40)]
"""A variant's name; empty: the workload says which."""
WorkloadName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?$", max_length=200)]
WORKLOAD = "market"
"""What models here are about, unless a plan says otherwise."""
MOST_REQUESTS = 1e9
"""A proof that takes more requests than this in one stage, all of them perfect, is never made."""
_SHARES = frozenset({"error_rate", "refused_rate", "timeout_rate", "accuracy"})
"""Metrics that are the share of some events among requests or answers, whatever the source and the workload."""
_OF_ONE = _SHARES | {"brier"}
"""Metrics whose every value lies between 0 and 1."""
_NONE, _ALL = 1e-12, 1 - 1e-9
"""Shares that cannot be told from 0, and from 1."""
_DISTRIBUTIONS = frozenset({"latency"})


def fewest_requests(allowed: float, alpha: float) -> float:
    """Return how many requests, none of them harmful, show at level `alpha` that less than a share `allowed` is.

    log(1/alpha) / -log(1 - allowed): no e-value grows faster than the likelihood ratio of what was seen.
    """
    return -math.log(alpha) / -math.log1p(-allowed) if 0 < allowed < 1 else math.inf


class ToProve(NamedTuple):
    """What promotion must show: the candidate is within `held_to` (a limit), or worse by less than it (a margin)."""

    of: Literal["limit", "margin"]
    held_to: float


class Guardrail(Form):
    """One metric the candidate must not spoil.

    Rollback asks whether harm is certain: the candidate beyond `limit` (absolute), or worse than
    the stable model by more than `tolerance`. Promotion asks whether the candidate is certainly
    not worse than `margin` (against stable) or certainly within `limit`.
    """

    metric: str = Field(
        description="What is watched: error_rate, refused_rate, timeout_rate, latency, accuracy, brier, profit, … Each "
        "metric once.",
    )
    direction: Literal["lower_is_better", "higher_is_better"] = Field(
        default="lower_is_better",
        description="Which way is good: errors and latency lower, accuracy and profit higher.",
    )
    limit: Number | None = Field(
        default=None,
        description="The candidate must stay within this, whatever the stable model does. In the metric's unit: 0.01 "
        "is 1 % of requests, latency is in milliseconds. None: the stable model alone is the measure.",
    )
    quantile: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Latency only: which quantile the limit bounds; 0.95: at most 5 % of requests may take longer.",
    )
    margin: Number | None = Field(
        default=None,
        gt=0,
        description="A stage is passed once the candidate is certainly less than this worse than the stable model. In "
        "the metric's unit: 0.05 is 5 points. None: once it is certainly within the limit.",
    )
    tolerance: Number = Field(
        default=0.0,
        ge=0,
        description="So much worse than the stable model is not yet harm; anything certainly beyond it brings traffic "
        "home. In the metric's unit. For latency 0 means half of what lies between the stable model and the limit.",
    )
    proves: bool = Field(
        default=True,
        title="Needed to pass",
        description="Whether a stage waits until this guardrail is proven; without, it only watches for harm.",
    )
    bounds: tuple[Number, Number] | None = Field(
        default=None,
        description="Least and largest value one request can have, for metrics that are averages (of profit, say; "
        "accuracy and Brier scores are known to lie between 0 and 1). None: such an average decides nothing, for a "
        "rare value that nobody has seen yet may outweigh the rest.",
    )
    block_seconds: Seconds | None = Field(
        default=None,
        description="How long answers share what moved them, where that is known: of daily prices, a market day as it "
        "passes here. Such a block counts once, when it closes, so a stage proves nothing by less than dozens of them. "
        "None: answers stand for themselves.",
    )
    kind: Literal["share", "mean"] | None = Field(
        default=None,
        description="Whether it is the share of some event, or the mean of any number. None: as the workload says.",
    )
    share: Annotated[float, _within(0.001, 1000)] = Field(
        default=1.0,
        gt=0,
        title="Weight among guardrails",
        description="Its part of the chance of a false rollback, beside the others': with 2 it gets twice as much as "
        "one with 1, and so needs less evidence of harm.",
    )

    @model_validator(mode="after")
    def _can_judge(self, info: ValidationInfo) -> Self:
        if self.quantile is not None and self.limit is None:
            raise ValueError(f"guardrail {self.metric!r} names a quantile but no limit for it")
        if not info.context and (fault := self._fault()):
            raise ValueError(f"guardrail {self.metric!r}: {fault}")
        return self

    def _fault(self) -> str:
        """Return why no sample could ever be judged by these numbers; empty when some can."""
        if not _METRIC.fullmatch(self.metric):
            return f"the name of a metric has 1 to {_LONGEST_NAME} characters, letters, digits and _ . : / % - alone"
        if self.metric in _DISTRIBUTIONS and self.quantile is None:
            return "it is a distribution; name the quantile that the limit bounds"
        if self.quantile is not None and (fault := self._quantile_fault()):
            return fault
        return self.share_fault() if self.is_share else self._bounds_fault()

    def _quantile_fault(self) -> str:
        if self.block_seconds is not None:
            return "a quantile is counted by the request and has no block_seconds"
        if self.is_share:
            return "it is a share and has no quantile"
        if self.direction != "lower_is_better":
            return "a quantile is bounded from above: only lower_is_better can be judged"
        if self.limit is not None and self.limit <= 0:
            return f"limit {self.limit:g} of a quantile must be above 0"
        return ""

    @property
    def is_share(self) -> bool:
        """Whether each unit is an event or none."""
        return self.kind == "share" if self.kind else self.metric in _SHARES

    @property
    def value_bounds(self) -> tuple[float, float] | None:
        """Least and largest value of a unit, where they are known."""
        return self.bounds or ((0.0, 1.0) if self.is_share or self.metric in _OF_ONE else None)

    def _bounds_fault(self) -> str:
        if self.value_bounds is None:
            return ""
        low, high = self.value_bounds
        if low >= high:
            return f"bounds {low:g} and {high:g} must ascend"
        if self.limit is not None and not low < self.limit < high:
            return f"limit {self.limit:g} must lie between the bounds {low:g} and {high:g}, both excluded"
        for name, value in (("margin", self.margin), ("tolerance", self.tolerance)):
            if value is not None and value >= high - low:
                return f"{name} {value:g} must be below {high - low:g}, the distance of the bounds"
        return ""

    def share_fault(self) -> str:
        """Return why no share of events can be judged by these numbers; empty when it can."""
        if self.limit is not None:
            harmful = self.limit if self.direction == "lower_is_better" else 1 - self.limit
            if not _NONE < harmful < _ALL:
                return f"limit {self.limit:g} of a share must lie between 0 and 1, both excluded"
        for name, value in (("margin", self.margin), ("tolerance", self.tolerance)):
            if value is not None and value >= _ALL:
                return f"{name} {value:g} of a share must be below 1: nothing is worse by more"
            if value and value <= _NONE:
                return f"{name} {value:g} of a share cannot be told from 0"
        return ""

    def suited(self, metrics: Sequence[Metric]) -> Self:
        """Return this guardrail with what its workload says of the metric, where it is not said here.

        Raises:
            InvalidPlanError: The workload says that the other direction is better.
            pydantic.ValidationError: These numbers cannot judge what the metric is.
        """
        about = next((metric for metric in metrics if metric.name == self.metric), None)
        if about is None:
            return self
        if about.direction != self.direction:
            raise InvalidPlanError(f"guardrail {self.metric!r} says {self.direction}; its workload, {about.direction}")
        changes: dict[str, object] = {}
        if self.kind is None and self.is_share != (about.kind == "share"):
            changes["kind"] = about.kind
        if self.value_bounds is None and about.kind == "mean" and about.bounds is not None:
            changes["bounds"] = about.bounds
        return type(self).model_validate({**dict(self), **changes}) if changes else self

    def tolerated(self, stable: float | None) -> float:
        """Return by how much worse than a stable model at `stable` a candidate may be before it is harm.

        Without a tolerance of its own a quantile has half of what lies between the stable model's and the limit.
        """
        if self.tolerance or self.quantile is None or self.limit is None or stable is None:
            return self.tolerance
        return max(self.limit - stable, 0.0) / 2

    def to_prove(self, *, control: bool) -> ToProve | None:
        """Return what promotion must show, beside a stable arm (`control`) or without one; None: nothing can be.

        A margin is held against the stable arm. Without one, and for a quantile always, it is added to the limit.
        """
        if self.margin is not None and control and self.quantile is None:
            return ToProve("margin", self.margin)
        if self.limit is None:
            return None
        margin = self.margin or 0.0
        return ToProve("limit", self.limit + margin if self.direction == "lower_is_better" else self.limit - margin)

    def proof_requests(self, alpha: float) -> float:
        """Return the fewest requests, all of them perfect, that prove this guardrail; 0 where the metric is no share.

        Infinite where no number of them does.
        """
        if not self.proves or (not self.is_share and self.quantile is None):
            return 0.0
        if self.quantile is not None:
            return fewest_requests(1 - self.quantile, alpha)
        if self.margin is not None:
            return fewest_requests(self.margin, alpha)
        limit = self.limit or 0.0
        return fewest_requests(limit if self.direction == "lower_is_better" else 1 - limit, alpha)

    def blocks_in(self, seconds: float) -> float:
        """Return the most blocks that can close in so many seconds; infinite where answers stand for themselves."""
        return math.inf if self.block_seconds is None else seconds // self.block_seconds + 1


def _judgeable(guardrails: tuple[Guardrail, ...]) -> None:
    """Raise ValueError unless there are guardrails, not too many, each on a metric of its own."""
    if not guardrails:
        raise ValueError("guardrails are empty: nothing could show harm; name at least one")
    if len(guardrails) > MOST_GUARDRAILS:
        raise ValueError(f"{len(guardrails)} guardrails; at most {MOST_GUARDRAILS} can share the chances of error")
    names = [guardrail.metric for guardrail in guardrails]
    if len(set(names)) != len(names):
        raise ValueError(f"guardrails name a metric twice: {names}")


def _looks_fit(check_seconds: float, seconds: float, **others: float) -> None:
    """Raise ValueError unless there is a look in `seconds`, and none of these times has more than can be recorded."""
    if check_seconds > seconds:
        raise ValueError(
            f"check_seconds {check_seconds:g} is longer than the {seconds:g} s in which something is to see"
        )
    name, longest = max({"its time": seconds, **others}.items(), key=lambda one: one[1])
    if longest > MOST_LOOKS * check_seconds:
        raise ValueError(
            f"check_seconds {check_seconds:g} is too short for {name} of {longest:g} s: at most {MOST_LOOKS:,} looks "
            "are recorded in it"
        )


OF_SERVING = (
    Guardrail(metric="error_rate", limit=0.01),
    Guardrail(metric="latency", limit=200.0, quantile=0.95),
    Guardrail(metric="refused_rate", tolerance=0.01, proves=False, share=0.25),
)
"""What no model may spoil, whatever it is about: errors over 1 %, p95 over 200 ms, a point more of the requests refused
than stable refuses. A plan that names no guardrails is given its workload's. A form shows them: no factory."""

_ABOUT = "What the model is about; package.module:name for a workload of one's own."
_MODEL = "Registered model; it is also the name that clients ask for."
_AS_IT_STANDS = "The list is used as it stands here: add to it, change it, take away."


class CanaryPlan(Form):
    """A staged rollout of one candidate against the stable model of the same route."""

    model: DnsLabel = Field(description=_MODEL)
    candidate: VersionNumber | None = Field(
        default=None,
        title="Candidate version",
        description="Number of the registered version to try. None: the one with the alias challenger.",
    )
    stable: VersionNumber | None = Field(
        default=None,
        title="Stable version",
        description="Number of the version that serves now and takes traffic back. None: the alias champion.",
    )
    stages: tuple[Percent, ...] = Field(
        default=(5, 10, 25, 50, 75, 100),
        title="Stages, in % of traffic",
        description="The candidate's share of requests, stage after stage; it ascends and ends at 100.",
    )
    approvals: tuple[Percent, ...] = Field(
        default=(50,),
        title="Approvals, in % of traffic",
        description="Which of the stages begin only after a person has approved.",
    )
    guardrails: tuple[Guardrail, ...] = Field(
        default=OF_SERVING, description=f"What the candidate must not spoil. {_AS_IT_STANDS}"
    )
    stage_seconds: Seconds = Field(
        default=1800,
        description="Longest time in a stage; what is not proven by then sends traffic back to the stable model.",
    )
    min_stage_seconds: Span = Field(
        default=300,
        title="Shortest stage seconds",
        description="Shortest time in a stage, however good the evidence.",
    )
    warmup_seconds: Span = Field(
        default=120, description="What happens in the first so many seconds of a stage is not judged."
    )
    bake_seconds: Span = Field(
        default=900,
        description="So long after promotion the new champion is watched, while the model before it stays loaded to "
        "take over again.",
    )
    approval_seconds: Seconds = Field(
        default=3600, description="Time a person has to answer; then traffic goes back to the stable model."
    )
    no_data_seconds: Seconds = Field(
        default=300, description="Longest time without any request or record before traffic goes home."
    )
    check_seconds: Seconds = Field(default=30, description="Time between two looks at the metrics.")
    alpha_rollback: Chance = Field(
        default=0.05,
        title="Chance of a false rollback",
        description="Of rolling back a healthy candidate, over the whole rollout; 0.05 is 5 %. Smaller asks for more "
        "evidence of harm.",
    )
    alpha_promote: Chance = Field(
        default=0.05,
        title="Chance of a false pass",
        description="Of passing a candidate that is worse than a margin or limit allows; 0.05 is 5 %. Smaller asks for "
        "more requests.",
    )
    workload: WorkloadName = Field(default=WORKLOAD, description=_ABOUT)
    environment: Literal["local", "staging", "production"] = Field(
        default="local",
        description="Whose policy the plan is held to, besides that of the place where it runs.",
    )

    def __hash__(self) -> int:  # of all fields it would cost more than what is remembered by it at each look
        return hash((self.model, self.candidate, self.stable, self.stages))

    @model_validator(mode="after")
    def _can_answer(self, info: ValidationInfo) -> Self:
        if info.context:
            return self
        _judgeable(self.guardrails)
        _looks_fit(
            self.check_seconds,
            self.stage_seconds,
            approval_seconds=self.approval_seconds,
            bake_seconds=self.bake_seconds,
        )
        if unprovable := [g.metric for g in self.guardrails if g.proves and g.limit is None and g.margin is None]:
            raise ValueError(
                f"guardrails {unprovable} must prove themselves before a promotion but have neither limit nor margin "
                "to prove; give them one, or set proves to false"
            )
        for guardrail in self.guardrails:
            if (needed := guardrail.proof_requests(self.alpha_promote)) > MOST_REQUESTS:
                raise ValueError(
                    f"guardrail {guardrail.metric!r} can never be proven: even a perfect candidate needs {needed:.2g} "
                    "requests in a stage; widen its limit or margin, or set proves to false"
                )
            if guardrail.proves and guardrail.blocks_in(self.stage_seconds) < (fewest := max(math.ceil(needed), 2)):
                raise ValueError(
                    f"guardrail {guardrail.metric!r} can never be proven: a block of {guardrail.block_seconds:,g} s is "
                    f"one observation, of which a stage of {self.stage_seconds:,g} s sees at most "
                    f"{guardrail.blocks_in(self.stage_seconds):,g} and even a perfect candidate needs {fewest:,}; "
                    "make stages longer, or set proves to false"
                )
        last = (math.ceil(self.stage_seconds / self.check_seconds) - 1) * self.check_seconds
        if self.warmup_seconds > last:
            raise ValueError(
                f"warmup_seconds {self.warmup_seconds:g} leaves nothing to judge: the last look of a stage of "
                f"{self.stage_seconds:g} s, checked every {self.check_seconds:g} s, begins after {last:g} s"
            )
        return self

    @model_validator(mode="after")
    def _is_a_ladder(self) -> Self:
        if not self.stages or self.stages[0] == 0:
            raise ValueError(f"stages {self.stages} must begin above 0 %")
        if any(b <= a for a, b in zip(self.stages, self.stages[1:], strict=False)) or self.stages[-1] != 100:  # noqa: PLR2004 - percent
            raise ValueError(f"stages {self.stages} must ascend and end at 100")
        if strangers := [p for p in self.approvals if p not in self.stages]:
            raise ValueError(f"approvals before stages {strangers}, but the stages are {self.stages}")
        if self.min_stage_seconds > self.stage_seconds:
            raise ValueError(f"min_stage_seconds {self.min_stage_seconds} exceeds stage_seconds {self.stage_seconds}")
        if self.candidate is not None and self.candidate == self.stable:
            raise ValueError(f"candidate and stable are both version {self.candidate}")
        return self


class ABTestPlan(Form):
    """A fixed-length comparison of variants on live traffic, with a shadow that answers nobody."""

    model: DnsLabel = Field(description=_MODEL)
    weights: dict[DnsLabel, Percent] = Field(
        default={},
        title="Weights, in % of traffic",
        description="Each variant and its share of requests; together 100. None named: the workload's own.",
    )
    control: DnsLabelOrNone = Field(
        default="",
        description="Variant that the others are compared with, and that serves afterwards. None named: the workload's "
        "reference.",
    )
    versions: dict[DnsLabel, VersionNumber] = Field(
        default={}, description="Variant and number of its registered version; one not named takes its newest."
    )
    shadow: DnsLabel | None = Field(
        default=None,
        description="Variant that answers a copy of every request; nobody gets its answers. Left out of a plan: the "
        "workload's own.",
    )
    requests: Annotated[int, _within(100, 1e9)] = Field(
        default=20_000, ge=100, description="Length of the test: number of requests, all variants together."
    )
    seconds: Seconds = Field(
        default=7200, title="Longest seconds", description="Longest time to wait for the requests."
    )
    guardrails: tuple[Guardrail, ...] = Field(
        default=OF_SERVING, description=f"What no variant may spoil: harm ends the test. {_AS_IT_STANDS}"
    )
    practical: Annotated[float, _within(1e-9, 100)] = Field(
        default=0.05,
        gt=0,
        title="Improvement worth acting on",
        description="Smallest relative improvement over the control that would change what is served; 0.05 is 5 %.",
    )
    alpha: Chance = Field(
        default=0.05,
        title="Chance of a false difference",
        description="Of calling any two variants different that are not, over all metrics; 0.05 is 5 %.",
    )
    check_seconds: Seconds = Field(default=30, description="Time between two looks at the metrics.")
    workload: WorkloadName = Field(default=WORKLOAD, description=_ABOUT)

    @model_validator(mode="after")
    def _can_answer(self, info: ValidationInfo) -> Self:
        if info.context:
            return self
        _judgeable(self.guardrails)
        _looks_fit(self.check_seconds, self.seconds)
        if not self.weights:
            return self
        if len(self.weights) > MOST_VARIANTS:
            raise ValueError(f"{len(self.weights)} variants; at most {MOST_VARIANTS} are compared at once")
        if idle := sorted(name for name, weight in self.weights.items() if not weight):
            raise ValueError(
                f"{', '.join(idle)} would have no traffic, so nothing could be said of them; leave them out"
            )
        if len(self.weights) < 2:  # noqa: PLR2004 - a pair
            raise ValueError(f"weights {self.weights} name the control alone; name a variant to compare it with")
        return self

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if not self.weights:
            return self
        if (total := sum(self.weights.values())) != 100:  # noqa: PLR2004 - percent
            raise ValueError(f"weights {self.weights} sum to {total}, must be 100")
        if self.control and self.control not in self.weights:
            raise ValueError(f"control {self.control!r} is not among the weights {sorted(self.weights)}")
        return self


class TrainingPlan(Form):
    """Which variants to train, how long and from which seed."""

    model: DnsLabel = Field(default="financial-predictor", description="Name under which the variants are registered.")
    variants: tuple[DnsLabel, ...] = Field(
        default=(), description="Designs to train, each once. None named: all of the workload's."
    )
    data: str | None = Field(
        default=None,
        description="CSV or Parquet of one's own, below the configured data folder. None: the packaged data.",
    )
    max_rows: int | None = Field(
        default=None, ge=1000, le=10**9, description="Most recent rows to train on. None: all of them."
    )
    max_epochs: int = Field(default=15, ge=1, le=10_000, description="Most passes over the training rows.")
    patience: int = Field(
        default=3,
        ge=1,
        le=10_000,
        description="Passes without a better validation loss after which training ends early.",
    )
    seed: int = Field(
        default=7, ge=0, lt=2**32, description="Start of the random numbers: the same seed trains the same model."
    )
    workload: WorkloadName = Field(default=WORKLOAD, description=_ABOUT)

    @model_validator(mode="after")
    def _names_variants_once(self) -> Self:
        if len(set(self.variants)) != len(self.variants):
            raise ValueError(f"variants {self.variants} must be named, each once")
        return self


class AdoptPlan(Form):
    """Which model of MLflow's to take as it is, and as what."""

    address: Annotated[str, StringConstraints(pattern=r"^(models|runs):/\S+$", max_length=500)] = Field(
        description="The model in MLflow: models:/churn/7, models:/churn@best, or runs:/RUN/model."
    )
    variant: DnsLabel = Field(description="What its design is called here, such as gbm.")
    by: Name = Field(title="Who you are", description="It is kept with the version.")
    trust_code: bool = Field(
        default=False,
        description="Let it run code when it is loaded, as every pickle does, because you trust whoever made it.",
    )
    model: DnsLabelOrNone = Field(
        default="",
        description="Model and route that it becomes a version of. None named: as in the address.",
    )

    @model_validator(mode="before")
    @classmethod
    def _is_named(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("model") or not isinstance(address := given.get("address"), str):
            return given
        if (found := model_in(address)) is None:
            raise ValueError(f"{address} names no registered model; say in `model` which one it is to be here")
        return {**given, "model": found}


def model_in(address: str) -> str | None:
    """Return the registered model that an address of MLflow's names; None: it names none."""
    found = re.match(r"models:/(?!m-[0-9a-f]{32}$)([^/@]+)[/@]", address)
    return found[1] if found else None


class DeployPlan(Form):
    """Which registered versions to serve."""

    model: DnsLabel = Field(description=_MODEL)
    versions: tuple[VersionNumber, ...] = Field(
        min_length=1, max_length=MOST_VARIANTS, description="Numbers of the registered versions to serve."
    )
    shadow: VersionNumber | None = Field(
        default=None,
        title="Shadow version",
        description="Version to serve once more, for copies of requests whose answers nobody gets. None: none.",
    )


class ReleasePlan(Form):
    """The whole chain: train → deploy → A/B test → canary → promote."""

    training: TrainingPlan = Field(description="First: what is trained.")
    ab_test: ABTestPlan = Field(
        title="A/B test",
        description="Then: how variants that pass the offline gate are compared on live traffic. Their versions "
        "are those that were trained.",
    )
    canary: CanaryPlan = Field(
        description="Last: how the best variant takes over. Candidate is whom the test recommends, stable the champion."
    )
    first_champion: DnsLabelOrNone = Field(
        default="", description="Variant made champion when there is none yet. None named: the workload's reference."
    )

    @model_validator(mode="after")
    def _is_about_one_model(self) -> Self:
        models = {self.training.model, self.ab_test.model, self.canary.model}
        if len(models) != 1:
            raise ValueError(f"plans are about different models: {sorted(models)}")
        return self
