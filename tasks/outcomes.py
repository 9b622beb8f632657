"""Post truths that have become known."""

from prefect import task

from firstflight.observation.store import PredictionStore
from firstflight.settings import Settings
from firstflight.workloads.market.data.market import load_market
from firstflight.workloads.market.features.held_out import held_out_questions
from tasks.options import CALLS_OUT


@task(**CALLS_OUT)
def score_outcomes(model: str, data: str | None) -> int:
    """Post the truth of every prediction of `model` that has none and whose truth is known; return how many."""
    settings = Settings()
    questions = held_out_questions(load_market(settings.data_file(data), settings.fear_index_file))
    return PredictionStore(settings.database("firstflight")).add_truths(model, questions)
