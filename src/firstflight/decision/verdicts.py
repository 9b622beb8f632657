"""What a check concludes, and what of: the values a decision is made of."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, ConfigDict, Field

from firstflight.domain.values import Value
from firstflight.domain.wording import Unit


class Verdict(StrEnum):
    """What a check concludes."""

    CONTINUE = "CONTINUE"  # not enough is known yet; look again
    PROMOTE = "PROMOTE"  # certainly not worse: go to the next stage
    ROLL_BACK = "ROLL_BACK"  # harm is certain
    INCONCLUSIVE = "INCONCLUSIVE"  # time is up, or the data cannot answer: home
    HOLD = "HOLD"  # the stable model itself is failing, so home is not safe: keep the split and tell people at once

    @property
    def decides(self) -> bool:
        """Whether the stage is over; else it is looked at again."""
        return self not in {Verdict.CONTINUE, Verdict.HOLD}


class MetricVerdict(Value):
    """What one guardrail shows, in numbers that can be replayed.

    `stable`, `candidate` and the always-valid interval `low` to `high` are of this stage after its warm-up, in the
    metric's own unit; the interval is the candidate's, or that of candidate - stable when the guardrail has no
    limit: of their averages over what was judged of each, which is the difference of the models only where both were
    judged on the like. An end is None where the data do not bound it. Evidence of harm spans the rollout; it is certain
    when `log_e_rollback` reaches `log_threshold_rollback`; `harm_against` says which comparison weighs most in it.
    Proof is of this stage.
    """

    metric: str
    status: Literal["harm", "proven", "undecided", "no_data", "not_applicable", "invalid", "watched"]
    unit: Unit = ""
    quantile: float | None = None
    stable: float | None = None
    candidate: float | None = None
    interval_of: Literal["candidate", "difference"] = "candidate"
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    margin: float | None = None
    tolerance: float = 0.0
    harm_against: Literal["stable", "limit"] | None = None
    log_e_rollback: float = 0.0
    log_threshold_rollback: float
    log_e_promote: float | None = None
    log_threshold_promote: float
    n_stable: int = 0
    n_candidate: int = 0
    dispersion: float = 1.0
    note: str = ""


class SampleRatio(Value):
    """Whether requests, or units, were divided as the router says: `observed` against `expected` shares, this stage."""

    status: Literal["ok", "mismatch", "not_observed"]
    of: Literal["requests", "units"] = "requests"
    log_e: float = 0.0
    log_threshold: float
    observed: dict[str, int] = Field(default={})
    expected: dict[str, float] = Field(default={})


class Decision(Value):
    """A verdict and why; the reasons are whole sentences with value, interval, limit and sample.

    `triggers` names the guardrails that call for rolling back, `failing` those whose limit the stable model itself
    breaks, `broken` those whose limit the candidate breaks where the stable model is no better.
    """

    model_config = ConfigDict(extra="ignore")  # decisions recorded earlier had more fields

    verdict: Verdict
    reasons: tuple[str, ...]
    triggers: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    metrics: tuple[MetricVerdict, ...] = ()
    sample_ratio: SampleRatio | None = None
    stage: int | None = None
    at: AwareDatetime | None = None
