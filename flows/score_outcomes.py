"""Join truths that have become known to the predictions that wait for them."""

from prefect import flow
from pydantic import Field

from firstflight.domain.plans import WORKLOAD
from tasks import outcomes


@flow
def score_outcomes(
    model: str = Field(default="financial-predictor", description="Model whose predictions wait for their truth."),
    data: str | None = Field(
        default=None,
        description="CSV or Parquet with the truths, below the configured data folder. None: the packaged data.",
    ),
    workload: str = Field(default=WORKLOAD, description="What the model is about; its questions hold the truths."),
) -> int:
    """Post the truth of every prediction of `model` that has none and whose truth is known; return how many."""
    return outcomes.score_outcomes(model, data, workload)
