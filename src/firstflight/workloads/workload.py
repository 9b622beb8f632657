"""What a model is about: everything that trains one, asks it or tells what its answers were worth speaks to this."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.metrics import BlockScore, Metric, Score, Scoring
from firstflight.domain.plans import OF_SERVING, Guardrail, TrainingPlan
from firstflight.domain.values import Value
from firstflight.settings import Settings
from firstflight.workloads.tracking import Tracker

if TYPE_CHECKING:  # whoever only asks which variants there are has no time for numpy
    from firstflight.domain.questions import Question

Evaluation = Mapping[str, JsonValue]
"""How a variant did, in the workload's own words: whoever carries it from one run to another does not read it."""
OnStep = Callable[[str, int, str], None]
"""Variant, steps done of the plan's `max_epochs`, and how it stands, in words."""


class GateResult(Value):
    """Whether the candidate passed, and one sentence with figures for each thing that was asked."""

    passed: bool
    reasons: tuple[str, ...]


class TrainedModel(Value):
    """One variant ready to be registered, or refused by the gate.

    Attributes:
        artifact: Folder of the files that are served.
        validation: What the gate compares the others with, when this is the reference.
        tags: To register it with.
        parameters: Its size: what an answer costs, to compare variants of equal quality by. None: not known.
        shown: Figures for people by their headings, the same for every variant.
    """

    model: str
    variant: str
    artifact: Path
    gate: GateResult
    validation: dict[str, JsonValue]
    tags: dict[str, str]
    parameters: int | None
    shown: dict[str, str]


@dataclass(frozen=True)
class Training:
    """What a training is given beside its plan.

    Attributes:
        folder: Artifacts lie in `folder/<variant>`.
        commit: Of the code that trains.
        reference: How the reference did where it was trained before; None: the plan trains it, or there is none.
        on_step: Is told of progress, from any thread.
    """

    settings: Settings
    folder: Path
    tracker: Tracker
    commit: str
    reference: Evaluation | None = None
    on_step: OnStep = lambda _variant, _done, _told: None


@dataclass(frozen=True)
class Exported:
    """One of a workload's metrics as Prometheus is told of it, per model and variant.

    Attributes:
        metric: Its name among the workload's.
        name: As Prometheus calls it, without a unit. A share becomes a counter of answers by `value`, 1 or 0. A mean
            becomes a histogram, and two counters, of what was above zero and what was below: `<name>_gained_<unit>`
            and `<name>_lost_<unit>`, since a sum that also falls is none that Prometheus can take the rate of.
        told: What it means, for people.
        unit: Of a mean, in plural, as it ends the name.
        buckets: Upper edges of a mean's histogram, ascending.
    """

    metric: str
    name: str
    told: str
    unit: str = ""
    buckets: tuple[float, ...] = ()


Trains = Callable[[TrainingPlan, Training], tuple[TrainedModel, ...]]


@dataclass(frozen=True)
class Workload:
    """One kind of model: what there is of it, and what its answers are worth.

    Attributes:
        name: As plans call it.
        metrics: What `score` tells of each unit, and `block_score` of each block.
        score: What an answer was worth once its truth is known.
        model: Name under which its variants are registered unless a plan says another.
        guardrails: What a candidate must not spoil, where a plan says nothing of it.
        variants: In the order in which they are told; none: its models come ready-made out of a registry.
        reference: Variant that the others are judged against; also the control of a test and the first champion.
        weights: Each variant's share of an A/B test, in % of traffic.
        shadow: Variant that answers a copy of every request of an A/B test.
        block_score: What the answers of a block are worth together, such as how well they rank it.
        trains: Trains, judges offline and describes the variants of a plan, in its order.
        believes: What is true by an answer, as JSON, if it is right: a drill makes its truths up so.
        exports: Which of `metrics` the exporter tells Prometheus of, under names of the workload's own.
        asks: What may be asked for a replay, a load test or a drill, out of data of one's own or the packaged.
    """

    name: str
    metrics: tuple[Metric, ...]
    score: Score
    model: str
    guardrails: tuple[Guardrail, ...] = OF_SERVING
    variants: tuple[str, ...] = ()
    reference: str = ""
    weights: Mapping[str, int] = field(default_factory=dict)
    shadow: str | None = None
    block_score: BlockScore = lambda _block: {}
    trains: Trains | None = None
    exports: tuple[Exported, ...] = ()
    believes: Callable[[JsonValue], JsonValue] = lambda answer: answer
    asks: "Callable[[Settings, str | None], Iterator[Question]] | None" = None

    @property
    def scoring(self) -> Scoring:
        """What its outcomes mean, for whoever observes them."""
        return Scoring(self.metrics, self.score, self.block_score)

    def train(self, plan: TrainingPlan, training: Training) -> tuple[TrainedModel, ...]:
        """Train the variants of `plan` and return them in its order, those that the gate refuses too.

        Raises:
            InvalidPlanError: The plan's variants are none of this workload's, or it trains none.
            TrainingFailedError: A variant cannot be fitted or evaluated.
        """
        return self.trainer(plan)(plan, training)

    def trainer(self, plan: TrainingPlan) -> Trains:
        """Return what trains the variants of `plan`; raises InvalidPlanError as `train` does."""
        if self.trains is None:
            raise InvalidPlanError(f"workload {self.name!r} trains nothing; register versions of its models instead")
        if strangers := [name for name in plan.variants if name not in self.variants]:
            raise InvalidPlanError(
                f"workload {self.name!r} has no variants {', '.join(strangers)}; it has {', '.join(self.variants)}"
            )
        return self.trains

    def questions(self, settings: Settings, data: str | None = None) -> "Iterator[Question]":
        """Yield what to ask, from the file `data` below the configured folder; None: the packaged data.

        Raises:
            InvalidPlanError: Nothing is known to ask.
            InvalidDataError: The data breaks its contract.
        """
        if self.asks is None:
            raise InvalidPlanError(f"workload {self.name!r} has no questions; ask its models by clients of your own")
        return self.asks(settings, data)
