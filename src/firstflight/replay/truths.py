"""Post what turned out to be true, some time after each question."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from firstflight.domain.errors import StoreUnavailableError
from firstflight.domain.questions import Question
from firstflight.observation.records import Outcome

log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
LONGEST_WAIT = 5.0
"""Seconds that the end of a replay waits for truths that are not due yet, and for a store that is away."""
_BATCH = 1000
_MOST_WAITING = 100_000


class OutcomeSink(Protocol):
    """Where truths go."""

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> object:
        """Store truths by request id; raises StoreUnavailableError when it cannot."""


class TruthPoster:
    """Posts the truth of every question `delay` seconds after it was asked, in batches.

    While the sink is away truths wait. Those that would not fit into memory are left out and counted.
    """

    def __init__(self, sink: OutcomeSink, delay: float) -> None:
        """Begin with nothing to post."""
        self.posted = 0
        self._sink = sink
        self._delay = delay
        self._waiting: deque[tuple[float, str, Question]] = deque()
        self._left_out = 0

    @property
    def left(self) -> int:
        """How many truths were not posted so far."""
        return len(self._waiting) + self._left_out

    def asked(self, rid: str, question: Question) -> None:
        """Take note that `question` was asked now, as request `rid`."""
        if len(self._waiting) >= _MOST_WAITING:
            self._left_out += 1
        else:
            self._waiting.append((self._now() + self._delay, rid, question))

    async def run(self) -> None:
        """Post what is due, until cancelled."""
        while True:
            await self._post_due()
            await asyncio.sleep(TICK_SECONDS)

    async def finish(self) -> None:
        """Post what becomes due within LONGEST_WAIT; the rest is left."""
        deadline = self._now() + LONGEST_WAIT
        while self._waiting and self._waiting[0][0] <= deadline and self._now() < deadline:
            await asyncio.sleep(min(TICK_SECONDS, max(0.0, self._waiting[0][0] - self._now())))
            await self._post_due()

    async def _post_due(self) -> None:
        while batch := self._due():
            now = datetime.now(UTC)
            outcomes = [Outcome.of(rid, question, now) for _, rid, question in batch]
            try:
                await asyncio.to_thread(self._sink.add_outcomes, outcomes)
            except StoreUnavailableError as error:
                log.warning("%d truths wait: %s", len(self._waiting), error)
                return
            self.posted += len(batch)
            for _ in batch:
                self._waiting.popleft()

    def _due(self) -> list[tuple[float, str, Question]]:
        """Return the truths that are due, oldest first; they are in order, since the delay is always the same."""
        due: list[tuple[float, str, Question]] = []
        for waiting in self._waiting:
            if waiting[0] > self._now() or len(due) == _BATCH:
                break
            due.append(waiting)
        return due

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
