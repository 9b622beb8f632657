"""What is measured of an answer once its truth is known, and how it is read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from firstflight.domain.values import Value

__all__ = ["OF_REQUESTS", "UNSCORED", "BlockScore", "Direction", "JsonValue", "Judged", "Metric", "Score", "Scoring"]

OF_REQUESTS = frozenset({"error_rate", "refused_rate", "timeout_rate", "latency", "latency_mean"})
"""What is known of every request, whatever the model is about; all other metrics are of outcomes."""
Direction = Literal["lower_is_better", "higher_is_better"]
Score = Callable[[JsonValue, JsonValue, float | None], Mapping[str, float]]
"""`score(prediction, truth, payoff)`: the value of each metric for one unit, by name.

A metric that cannot be told is left out (a profit without a payoff); ValueError says what cannot be scored at all.
"""
Judged = tuple[JsonValue, JsonValue, float | None]
"""What a model said of a unit, what came true, and what that was worth, where it was told."""
BlockScore = Callable[[Sequence[Judged]], Mapping[str, float]]
"""The value of each metric that only several units together have, by name; as `Score` in all else."""


class Metric(Value):
    """One metric of outcomes: each unit has one value of it, or each block where units have none by themselves.

    Attributes:
        name: What guardrails and reports call it.
        direction: Which way is better.
        unit: In which its values are told to people; empty when they have none.
        kind: A `share` is an event or none, 1 or 0 for each unit; a `mean` is any number.
        bounds: Least and largest value of one unit; None: not known, and so its mean decides nothing.
    """

    name: str
    direction: Direction
    unit: str = ""
    kind: Literal["share", "mean"] = "mean"
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Scoring:
    """What outcomes mean: the metrics there are, and the functions that tell their values and no others."""

    metrics: tuple[Metric, ...]
    score: Score
    block_score: BlockScore = lambda _block: {}


UNSCORED = Scoring((), lambda _prediction, _truth, _payoff: {})
"""For whoever asks about requests alone."""
