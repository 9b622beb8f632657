"""What an answer is worth once its truth is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.domain.metrics import JsonValue, Score
from firstflight.workloads import scores


@pytest.mark.parametrize(
    ("score", "prediction", "truth", "payoff", "expected"),
    [
        (scores.binary, 0.5, 1.0, 0.03, {"accuracy": 1.0, "brier": 0.25, "profit": 0.03}),
        (scores.binary, 0.25, 1.0, 0.03, {"accuracy": 0.0, "brier": 0.5625, "profit": 0.0}),
        (scores.binary, 1.0, False, None, {"accuracy": 0.0, "brier": 1.0}),
        (scores.class_accuracy, "cat", "cat", None, {"accuracy": 1.0}),
        (scores.class_accuracy, 7, 7.0, None, {"accuracy": 1.0}),
        (scores.class_accuracy, [0.1, 0.7, 0.2], 1, None, {"accuracy": 1.0}),
        (scores.class_accuracy, [0.1, 0.7, 0.2], 2, None, {"accuracy": 0.0}),
        (scores.log_loss, [0.25, 0.75], 0, None, {"log_loss": math.log(4)}),
        (scores.log_loss, 0.25, 1, None, {"log_loss": math.log(4)}),
        (scores.log_loss, [1.0, 0.0], 1, None, {"log_loss": -math.log(1e-15)}),
        (scores.squared_error, 3, 5.0, None, {"squared_error": 4.0}),
        (scores.absolute_error, 3, 5.0, None, {"absolute_error": 2.0}),
        (scores.payoff_alone, "b", "a", 12.5, {"payoff": 12.5}),
        (scores.payoff_alone, "b", "a", None, {}),
        (
            scores.together(scores.squared_error, scores.absolute_error),
            *(1, 4, None),
            {"squared_error": 9.0, "absolute_error": 3.0},
        ),
    ],
)
def test_a_score_tells_each_of_its_metrics(
    score: Score, prediction: JsonValue, truth: JsonValue, payoff: float | None, expected: dict[str, float]
) -> None:
    """Every metric has the value that its definition gives; one that nobody can know is left out, not 0."""
    assert expected == score(prediction, truth, payoff)


@pytest.mark.parametrize(
    ("score", "prediction", "truth", "words"),
    [
        (scores.binary, "up", 1, "'up' is no finite number"),
        (scores.binary, 0.4, None, "None is no finite number"),
        (scores.binary, float("nan"), 1, "nan is no finite number"),
        (scores.class_accuracy, {"digest": "ab"}, 1, "{'digest': 'ab'} is no class"),
        (scores.class_accuracy, [], 1, "an empty list is no vector"),
        (scores.class_accuracy, 1, None, "None is no class"),
        (scores.log_loss, [0.5, 0.5], 2, "2 is none of the 2 classes 0 to 1"),
        (scores.log_loss, [0.5, 0.5], 0.5, "0.5 is none of the 2 classes 0 to 1"),
        (scores.log_loss, [1.5, -0.5], 0, "[1.5, -0.5] holds no probabilities: each lies between 0 and 1"),
        (scores.squared_error, [1.0], 1, "[1.0] is no finite number"),
    ],
)
def test_what_cannot_be_scored_is_named(score: Score, prediction: JsonValue, truth: JsonValue, words: str) -> None:
    """A value of another kind is refused by name, never counted as a miss."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        score(prediction, truth, None)
    assert words == str(refused.value)


@pytest.mark.parametrize(
    ("predicted", "truth", "accuracy", "profit"),
    [(0.5, 1.0, 1.0, 0.02), (0.5, 0.0, 0.0, 0.02), (0.49, 1.0, 0.0, 0.0), (0.49, 0.0, 1.0, 0.0)],
)
def test_one_half_is_positive(predicted: float, truth: float, accuracy: float, profit: float) -> None:
    """A prediction of one half or more is positive, and only a positive one is acted upon."""
    expected = {"accuracy": accuracy, "brier": (predicted - truth) ** 2, "profit": profit}
    assert expected == scores.binary(predicted, truth, 0.02)


@given(st.floats(0, 1), st.sampled_from([0.0, 1.0]), st.floats(-1, 1))
def test_every_value_lies_within_its_metric_s_bounds(prediction: float, truth: float, payoff: float) -> None:
    """What a bound promises to the statistics holds for whatever a model says."""
    score = scores.together(scores.binary, scores.log_loss)
    found = score(prediction, truth, payoff)
    for metric in (*scores.BINARY, scores.LOG_LOSS):
        low, high = metric.bounds or (-math.inf, math.inf)
        assert low <= found[metric.name] <= high


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(units: list[tuple[int, bool]]) -> None:
    """Of every pair of a positive and a negative, as counted one by one; an equal answer is half in order."""
    block: list[tuple[JsonValue, JsonValue, None]] = [(value, positive, None) for value, positive in units]
    pairs = [(a > b) + (a == b) / 2 for a, positive in units if positive for b, other in units if not other]
    assert ({"auc": pytest.approx(sum(pairs) / len(pairs))} if pairs else {}) == scores.auc(block)


def test_auc_refuses_what_has_no_order() -> None:
    """By name, as every score does."""
    with pytest.raises(ValueError, match="'up' is no finite number"):
        scores.auc([("up", 1, None)])
