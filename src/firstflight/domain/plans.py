"""WHAT is to happen: plans are frozen, valid from birth, shown in the UI and kept in the ledger.

A plan never holds an address or a secret (those are `settings`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from firstflight.domain.traffic import Percent
from firstflight.domain.values import Value
from firstflight.domain.versions import DnsLabel

Share = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(gt=0)]


class Guardrail(Value):
    """One metric the candidate must not spoil.

    Rollback asks whether harm is certain: the candidate beyond `limit` (absolute), or worse than
    the stable model by more than `tolerance`. Promotion asks whether the candidate is certainly
    not worse than `margin` (against stable) or certainly within `limit`.
    """

    metric: str = Field(description="error_rate, latency, accuracy, brier, profit, …: a metric the source reports.")
    direction: Literal["lower_is_better", "higher_is_better"] = "lower_is_better"
    limit: float | None = Field(default=None, description="Absolute limit for the candidate, in the metric's unit.")
    quantile: float | None = Field(default=None, gt=0, lt=1, description="For latency: which quantile `limit` bounds.")
    tolerance: float = Field(
        default=0.0,
        ge=0,
        description="Rollback null: harm up to this is tolerated (absolute). For a quantile 0 means half of what lies "
        "between the stable model's and the limit.",
    )
    margin: float | None = Field(
        default=None, gt=0, description="Promotion null: harm of this size or more (absolute, against stable)."
    )
    share: float = Field(default=1.0, gt=0, description="Relative share of the rollback error budget.")
    proves: bool = Field(default=True, description="Whether promotion needs proof on this guardrail.")

    @model_validator(mode="after")
    def _can_judge(self) -> Self:
        if self.quantile is not None and self.limit is None:
            raise ValueError(f"guardrail {self.metric!r} names a quantile but no limit for it")
        return self


def default_guardrails() -> tuple[Guardrail, ...]:
    """The plan's four rules: errors over 1 %, p95 over 200 ms, accuracy down 5 points, profit."""
    return (
        Guardrail(metric="error_rate", limit=0.01),
        Guardrail(metric="latency", limit=200.0, quantile=0.95),
        Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
        Guardrail(metric="profit", direction="higher_is_better", proves=False),
    )


class CanaryPlan(Value):
    """A staged rollout of one candidate against the stable model of the same route."""

    model: DnsLabel = Field(description="Registered model and route.")
    candidate: int | None = Field(default=None, ge=1, description="Registry version; none: the alias `challenger`.")
    stable: int | None = Field(default=None, ge=1, description="Registry version; none: the alias `champion`.")
    stages: tuple[Percent, ...] = Field(
        default=(5, 10, 25, 50, 75, 100), description="Candidate's share, ascending to 100."
    )
    stage_seconds: Seconds = Field(
        default=1800, description="Longest time in a stage; undecided by then is INCONCLUSIVE."
    )
    min_stage_seconds: float = Field(
        default=300, ge=0, description="Shortest time in a stage, however good the evidence."
    )
    warmup_seconds: float = Field(
        default=120, ge=0, description="Looks this soon after a stage's start are not judged."
    )
    check_seconds: Seconds = Field(default=30, description="Time between two checks.")
    guardrails: tuple[Guardrail, ...] = Field(default_factory=default_guardrails)
    alpha_rollback: Share = Field(
        default=0.05, description="Chance of rolling back a healthy candidate, whole rollout."
    )
    alpha_promote: Share = Field(default=0.05, description="Chance of passing a candidate that is worse than a margin.")
    approvals: tuple[Percent, ...] = Field(default=(50,), description="Stages that start only after a person approves.")
    approval_seconds: Seconds = Field(default=3600, description="Time to answer; then traffic goes back to stable.")
    no_data_seconds: Seconds = Field(default=300, description="Longest time without data before rolling back.")
    bake_seconds: float = Field(
        default=900,
        ge=0,
        description="How long the promoted candidate is watched while the model before it stays warm to take over.",
    )
    environment: Literal["local", "staging", "production"] = "local"

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
        names = [g.metric for g in self.guardrails]
        if len(set(names)) != len(names):
            raise ValueError(f"guardrails name a metric twice: {names}")
        if unprovable := [g.metric for g in self.guardrails if g.proves and g.limit is None and g.margin is None]:
            raise ValueError(
                f"guardrails {unprovable} must prove themselves before a promotion but have neither limit nor margin "
                "to prove; give them one, or set proves to false"
            )
        return self


class ABTestPlan(Value):
    """A fixed-length comparison of variants on live traffic, with a shadow that answers nobody."""

    model: DnsLabel
    weights: dict[DnsLabel, Percent] = Field(
        default={"baseline": 50, "enhanced": 30, "lightweight": 20}, description="Variant → share of traffic."
    )
    versions: dict[DnsLabel, int] = Field(
        default={}, description="Variant → registry version; a variant not named takes its newest."
    )
    control: DnsLabel = Field(default="baseline", description="Variant the others are compared with.")
    shadow: DnsLabel | None = Field(default="lightweight", description="Variant that answers a copy of every request.")
    requests: int = Field(default=20_000, ge=100, description="Planned number of requests, all arms together.")
    seconds: Seconds = Field(default=7200, description="Longest time to wait for them.")
    check_seconds: Seconds = 30
    guardrails: tuple[Guardrail, ...] = Field(default_factory=default_guardrails)
    alpha: Share = 0.05
    practical: float = Field(default=0.05, gt=0, description="Smallest relative improvement worth acting on.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if (total := sum(self.weights.values())) != 100:  # noqa: PLR2004 - percent
            raise ValueError(f"weights {self.weights} sum to {total}, must be 100")
        if self.control not in self.weights:
            raise ValueError(f"control {self.control!r} is not among the weights {sorted(self.weights)}")
        return self


class TrainingPlan(Value):
    """Which variants to train, how long and from which seed."""

    model: DnsLabel = "financial-predictor"
    variants: tuple[Literal["baseline", "enhanced", "lightweight"], ...] = ("baseline", "enhanced", "lightweight")
    seed: int = 7
    max_epochs: int = Field(default=15, ge=1)
    patience: int = Field(default=3, ge=1)
    max_rows: int | None = Field(
        default=None, ge=1000, description="Most recent training rows used; none: all of them."
    )
    data: str | None = Field(
        default=None,
        description="CSV or Parquet of one's own, below the configured data folder; none: the packaged data.",
    )

    @model_validator(mode="after")
    def _names_variants_once(self) -> Self:
        if not self.variants or len(set(self.variants)) != len(self.variants):
            raise ValueError(f"variants {self.variants} must be named, each once")
        return self


class DeployPlan(Value):
    """Which registered versions to serve."""

    model: DnsLabel
    versions: tuple[int, ...] = Field(min_length=1, description="Registry versions.")
    shadow: int | None = Field(default=None, description="Version to serve once more, as a shadow.")


class ReleasePlan(Value):
    """The whole chain: train → deploy → A/B test → canary → promote."""

    training: TrainingPlan
    ab_test: ABTestPlan
    canary: CanaryPlan
    first_champion: DnsLabel = Field(default="baseline", description="Variant made champion when there is none yet.")

    @model_validator(mode="after")
    def _is_about_one_model(self) -> Self:
        models = {self.training.model, self.ab_test.model, self.canary.model}
        if len(models) != 1:
            raise ValueError(f"plans are about different models: {sorted(models)}")
        return self
