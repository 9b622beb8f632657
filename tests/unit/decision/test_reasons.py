"""What a guardrail's numbers say in words."""

import math

import pytest

from firstflight.decision.reasons import harm_sentence, meaning, sentence
from firstflight.decision.verdicts import MetricVerdict


def verdict(**values: object) -> MetricVerdict:
    """An error rate of 0 % in 74 requests, held to a limit of 1 % and a margin of 5 points."""
    base = {
        "metric": "error_rate", "status": "undecided", "unit": "share", "stable": 0.0, "candidate": 0.0, "low": 0.0,
        "high": 0.0744, "limit": 0.01, "margin": 0.05, "n_candidate": 74,
        "log_threshold_rollback": 4.382, "log_threshold_promote": -math.log(0.05),
    }  # fmt: skip
    return MetricVerdict.model_validate({**base, **values})


def test_proven_says_what_was_proven() -> None:
    """An interval that reaches past the limit is no contradiction: the limit is not what was proven."""
    assert (
        "candidate error rate 0 % (stable 0 %), proven to be less than 5 points worse than stable, "
        "always-valid 95 % interval 0 to 7.44 %, 74 requests"
    ) == sentence(verdict(status="proven"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"status": "undecided"}, "limit 1 %, margin 5 points"),
        ({"status": "proven"}, "less than 5 points worse than stable"),
        ({"status": "proven", "stable": None}, "no more than 5 points beyond its limit of 1 %"),
        ({"status": "proven", "margin": None}, "within its limit of 1 %"),
        ({"status": "proven", "unit": "ms", "quantile": 0.95, "margin": None}, "within its limit of 0.01 ms"),
        ({"status": "harm", "harm_against": "limit"}, "certainly beyond its limit"),
        ({"status": "harm", "harm_against": "stable"}, "certainly worse than stable"),
        ({"status": "harm", "tolerance": 0.02}, "certainly worse than stable by more than 2 points"),
        ({"status": "not_applicable", "stable": None}, "no traffic on stable to compare with"),
        ({"status": "watched", "limit": None, "margin": None}, "watched for harm beside stable"),
        ({"status": "invalid", "note": "edges moved"}, "edges moved"),
    ],
)  # fmt: skip
def test_a_status_is_said_in_full(values: dict[str, object], said: str) -> None:
    """What is certain, or else what the guardrail is held to."""
    assert said == meaning(verdict(**values))


def test_harm_of_a_warm_up_does_not_say_that_there_are_no_data() -> None:
    """With every answer an error the harm is certain before the stage counts anything: both cannot be told at once."""
    told = harm_sentence(verdict(status="harm", candidate=None, n_candidate=0, log_e_rollback=4.454))
    assert (
        "candidate error rate: harm by what came before this stage counts; evidence of harm 86 to 1, 80 to 1 needed"
        == told
    )


def test_odds_beyond_counting_are_said_in_words() -> None:
    """Evidence of e^60 is "over a million to 1", and an end that is not bounded is not called a number."""
    told = harm_sentence(
        verdict(status="harm", harm_against="stable", candidate=0.3, low=0.2, high=None, log_e_rollback=60)
    )
    assert told.endswith(
        "interval above 20 %, 74 requests; evidence of harm over a million to 1, 80 to 1 needed, "
        "most of it that the candidate is worse than stable"
    )
