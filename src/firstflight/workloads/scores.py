"""Ready-made scores: what an answer was worth once its truth is known, and the metrics each tells."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from firstflight.domain.metrics import JsonValue, Judged, Metric, Score, Scoring

POSITIVE = 0.5
"""A probability or truth of at least this much is positive."""
LEAST = 1e-15
"""A probability below counts as this much: the logarithm of 0 would outweigh all other answers for ever."""

ACCURACY = Metric(name="accuracy", direction="higher_is_better", unit="share", kind="share", bounds=(0.0, 1.0))
BRIER = Metric(name="brier", direction="lower_is_better", bounds=(0.0, 1.0))
PROFIT = Metric(name="profit", direction="higher_is_better")
LOG_LOSS = Metric(name="log_loss", direction="lower_is_better", bounds=(0.0, -math.log(LEAST)))
SQUARED_ERROR = Metric(name="squared_error", direction="lower_is_better")
ABSOLUTE_ERROR = Metric(name="absolute_error", direction="lower_is_better")
AUC = Metric(name="auc", direction="higher_is_better", bounds=(0.0, 1.0))
PAYOFF = Metric(name="payoff", direction="higher_is_better")
BINARY = (ACCURACY, BRIER, PROFIT)
"""What `binary` tells."""


def binary(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
    """Score the probability of a positive class: accuracy, Brier score, and profit where a payoff is known.

    The Brier score (Monthly Weather Review 78, 1950) is the squared distance to the truth, 0 or 1; profit is what
    acting on a positive prediction earned: `payoff`, or 0 where nobody acted.
    """
    said, true = _number(prediction), _number(truth)
    found = {"accuracy": float((said >= POSITIVE) == (true >= POSITIVE)), "brier": (said - true) ** 2}
    if payoff is not None:
        found["profit"] = payoff if said >= POSITIVE else 0.0
    return found


PROBABILITY = Scoring(BINARY, binary)
"""Of a model that says how likely something is."""


def class_accuracy(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
    """Score a class: 1 where it came true. Of a vector of probabilities, the class is the place of the largest."""
    del payoff
    said: JsonValue = prediction
    if isinstance(prediction, list):
        vector = _vector(prediction)
        said = vector.index(max(vector))
    for label in (said, truth):
        if label is None or isinstance(label, list | dict):
            raise ValueError(f"{label!r} is no class")
    return {"accuracy": float(said == truth)}


def log_loss(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
    """Score probabilities: minus the natural logarithm of that of the class that came true.

    `prediction` is a vector and `truth` a place in it, from 0; or the probability of class 1, and 0 or 1.
    """
    del payoff
    vector = _vector(prediction) if isinstance(prediction, list) else [1 - _number(prediction), _number(prediction)]
    place = _number(truth)
    if not place.is_integer() or not 0 <= place < len(vector):
        raise ValueError(f"{truth!r} is none of the {len(vector)} classes 0 to {len(vector) - 1}")
    if not all(0 <= each <= 1 for each in vector):
        raise ValueError(f"{prediction!r} holds no probabilities: each lies between 0 and 1")
    return {"log_loss": -math.log(max(vector[int(place)], LEAST))}


def squared_error(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
    """Score a number: the square of its distance to the truth."""
    del payoff
    return {"squared_error": (_number(prediction) - _number(truth)) ** 2}


def absolute_error(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
    """Score a number: its distance to the truth."""
    del payoff
    return {"absolute_error": abs(_number(prediction) - _number(truth))}


def payoff_alone(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
    """Score what the answer itself earned, as it was told with its truth."""
    del prediction, truth
    return {} if payoff is None else {"payoff": payoff}


def auc(block: Sequence[Judged]) -> Mapping[str, float]:
    """Score how a block is ranked: the share of its pairs of a positive and a negative that are in the right order.

    That is the area under the ROC curve; an equal answer is half in order (Mann and Whitney, Annals of Mathematical
    Statistics 18, 1947). A block of one class has no pair and tells nothing. No pair lies across blocks: each is one
    observation, whose expectation is the same however many units it has.
    """
    said = [(_number(prediction), _number(truth) >= POSITIVE) for prediction, truth, _ in block]
    negatives = sorted(value for value, positive in said if not positive)
    before = [bisect_left(negatives, value) + bisect_right(negatives, value) for value, positive in said if positive]
    if not negatives or not before:
        return {}
    return {"auc": sum(before) / (2 * len(before) * len(negatives))}


def together(*scores: Score) -> Score:
    """Return a score that tells what each of `scores` does."""

    def score(prediction: JsonValue, truth: JsonValue, payoff: float | None) -> Mapping[str, float]:
        return {name: value for each in scores for name, value in each(prediction, truth, payoff).items()}

    return score


def _number(value: JsonValue) -> float:
    if not isinstance(value, (float, int)) or not math.isfinite(value):  # a bool is 0 or 1, as classes are
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _vector(values: list[JsonValue]) -> list[float]:
    if not values:
        raise ValueError("an empty list is no vector")
    return [_number(value) for value in values]
