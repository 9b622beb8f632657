"""Join truths that have become known to the predictions that wait for them."""

from prefect import flow

from tasks import outcomes


@flow
def score_outcomes(model: str = "financial-predictor", data: str | None = None) -> int:
    """Post the truth of every prediction of `model` that has none and whose truth is known; return how many."""
    return outcomes.score_outcomes(model, data)
