"""A split is complete from birth."""

import pytest
from pydantic import ValidationError

from firstflight.domain.traffic import TrafficSplit


def test_weights_must_sum_to_100() -> None:
    """The message names the sum."""
    with pytest.raises(ValidationError, match="sum to 95, must be 100"):
        TrafficSplit(stable="a", weights={"a": 90, "b": 5})


def test_the_stable_model_is_always_named() -> None:
    """Even with no weight it is what traffic falls back to."""
    with pytest.raises(ValidationError, match="stable 'c' is not among"):
        TrafficSplit(stable="c", weights={"a": 90, "b": 10})


def test_a_shadow_carries_no_weight() -> None:
    """Its answers are thrown away; a name cannot be both."""
    with pytest.raises(ValidationError, match="also carries weight"):
        TrafficSplit(stable="a", weights={"a": 90, "b": 10}, shadow="b")


def test_a_canary_puts_the_candidate_first() -> None:
    """Routers that hash walk the weights in order: a unit that moved to the candidate stays there as it grows."""
    split = TrafficSplit.canary("a", "b", 5)
    assert [("b", 5), ("a", 95)] == list(split.weights.items())
    assert "b 5 %, a 95 %" == str(split)
