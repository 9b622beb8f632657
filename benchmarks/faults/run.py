"""Kill anywhere, for a long time: python -m benchmarks.faults.run OUT --points 500 --seed 7.

Runs on the stack of the environment's settings (`firstflight up` first, on ports and in a home of its own), with live
traffic. Prints each point, keeps everything in the folder OUT, and goes on there when it is called again.
"""

import argparse
import signal
from pathlib import Path
from threading import Event

from benchmarks.faults.bench import play_all
from benchmarks.faults.clients import live_traffic
from benchmarks.faults.crossings import Executioner
from benchmarks.faults.ground import prepare
from benchmarks.faults.results import Ended, Line, Played, Point, Results
from benchmarks.faults.scenarios import schedule
from firstflight.settings import Settings

REQUESTS_A_SECOND = 4.0
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
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    for data in (False, True):  # what clients may meet comes last, and alone
        todo = [one for one in schedule(given.points, given.seed) if one.is_data is data and one.number not in done]
        seen = given.out / f"clients-{'data' if data else 'control'}.jsonl"
        with live_traffic(settings, tuple(lane.model for lane in lanes), seen, given.rate):
            play_all(settings, lanes[:1] if data else lanes, todo, results, stop)


if __name__ == "__main__":
    main()
