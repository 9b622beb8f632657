"""Figures of forecasts, checked against scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from firstflight.domain.errors import TrainingFailedError
from firstflight.workloads.market.features.dataset import Dataset
from firstflight.workloads.market.training.evaluation import area_under_roc, evaluate, matthews, score


def test_scores_are_those_of_scikit_learn(learnable: Dataset) -> None:
    """Every figure equals the well-known implementation's."""
    part = learnable.test
    p = np.random.default_rng(3).uniform(0.2, 0.8, len(part))
    found = score(p, part)
    assert found.rows == len(part)
    assert found.days == 100
    assert found.accuracy == pytest.approx(metrics.accuracy_score(part.y, p > 0.5))
    assert found.auc == pytest.approx(metrics.roc_auc_score(part.y, p))
    assert found.mcc == pytest.approx(metrics.matthews_corrcoef(part.y, p > 0.5))
    assert found.brier == pytest.approx(metrics.brier_score_loss(part.y, p))
    assert found.log_loss == pytest.approx(metrics.log_loss(part.y, p))
    assert found.up_share == pytest.approx(np.mean(p > 0.5))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_counts_ties_half(rows: list[tuple[int, bool]]) -> None:
    """With ties the area equals scikit-learn's; with one class only it is refused."""
    p, y = np.array([row[0] for row in rows]) / 5, np.array([float(row[1]) for row in rows])
    if len(set(y)) == 1:
        with pytest.raises(TrainingFailedError, match="ranking needs both kinds"):
            area_under_roc(p, y)
    else:
        assert area_under_roc(p, y) == pytest.approx(metrics.roc_auc_score(y, p))


@pytest.mark.parametrize("said", [True, False])
def test_a_constant_has_no_correlation(*, said: bool) -> None:
    """A forecast that never changes has MCC 0, not NaN."""
    assert 0.0 == matthews(np.full(4, said), np.array([True, False, True, True]))


def test_certainty_that_is_wrong_costs_a_finite_loss(learnable: Dataset) -> None:
    """A probability of exactly 0 or 1 gives a large loss, not infinity."""
    assert score(1.0 - learnable.test.y, learnable.test).log_loss < 20


def test_probabilities_that_are_no_numbers_fail(learnable: Dataset) -> None:
    """NaN among the probabilities is counted in the error."""
    p = np.full(len(learnable.test), 0.6)
    p[:3] = np.nan
    with pytest.raises(TrainingFailedError, match="3 of 200 probabilities are not finite"):
        evaluate(p, learnable.test, 0.5)


def test_references_need_no_model(learnable: Dataset) -> None:
    """The constant forecasts the training share, buy-and-hold holds everything."""
    found = evaluate(np.full(len(learnable.test), 0.4), learnable.test, train_up_share=0.55)
    up = float(learnable.test.y.mean())
    assert (0.5, 0.0, 1.0) == (found.constant.auc, found.constant.mcc, found.constant.up_share)
    assert found.constant.accuracy == pytest.approx(up)
    assert found.constant.brier == pytest.approx(up * 0.45**2 + (1 - up) * 0.55**2)
    assert (0.0, 0.0) == (found.trading.profit, found.trading.sharpe)
    assert found.buy_and_hold.turnover > 0


def test_a_perfect_forecast_earns_and_never_falls(learnable: Dataset) -> None:
    """Knowing the future pays after costs, and only ever pays."""
    part = replace(learnable.test, forward_return=np.where(learnable.test.y > 0, 0.01, -0.01))
    found = evaluate(np.where(part.y > 0, 0.9, 0.1), part, 0.5)
    assert 1.0 == found.scores.auc
    assert found.trading.profit > 0
    assert found.trading.max_drawdown > -0.001
    assert {"test_auc", "test_sharpe"} <= set(found.figures("test"))
