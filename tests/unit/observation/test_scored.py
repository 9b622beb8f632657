"""Answers whose truth became known, each once, as they come."""

from datetime import UTC, datetime

import pytest

from firstflight.observation import scored
from firstflight.observation.log_file import Position
from firstflight.observation.records import Outcome, Prediction
from firstflight.observation.scored import ScoredAnswers
from firstflight.observation.store import PredictionStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "baseline-predictor-v1"


def predicted(number: int) -> Prediction:
    """What the stable model answered to one request."""
    return Prediction(f"r{number}", "main", "m", f"u{number}", NAME, NAME, 0.7, 200, 900, NOW)


def test_each_is_told_once_in_the_order_in_which_it_became_known(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of one stamp, where fewer are taken at once than there are; whose truth is not known is not told."""
    monkeypatch.setattr(scored, "MOST", 1)
    store, answers = PredictionStore(url), ScoredAnswers(url)
    with store.collecting() as collection:
        assert collection is not None
        collection.add([predicted(number) for number in range(5)], Position())
    store.add_outcomes([Outcome("r0", "u0", None, 1.0, 0.5, NOW)])
    begun = answers.now()
    store.add_outcomes([Outcome(f"r{number}", f"u{number}", None, 0.0, None, NOW) for number in (1, 2)])
    store.add_outcomes([Outcome("r3", "u3", None, 1.0, -0.25, NOW)])

    first = list(answers.after("m", NAME, begun))
    [second] = answers.after("m", NAME, first[-1].at)

    assert [(0.7, 0.0, None)] * 2 == [one[1:] for one in first]
    assert (0.7, 1.0, -0.25) == second[1:]
    assert [] == list(answers.after("m", NAME, second.at)) == list(answers.after("other", NAME, begun))
