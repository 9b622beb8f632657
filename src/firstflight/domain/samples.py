"""What was observed: sufficient statistics of one window, per served model and metric.

Samples are increments: everything first seen inside the window, nothing seen before it.
They are all that passes from where data lives to what is concluded.
"""

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from firstflight.domain.values import Value


class Window(Value):
    """Half-open interval of time `(since, until]` in which records were first seen."""

    since: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.until < self.since:
            raise ValueError(f"window ends at {self.until}, before it starts at {self.since}")
        return self


class NoData(Value):
    """Nothing was observed, and why. Neither zero nor healthy."""

    kind: Literal["no_data"] = "no_data"
    reason: str


class Counts(Value):
    """`events` among `exposures` (both increments), e.g. failed requests among requests."""

    kind: Literal["counts"] = "counts"
    exposures: int = Field(ge=0)
    events: int = Field(ge=0)

    @model_validator(mode="after")
    def _events_are_exposed(self) -> Self:
        if self.events > self.exposures:
            raise ValueError(f"{self.events} events among {self.exposures} exposures")
        return self


class Moments(Value):
    """Count, mean and sum of squared deviations from the mean (Welford's form)."""

    kind: Literal["moments"] = "moments"
    count: int = Field(ge=0)
    mean: float = 0.0
    m2: float = Field(default=0.0, ge=0.0)


class Histogram(Value):
    """Counts per bucket; bucket i holds values in `(edges[i-1], edges[i]]`, the last one the rest.

    `edges` ascend; `counts` has one entry more than `edges`.
    """

    kind: Literal["histogram"] = "histogram"
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"{len(self.counts)} counts for {len(self.edges)} edges, must be one more")
        if any(b <= a for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"edges {self.edges} do not ascend")
        if any(count < 0 for count in self.counts):
            raise ValueError(f"negative count in {self.counts}")
        return self


class PairedMoments(Value):
    """Two arms measured on the same units or blocks: means, squared deviations and their cross-product."""

    kind: Literal["paired"] = "paired"
    count: int = Field(ge=0)
    control_mean: float = 0.0
    treatment_mean: float = 0.0
    control_m2: float = Field(default=0.0, ge=0.0)
    treatment_m2: float = Field(default=0.0, ge=0.0)
    cross: float = 0.0


Sample = Annotated[Counts | Moments | Histogram | PairedMoments | NoData, Field(discriminator="kind")]


class Look(Value):
    """One check of a running comparison: what each arm did since the look before.

    `samples[served_name][metric]`; `weights` is the split the backend reported for the whole
    window (a look never spans a weight change). `assignments` counts the requests routed to
    each arm, failed ones included, retries not. Outcomes count for the stage that served them:
    those of `samples` and `paired` are about answers of this one, those of `earlier` and
    `earlier_paired` about answers of the stages before it, whose truth has come only now.
    """

    at: AwareDatetime
    window: Window
    stage: int = Field(ge=0, le=100, description="Percent of traffic the plan gives the candidate.")
    stage_started_at: AwareDatetime
    weights: dict[str, int]
    assignments: dict[str, int] = Field(default={})
    samples: dict[str, dict[str, Sample]] = Field(default={})
    paired: dict[str, dict[str, Sample]] = Field(
        default={}, description="Candidate or shadow → metric → PairedMoments against stable on the same blocks."
    )
    earlier: dict[str, dict[str, Sample]] = Field(default={})
    earlier_paired: dict[str, dict[str, Sample]] = Field(default={})
    units: dict[str, int] | None = Field(
        default=None,
        description="Units first routed in this rollout, per arm, where a unit stays with its model; none: not known.",
    )

    @property
    def stage_elapsed(self) -> float:
        """Seconds since the stage began."""
        return (self.at - self.stage_started_at).total_seconds()
