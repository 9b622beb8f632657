"""Post truths that have become known."""

from prefect import task

from firstflight.observation.store import PredictionStore
from firstflight.settings import Settings
from firstflight.workloads.find import find
from tasks.options import CALLS_OUT


@task(**CALLS_OUT)
def score_outcomes(model: str, data: str | None, workload: str) -> int:
    """Post the truth of every prediction of `model` that has none and whose truth is known; return how many."""
    settings = Settings()
    questions = find(workload).questions(settings, data)
    return PredictionStore(settings.database("firstflight")).add_truths(model, questions)
