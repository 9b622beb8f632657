"""How good probabilities are: as forecasts, and as a trading rule after costs, beside doing without a model."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.values import Value
from firstflight.workloads.market.training.trading import Trading, simulate

if TYPE_CHECKING:  # whoever reads an evaluation, such as a flow that goes on, does not load what made it
    from firstflight.workloads.market.features.dataset import Part

Floats = npt.NDArray[np.floating]


class Scores(Value):
    """Forecast quality on one part. `up_share` is the share of rows forecast up (p > 0.5)."""

    rows: int
    days: int
    accuracy: float
    auc: float
    mcc: float
    brier: float
    log_loss: float
    up_share: float


class Evaluation(Value):
    """One part judged: the model, and what needs no model.

    `constant` forecasts the training part's share of up days for every row: its accuracy is that
    of the majority class, its Brier score and log loss those of knowing nothing else.
    `buy_and_hold` trades by the same rules with every instrument always held.
    """

    scores: Scores
    trading: Trading
    constant: Scores
    buy_and_hold: Trading

    def figures(self, part: str) -> dict[str, float]:
        """Return the model's figures by name, `part` before each: what a tracker logs."""
        found = {**self.scores.model_dump(), **self.trading.model_dump()}
        return {f"{part}_{name}": float(value) for name, value in found.items()}


def evaluate(probability: Floats, part: "Part", train_up_share: float) -> Evaluation:
    """Judge probabilities [N] of a higher close on `part`; `train_up_share` is the training part's mean of y.

    Raises:
        TrainingFailedError: A probability is not finite, or the part holds one class only.
    """
    constant = np.full(len(part), train_up_share)
    return Evaluation(
        scores=score(probability, part),
        trading=simulate(probability > 0.5, part),  # noqa: PLR2004 more likely up than not
        constant=score(constant, part),
        buy_and_hold=simulate(np.ones(len(part), dtype=bool), part),
    )


def score(probability: Floats, part: "Part") -> Scores:
    """Return the forecast quality of `probability` [N] on `part`."""
    if not np.isfinite(probability).all():
        raise TrainingFailedError(
            f"{int((~np.isfinite(probability)).sum())} of {len(part)} probabilities are not finite"
        )
    up = part.y > 0
    said_up = probability > 0.5  # noqa: PLR2004 more likely up than not
    eps = np.finfo(np.float32).eps
    p = np.clip(probability.astype(np.float64), eps, 1 - eps)
    return Scores(
        rows=len(part),
        days=len(np.unique(part.date)),
        accuracy=float(np.mean(said_up == up)),
        auc=area_under_roc(probability, part.y),
        mcc=matthews(said_up, up),
        brier=float(np.mean((p - up) ** 2)),
        log_loss=float(-np.mean(np.where(up, np.log(p), np.log1p(-p)))),
        up_share=float(np.mean(said_up)),
    )


def area_under_roc(probability: Floats, y: Floats) -> float:
    """Return the chance that a row that went up has the higher probability, ties counted half (Mann-Whitney U)."""
    up = y > 0
    positives = int(up.sum())
    negatives = len(up) - positives
    if positives == 0 or negatives == 0:
        raise TrainingFailedError(f"{positives} rows went up and {negatives} did not; ranking needs both kinds")
    _, place, count = np.unique(probability, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2  # mean rank of each group of equal values
    return float((rank[place][up].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def matthews(said_up: npt.NDArray[np.bool_], up: npt.NDArray[np.bool_]) -> float:
    """Return Matthews' correlation in [-1, 1]; 0 when forecasts or outcomes are all alike, as is usual."""
    if said_up.all() or not said_up.any() or up.all() or not up.any():
        return 0.0
    return float(np.corrcoef(said_up, up)[0, 1])
