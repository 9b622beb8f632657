"""The offline gate."""

from collections.abc import Callable

import pytest

from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.gate import judge

Make = Callable[..., Evaluation]


def test_an_equal_model_passes_with_all_its_figures(make_evaluation: Make) -> None:
    """A candidate as good as the reference passes; six sentences say why."""
    result = judge(make_evaluation(), make_evaluation())
    assert result.passed
    assert 6 == len(result.reasons)
    assert all(reason.startswith("passed: ") for reason in result.reasons)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"auc": 0.515}, "AUC 0.5150 is worse than the reference's 0.5300 by 0.0150, allowed 0.01"),
        ({"mcc": 0.01}, "MCC 0.0100 is worse than the reference's 0.0400 by 0.0300, allowed 0.02"),
        ({"brier": 0.25}, "Brier score 0.2500 is worse than the reference's 0.2480 by 0.0020, allowed 0.001"),
        ({"sharpe": 1.0}, "Sharpe ratio 1.0000 is worse than the reference's 1.5000 by 0.5000, allowed 0.25"),
        ({"auc": 0.49}, "AUC 0.4900 is not above chance"),
    ],
)
def test_one_figure_beyond_its_margin_refuses(make_evaluation: Make, figures: dict[str, float], reason: str) -> None:
    """Worse by more than the margin on any one figure is refused, with that figure in the reason."""
    result = judge(make_evaluation(**figures), make_evaluation())
    assert not result.passed
    assert any(said.startswith("refused: ") and reason in said for said in result.reasons)


def test_a_little_worse_is_allowed(make_evaluation: Make) -> None:
    """Worse on every figure, but within the margins, passes."""
    assert judge(make_evaluation(auc=0.525, mcc=0.03, brier=0.2485, sharpe=1.3), make_evaluation()).passed


def test_accuracy_and_profit_decide_nothing(make_evaluation: Make) -> None:
    """Neither a ruinous profit nor a poor accuracy refuses, neither a great one rescues."""
    assert judge(make_evaluation(accuracy=0.1, profit=-0.9), make_evaluation()).passed
    assert not judge(make_evaluation(auc=0.51, accuracy=0.99, profit=9.0), make_evaluation()).passed


@pytest.mark.parametrize("up_share", [0.99, 0.01])
def test_a_constant_is_refused(make_evaluation: Make, up_share: float) -> None:
    """A model that always says the same is refused, even as the reference and with the best other figures."""
    result = judge(make_evaluation(up_share=up_share, mcc=0.001, auc=0.6, sharpe=9.0), None)
    assert not result.passed
    assert "refused: it is a constant" in result.reasons[0]


def test_saying_up_nearly_always_is_no_crime_when_it_correlates(make_evaluation: Make) -> None:
    """A lopsided model whose few other forecasts are right is no constant."""
    assert judge(make_evaluation(up_share=0.98, mcc=0.05), make_evaluation()).passed


def test_the_reference_must_only_be_sound(make_evaluation: Make) -> None:
    """Without a reference the candidate is asked two things: no constant, and better than chance."""
    result = judge(make_evaluation(), None)
    assert (True, 2) == (result.passed, len(result.reasons))
    assert not judge(make_evaluation(auc=0.5), None).passed
