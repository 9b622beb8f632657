"""Ask the gateway the held-out questions, at a pace that does not depend on its answers."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from firstflight.domain.questions import Question
from firstflight.domain.route_header import served_name
from firstflight.replay.arrivals import arrivals
from firstflight.replay.tally import ReplaySummary, ReplayTally
from firstflight.replay.truths import OutcomeSink, TruthPoster
from firstflight.serving.inference import body, headers
from firstflight.serving.route_header import ROUTE_HEADER

ANSWER_SECONDS = 5.0
"""A request without an answer by then has failed."""
_PROGRESS_SECONDS = 0.25
_NO_ANSWER = 0

OnProgress = Callable[[ReplaySummary], None]


@dataclass(frozen=True)
class Load:
    """What to ask: `rate` requests a second, for `seconds` or `requests`, whichever ends first; none: until stopped."""

    route: str
    rate: float
    seconds: float | None = None
    requests: int | None = None
    seed: int = 7


async def run(
    gateway: str,
    load: Load,
    questions: Sequence[Question],
    *,
    stop: asyncio.Event,
    sink: OutcomeSink | None = None,
    outcome_delay: float = 1.0,
    on_progress: OnProgress | None = None,
) -> ReplaySummary:
    """Ask the gateway at `gateway` and return what was seen, after `load` is done or `stop` is set.

    Requests are sent when they are due, however many wait for their answer; latency counts from then. After
    the last question the first comes again: the same units, which count as evidence once. Truths go to
    `sink` `outcome_delay` seconds after each question.
    """
    if not questions:
        raise ValueError(f"no question to ask {load.route}")
    replay = _Replay(gateway, load, TruthPoster(sink, outcome_delay) if sink else None)
    return await replay.run(questions, stop, on_progress)


class _Replay:
    def __init__(self, gateway: str, load: Load, poster: TruthPoster | None) -> None:
        self._url = f"{gateway}/v2/models/{load.route}/infer"
        self._load = load
        self._poster = poster
        self._tally = ReplayTally(load.route)
        self._name = uuid.uuid4().hex[:16]  # a request id is never used again, whatever the seed

    async def run(
        self, questions: Sequence[Question], stop: asyncio.Event, on_progress: OnProgress | None
    ) -> ReplaySummary:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        asking: set[asyncio.Task[None]] = set()
        async with _session() as session, self._beside(begin, on_progress):
            for number, due in self._schedule():
                if await _is_set_before(stop, begin + due):
                    break
                asked, question = _question(questions, number)
                task = asyncio.create_task(self._ask(session, f"{self._name}-{number}", asked, question, begin + due))
                asking.add(task)
                task.add_done_callback(asking.discard)
            await asyncio.gather(*asking)
        ended = loop.time()
        if self._poster:
            await self._poster.finish()
        return self._summary(ended - begin)

    def _schedule(self) -> Iterator[tuple[int, float]]:
        times = arrivals(self._load.rate, self._load.seed)
        if self._load.seconds is not None:
            limit = self._load.seconds
            times = itertools.takewhile(lambda at: at < limit, times)
        return enumerate(itertools.islice(times, self._load.requests))

    async def _ask(self, session: aiohttp.ClientSession, rid: str, asked: str, question: Question, due: float) -> None:
        loop = asyncio.get_running_loop()
        content = body(question.inputs, rid)
        sent = loop.time()
        status, model = _NO_ANSWER, None
        try:
            async with session.post(self._url, data=content, headers=headers(self._load.route, rid, asked)) as answer:
                await answer.read()
                status, model = answer.status, served_name(answer.headers.get(ROUTE_HEADER))
        except (aiohttp.ClientError, TimeoutError):
            pass  # counted as no answer
        self._tally.record(status, model, loop.time() - due, sent - due)
        if self._poster:
            self._poster.asked(rid, question)

    @asynccontextmanager
    async def _beside(self, begin: float, on_progress: OnProgress | None) -> AsyncIterator[None]:
        """Post truths and show progress while the block runs; a fault in either ends the block."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._poster.run())] if self._poster else []
            if on_progress:
                tasks.append(group.create_task(self._report(begin, on_progress)))
            yield
            for task in tasks:
                task.cancel()

    async def _report(self, begin: float, on_progress: OnProgress) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            on_progress(self._summary(asyncio.get_running_loop().time() - begin))

    def _summary(self, seconds: float) -> ReplaySummary:
        posted, left = (self._poster.posted, self._poster.left) if self._poster else (0, 0)
        return self._tally.summary(seconds, posted, left)


def _question(questions: Sequence[Question], number: int) -> tuple[str, Question]:
    """Return question `number`, and the unit to ask about: each pass is routed anew, see `records.unit_of`."""
    passes, place = divmod(number, len(questions))
    question = questions[place]
    return (f"{question.unit}~{passes + 1}" if passes else question.unit), question


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)  # open loop: no request waits for another one's connection
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session


async def _is_set_before(stop: asyncio.Event, moment: float) -> bool:
    """Wait until `moment`, at least for one turn of the loop; return at once, with True, when `stop` is set."""
    try:
        async with asyncio.timeout_at(moment):
            return await stop.wait()
    except TimeoutError:
        return False
