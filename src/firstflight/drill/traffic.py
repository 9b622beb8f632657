"""The drill's own clients: questions to its own route, whose truths the drill makes up."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import httpx
from pydantic import JsonValue

from firstflight.domain.questions import Question
from firstflight.observation.store import PredictionStore
from firstflight.replay.run import Load, run
from firstflight.replay.tally import ReplaySummary
from firstflight.serving.inference import TIMEOUT_SECONDS, predict
from firstflight.settings import Settings
from firstflight.workloads.workload import Workload

RATE = 30.0
"""Requests a second; half of them are the candidate's."""
OUTCOME_DELAY = 0.3
QUESTIONS = 300
"""Enough for ten seconds in which each model meets half of them for the first time."""
_START_SECONDS = 10.0


def exercise(settings: Settings, route: str, questions: Sequence[Question], workload: Workload) -> tuple[Question, ...]:
    """Return `questions` with what `route` answers now as their truths, so that who inverts it is always wrong.

    Raises BackendUnavailableError or ServingError when the route does not answer.
    """
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:

        def truth(question: Question) -> JsonValue:
            [answer] = predict(settings.gateway_url, route, question.inputs, client=client).outputs.values()
            return workload.believes(answer[0].tolist())

        return tuple(replace(question, truth=truth(question)) for question in questions)


@contextmanager
def clients(settings: Settings, route: str, questions: Sequence[Question], tag: str) -> Iterator[Future[ReplaySummary]]:
    """Ask `route` while the block runs and post the truths; what was seen is there once the block has ended.

    `tag` tells the units from those of every other exercise: a unit counts as evidence once. Each is a block of its
    own, for truths that are made up share no day's luck.
    """
    named = ((question, f"{tag}:{question.unit}") for question in questions)
    mine = tuple(replace(question, unit=unit, block=unit) for question, unit in named)
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def ask() -> ReplaySummary:
        stop = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), stop))
        sink = PredictionStore(settings.database("firstflight"))
        load = Load(route=route, rate=RATE)
        return await run(settings.gateway_url, load, mine, stop=stop, sink=sink, outcome_delay=OUTCOME_DELAY)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: asyncio.run(ask()))
        loop, stop = begun.result(_START_SECONDS)
        try:
            yield asked
        finally:
            if not asked.done():
                loop.call_soon_threadsafe(stop.set)
