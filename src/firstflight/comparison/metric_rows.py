"""One metric of one variant against the control, in numbers."""

from typing import Literal

from pydantic import ConfigDict, Field

from firstflight.analysis.lift import Direction
from firstflight.analysis.status import Status
from firstflight.domain.values import Value
from firstflight.domain.wording import Unit, metric_name

Test = Literal["Welch t", "two proportions", "Fisher exact", "paired t", "Mann-Whitney"]
Effect = Literal["better", "worse", "undecided"]


class Arm(Value):
    """One side of a row: how many requests, units or blocks, and the metric's estimate."""

    served_name: str
    variant: str
    n: int = Field(default=0, ge=0)
    estimate: float | None = None


class Proof(Value):
    """Whether a variant is certainly good enough.

    Of a `margin`: `bound` is the most by which the variant may be worse than the control. Of a `limit`: the worst the
    metric itself may be. Each with one-sided confidence 1 - alpha, in the metric's unit; None: not bounded. `needed` is
    how many values of the variant would show a margin in four of five tests, were the difference as it was seen.
    """

    of: Literal["margin", "limit"]
    held_to: float
    bound: float | None = None
    shown: bool = False
    needed: int | None = None


class MetricRow(Value):
    """One metric of one variant against the control.

    `difference` (with its interval of confidence 1 - alpha) is variant - control in the metric's unit, `improvement` is
    relative, in percent, positive is better. A histogram's numbers are of `quantile`, its p-value of the whole
    distribution. `primary` rows decide and are adjusted for being many (`p_holm`); the others are shown beside
    them. `significant` means p_holm < alpha; `practical`, that the improvement or loss is as large as the plan cares
    about; `harmed`, that a guardrail is certainly worse than the `tolerance` in force allows, or beyond its limit.
    Status other than ok: `note` says why there is no test.
    """

    model_config = ConfigDict(extra="ignore")  # rows recorded earlier had more fields

    variant: str
    metric: str
    unit: Unit = ""
    direction: Direction
    paired: bool = False
    primary: bool = False
    quantile: float | None = None
    control: Arm
    treatment: Arm
    status: Status
    note: str = ""
    test: Test | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    improvement: float | None = None
    improvement_low: float | None = None
    improvement_high: float | None = None
    p_value: float | None = None
    p_holm: float | None = None
    significant: bool = False
    practical: bool = False
    effect: Effect = "undecided"
    guarded: bool = False
    tolerance: float = 0.0
    limit: float | None = None
    proof: Proof | None = None
    beyond_limit: bool = False
    harmed: bool = False

    @property
    def name(self) -> str:
        """The metric as people call it: `p95 latency`."""
        return metric_name(self.metric, self.quantile)

    @property
    def surely_worse(self) -> bool:
        """Whether the metric itself is worse for certain.

        A mean or a share by its adjusted p; of a quantile that p tells of the whole distribution, and only its own
        interval of the quantile.
        """
        if self.quantile is None:
            return self.significant and self.effect == "worse"
        worse = self.low if self.direction == "lower_is_better" else None if self.high is None else -self.high
        return worse is not None and worse > 0

    @property
    def intolerable(self) -> bool:
        """Whether the metric is worse for certain, by more than its guardrail tolerates."""
        least = self.low if self.direction == "lower_is_better" else None if self.high is None else -self.high
        return self.guarded and self.surely_worse and least is not None and least > self.tolerance
