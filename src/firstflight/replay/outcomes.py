"""Post truths that have become known for predictions that still wait for theirs."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from firstflight.domain.questions import Question
from firstflight.observation.records import Truth


class TruthSink(Protocol):
    """Where predictions wait for truths."""

    def add_truths(self, route: str, truths: Mapping[str, Truth]) -> int:
        """Give each request to `route` about one of these units its truth, where it has none; return how many."""


def score_outcomes(sink: TruthSink, route: str, questions: Iterable[Question]) -> int:
    """Post the truth of every prediction of `route` that has none and asked one of `questions`; return how many.

    Running it again posts what came since; nothing is posted twice. `questions` are those whose truth is known.

    Raises:
        StoreUnavailableError: The store did not answer; what was posted stays.
    """
    return sink.add_truths(route, {q.unit: Truth(q.block, q.truth, q.payoff) for q in questions})
