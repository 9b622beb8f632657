"""Clients of the models under test: they ask, they do not stop, and they write down what they saw, and when.

python -m benchmarks.faults.clients OUT RATE MODEL…

Two kinds of lines: for each fifth of a second and model how many were asked and whom the gateway chose, by the moment
they were sent; and each request that failed, at once.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from firstflight.domain.route_header import served_name
from firstflight.replay.arrivals import arrivals
from firstflight.serving.inference import body, headers
from firstflight.settings import Settings
from firstflight.stack.environment import environment
from firstflight.workloads.market.data.market import load_market
from firstflight.workloads.market.features.held_out import held_out_questions

BUCKET_SECONDS = 0.2
ANSWER_SECONDS = 10.0
_QUESTIONS = 64


class Clients:
    """Ask each model `rate` times a second on average, and write to `out`."""

    def __init__(self, url: str, models: tuple[str, ...], rate: float, out: Path) -> None:
        self._url = url
        self._models = models
        self._rate = rate
        self._out = out.open("a", buffering=1, encoding="utf-8")
        self._buckets: dict[tuple[int, str], Counter[str]] = {}

    async def run(self, stop: asyncio.Event, bodies: list[bytes]) -> None:
        """Ask until `stop` is set; what was asked by then is waited for."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
            loops = [
                group.create_task(self._ask_about(group, session, model, bodies, seed))
                for seed, model in enumerate(self._models)
            ]
            loops.append(group.create_task(self._flush()))
            await stop.wait()
            for task in loops:
                task.cancel()
        self._write(float("inf"))
        self._out.close()

    async def _ask_about(
        self, group: asyncio.TaskGroup, session: aiohttp.ClientSession, model: str, bodies: list[bytes], seed: int
    ) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number, due in enumerate(arrivals(self._rate, seed)):
            await asyncio.sleep(max(0.0, begin + due - loop.time()))
            group.create_task(self._ask(session, model, bodies[number % len(bodies)], number))

    async def _ask(self, session: aiohttp.ClientSession, model: str, content: bytes, number: int) -> None:
        sent, url = time.time(), f"{self._url}/v2/models/{model}/infer"
        rid = f"{model}-{sent:.6f}-{number}"
        seen, chosen, problem = self._buckets.setdefault((int(sent / BUCKET_SECONDS), model), Counter()), None, ""
        try:
            async with session.post(url, data=content, headers=headers(model, rid, rid)) as answer:
                text = await answer.text()
                chosen = served_name(answer.headers.get("x-seldon-route"))
                problem = "" if answer.ok else f"{answer.status} {text[:200]}"
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = repr(error)
        seen[chosen or "nobody"] += 1
        if problem:
            line = {"failed": sent, "model": model, "seconds": time.time() - sent, "why": problem, "chosen": chosen}
            self._out.write(json.dumps(line) + "\n")

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._write(time.time() - ANSWER_SECONDS - 1.0)

    def _write(self, before: float) -> None:
        for key in [key for key in self._buckets if key[0] * BUCKET_SECONDS < before]:
            number, model = key
            line = {"sent": number * BUCKET_SECONDS, "model": model, "chosen": dict(self._buckets.pop(key))}
            self._out.write(json.dumps(line) + "\n")


@contextmanager
def live_traffic(settings: Settings, models: tuple[str, ...], out: Path, rate: float) -> Iterator[None]:
    """Have clients ask `models` while the block runs, from a process of their own."""
    command = [sys.executable, "-m", __name__, str(out), str(rate), *models]
    env = {**os.environ, **environment(settings)}
    with subprocess.Popen(command, env=env, cwd=settings.project) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def main() -> None:
    """Ask until told to end."""
    out, rate, *models = sys.argv[1:]
    settings = Settings()
    questions = list(held_out_questions(load_market()))
    chosen = random.Random(7).sample(questions, _QUESTIONS)
    bodies = [body(question.inputs) for question in chosen]

    async def ask() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await Clients(settings.gateway_url, tuple(models), float(rate), Path(out)).run(stop, bodies)

    asyncio.run(ask())


if __name__ == "__main__":
    main()
