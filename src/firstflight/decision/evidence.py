"""What a running rollout has shown so far, in a few numbers per guardrail.

`Evidence` is the whole memory between two checks: the same size after a thousand requests as after a billion,
equal to the last bit after a trip through JSON. `weighing` folds looks into it, `decision` concludes from it.
"""

import functools
import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AwareDatetime, Field

from firstflight.analysis.absolute_limit import ODDS
from firstflight.analysis.bounded_mean import STAKES, Bets
from firstflight.analysis.dispersion import MeanSpread, Spread
from firstflight.analysis.rate_ratio import RATIOS
from firstflight.analysis.two_by_two import GAINS
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.samples import Moments, PairedMoments
from firstflight.domain.values import Value


class Tally(NamedTuple):
    """Harmful events among exposures; where a block of units counts as one, its share of them is a part of an event."""

    events: float = 0
    exposures: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Return both tallies together."""
        return Tally(self.events + other.events, self.exposures + other.exposures)


NO_EVENTS, NO_LOOKS, NO_VALUES, NO_BETS, NO_MEANS = Tally(), Spread(), Moments(count=0), Bets(), MeanSpread()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Evidence of a guardrail on counts. Events are harmful ones, whatever the metric's direction.

    `relative` and `absolute` hold the log wealth of each alternative of "worse than stable" and "beyond the limit"
    over the whole rollout, `not_worse` that of the proof within the stage. `log_proof` is the log
    e-value of the proof, None where the question does not apply, and `proven` whether it was ever enough in this
    stage. `candidate` and `stable` count this stage after its
    warm-up; `spread` sums all looks of the stable model, `own_spread` all judged looks of the candidate.
    """

    kind: Literal["counted"] = "counted"
    relative: tuple[float, ...]
    absolute: tuple[float, ...]
    not_worse: tuple[float, ...] = (0.0,) * len(GAINS)
    candidate: Tally = NO_EVENTS
    stable: Tally = NO_EVENTS
    spread: Spread = NO_LOOKS
    own_spread: Spread = NO_LOOKS
    log_proof: float | None = None
    proven: bool = False

    @classmethod
    def beginning(cls, log_spent: float) -> Self:
        """Return no evidence, with what was already put on earlier beginnings lying untouched."""
        return cls(relative=(log_spent,) * len(RATIOS), absolute=(log_spent,) * len(ODDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Evidence of a guardrail on a quantile of a histogram.

    Fields as in `Counted`; an event is a value above an edge. `reference` counts all looks of the stable model.
    `spread` is of its values above its own quantile, `limit_spread` of those above the limit: what varies from look to
    look near the quantile says nothing of how values beyond a far limit come.
    """

    kind: Literal["timed"] = "timed"
    edges: tuple[float, ...]
    relative: tuple[float, ...]
    absolute: tuple[float, ...]
    candidate: tuple[int, ...]
    stable: tuple[int, ...]
    reference: tuple[int, ...]
    spread: Spread = NO_LOOKS
    limit_spread: Spread = NO_LOOKS
    log_proof: float | None = None
    proven: bool = False

    @classmethod
    def beginning(cls, log_spent: float, edges: tuple[float, ...]) -> Self:
        """Return no evidence, with what was already put on earlier beginnings lying untouched."""
        empty = (0,) * (len(edges) + 1)
        return cls(
            edges=edges,
            relative=(log_spent,) * len(RATIOS),
            absolute=(log_spent,) * len(ODDS),
            candidate=empty,
            stable=empty,
            reference=empty,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaged:
    """Evidence of a guardrail on means of bounded values, on the same blocks where they are known.

    `relative` and `absolute` as in `Counted`, by stakes. `gap` and `level` are the bets of this stage on candidate -
    stable and on the candidate's own mean, of values scaled to 0 to 1 with more being worse; `candidate`, `stable` and
    `paired` are what they showed, in the metric's unit. `spread` is of all looks of the stable model, the last of which
    had the means `guesses` (candidate, stable).
    """

    kind: Literal["averaged"] = "averaged"
    relative: tuple[float, ...]
    absolute: tuple[float, ...]
    gap: Bets = NO_BETS
    level: Bets = NO_BETS
    candidate: Moments = NO_VALUES
    stable: Moments = NO_VALUES
    paired: PairedMoments | None = None
    spread: MeanSpread = NO_MEANS
    guesses: tuple[float, float] | None = None
    log_proof: float | None = None
    proven: bool = False

    @classmethod
    def beginning(cls, log_spent: float) -> Self:
        """Return no evidence, with what was already put on earlier beginnings lying untouched."""
        return cls(relative=(log_spent,) * len(STAKES), absolute=(log_spent,) * len(STAKES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """A guardrail that cannot be judged, and why."""

    kind: Literal["faulty"] = "faulty"
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What the stable model itself shows of one guardrail's limit.

    `beyond` is the log wealth of each alternative of "beyond the limit", `log_e` their mixture. Once that was enough it
    is `failing`: `failed` sums its harmful events (or harmful values) from then on, `log_kept` is what its latest looks
    say for its recovery.
    """

    beyond: tuple[float, ...]
    log_e: float = 0.0
    failing: bool = False
    failed: Tally = NO_EVENTS
    log_kept: float = 0.0


MetricEvidence = Annotated[Counted | Timed | Averaged | Faulty, Field(discriminator="kind")]


class Stage(Value):
    """The stretch of looks under one split: sums are never pooled with any other."""

    percent: int
    started_at: AwareDatetime
    weights: dict[str, int]
    number: int = Field(description="0 for the first stage of the rollout.")
    elapsed: float
    warming_up: bool
    assignments: dict[str, int] = Field(default={}, description="Requests, or units where those stay with their model.")
    divided: Literal["requests", "units"] = "requests"


_WEIGHED = {"model", "stages", "check_seconds", "warmup_seconds", "guardrails", "alpha_rollback", "alpha_promote"}


@functools.lru_cache(maxsize=32)
def plan_digest(plan: CanaryPlan) -> str:
    """Return what tells the plan from any by which evidence would weigh otherwise; deadlines are no part of it."""
    return hashlib.sha256(plan.model_dump_json(include=_WEIGHED).encode()).hexdigest()


class Evidence(Value):
    """Everything that is remembered of the looks so far, and of which plan and arms."""

    plan: str = Field(description="Digest of the plan: evidence weighed by one is nothing to another.")
    stable: str
    candidate: str
    stage: Stage | None = None
    at: AwareDatetime | None = None
    until: AwareDatetime | None = Field(default=None, description="End of the last window used.")
    data_until: AwareDatetime | None = Field(
        default=None, description="End of the last window the candidate served in."
    )
    stable_until: AwareDatetime | None = Field(
        default=None, description="End of the last window the stable model served in, or had no share of."
    )
    home: dict[str, Home] = Field(default={}, description="Guardrail with a limit → how the stable model keeps it.")
    spent: float = Field(default=0.0, description="Weight already put on the times at which a fault may begin.")
    metrics: dict[str, MetricEvidence] = Field(default={})
    log_harm: dict[str, float] = Field(default={}, description="Log evidence of harm per guardrail, whole rollout.")
    harmed: tuple[str, ...] = Field(default=(), description="Guardrails that showed certain harm, at any look.")
    log_ratio: float = Field(default=0.0, description="Log evidence of a skewed split from earlier stages.")
    skewed: bool = Field(default=False, description="Whether the split was ever certainly not the router's.")
    ignored: str = Field(default="", description="Why the last look was not used; empty when it was.")

    def refuse_another(self, plan: CanaryPlan) -> None:
        """Raise ValueError unless this evidence was gathered for `plan`."""
        if (digest := plan_digest(plan)) != self.plan:
            raise ValueError(
                f"evidence of {self.candidate} against {self.stable} was gathered for another plan than the one given "
                f"(digest {self.plan[:12]}, not {digest[:12]}); begin with `start` and fold the looks in again"
            )

    @property
    def failing(self) -> tuple[str, ...]:
        """Guardrails whose limits the stable model certainly breaks now."""
        return tuple([name for name, home in self.home.items() if home.failing])

    @property
    def has_control(self) -> bool:
        """Whether the stable model serves a share of this stage."""
        return self.stage is not None and self.stage.weights.get(self.stable, 0) > 0
