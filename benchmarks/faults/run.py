"""Kill anywhere, for a long time: python -m benchmarks.faults.run OUT --points 500 --seed 7.

Runs on the stack of the environment's settings (`firstflight up` first, on ports and in a home of its own), with live
traffic. Prints each point, keeps everything in the folder OUT, and goes on there when it is called again.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Event

from benchmarks.faults.bench import Bench
from benchmarks.faults.crossings import Executioner
from benchmarks.faults.ground import Lane, prepare
from benchmarks.faults.results import Ended, Line, Played, Point, Results
from benchmarks.faults.scenarios import Scenario, schedule
from firstflight.settings import Settings
from firstflight.stack.environment import environment

REQUESTS_A_SECOND = 10.0
"""From the clients to each model."""


class Told(Results):
    """Results that are also printed."""

    def __init__(self, path: Path, wanted: int) -> None:
        super().__init__(path)
        self._wanted = wanted
        self.count = sum(isinstance(line, Point) for line in self)

    def add(self, line: Line) -> None:
        """Write one line, and print it."""
        super().add(line)
        match line:
            case Point():
                self.count += 1
                seconds = "NOT IN TIME" if line.seconds is None else f"{line.seconds:5.1f} s"
                told = f"{seconds}  {line.killed}, {line.crossing} -> {line.state}"
            case Ended() if line.faults:
                told = f"FAULT    {'; '.join(line.faults)}"
            case Ended():
                told = f"         {line.rollout} {line.phase}"
            case Played(problem=problem):
                told = f"         scenario {line.scenario} took {line.seconds:.0f} s {problem}"
        print(f"{self.count:4}/{self._wanted}  {told[:200]}", flush=True)


@contextmanager
def clients(settings: Settings, lanes: tuple[Lane, ...], out: Path, rate: float) -> Iterator[None]:
    """Live traffic on every lane while the block runs."""
    command = [sys.executable, "-m", "benchmarks.faults.clients", str(out), str(rate), *(lane.model for lane in lanes)]
    env = {**os.environ, **environment(settings)}
    with subprocess.Popen(command, env=env, cwd=settings.project) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def play_all(settings: Settings, lanes: tuple[Lane, ...], todo: list[Scenario], results: Results) -> None:
    """Play the scenarios, as many at once as there are lanes; ends early, but whole, on SIGTERM or SIGINT."""
    queue: Queue[Scenario] = Queue()
    for scenario in todo:
        queue.put(scenario)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def play(lane: Lane) -> None:
        bench = Bench(settings, lane, results)
        while not stop.is_set():
            try:
                bench.play(queue.get_nowait())
            except Empty:
                return

    with ThreadPoolExecutor(len(lanes)) as pool:
        for done in [pool.submit(play, lane) for lane in lanes]:
            done.result()


def main() -> None:
    """Run what is left of the schedule."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--points", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=REQUESTS_A_SECOND)
    given = parser.parse_args()
    settings = Settings()
    results = Told(given.out / "results.jsonl", given.points)
    done = {line.scenario for line in results if isinstance(line, Played)}
    Executioner(settings)
    lanes = prepare(settings, given.lanes)
    for data in (False, True):  # what clients may meet comes last, and alone
        todo = [one for one in schedule(given.points, given.seed) if one.is_data is data and one.number not in done]
        with clients(settings, lanes, given.out / f"clients-{'data' if data else 'control'}.jsonl", given.rate):
            play_all(settings, lanes[:1] if data else lanes, todo, results)


if __name__ == "__main__":
    main()
