"""The processes of a rollout in the clock twin: the flow's driver with its retries and hook, the guard, a person.

The driver runs the flow's own loop, `firstflight.acts.drive`, without Prefect: an outage is tried again after the
delays of the flow's tasks, a run that fails calls its hook, and one that asks a person ends until the answer is there.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from benchmarks.faults.twin import MODEL, Process, Twin
from firstflight.acts.drive import Alone, LibraryAct, drive
from firstflight.acts.homecoming import bring_model_home, bring_run_home
from firstflight.acts.lease import DELAYS
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import FirstflightError, Outage
from firstflight.domain.plans import CanaryPlan
from firstflight.guard.guard import Guard
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout

P = ParamSpec("P")
T = TypeVar("T")
MOST_ACTS = 400
"""A driver that does more is in a loop."""


class Suspended(Exception):  # noqa: N818 - not an error
    """The run waits for a person, its process gone."""


class Desk:
    """Where a person's answers lie until a run asks for them."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], Answer] = {}
        self.asked: list[tuple[float, str, int]] = []


class Driver(Alone):
    """One process of a flow run."""

    def __init__(self, twin: Twin, process: Process, desk: Desk, plan: CanaryPlan, run: str) -> None:
        super().__init__(twin.world_of(process))
        self._twin, self._process, self._desk, self._plan, self._run = twin, process, desk, plan, run
        self._acts = 0

    def work(self) -> None:
        """Do as the flow does; raises what the flow raises, after the hook was called."""
        try:
            drive(self._retried(lambda: resume_or_start(self.world, self._plan, run=self._run)), self)
        except Suspended:
            return
        except (FirstflightError, OSError) as error:
            bring_run_home(self.world, self._run, actor=f"hook of {self._run}", reason=f"the run failed: {error}")
            raise

    def do(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        """Try again after an outage, as the flow's tasks are."""
        if (acts := self._acts + 1) > MOST_ACTS:
            raise AssertionError(f"{self._process.name} goes round in circles: {act.__name__} of {rollout.phase}")
        self._acts = acts
        return self._retried(lambda: act(self.world, rollout, *args, **kwargs))

    tell = do

    def answer(self, rollout: Rollout, stage: int) -> Answer:
        """Look on the desk."""
        if (given := self._desk.answers.get((rollout.id, stage))) is None:
            self._desk.asked.append((self._twin.time.now, rollout.id, stage))
            raise Suspended
        return given

    def _retried(self, call: Callable[[], T]) -> T:
        for delay in DELAYS:
            try:
                return call()
            except Outage:
                self.world.wait(delay)
        return call()


def guarding(twin: Twin, process: Process, every: float = 3.0) -> Callable[[], None]:
    """The work of a guard process: rounds for ever."""

    def work() -> None:
        guard = Guard(twin.world_of(process), monotonic=lambda: twin.time.now)
        while True:
            begun = twin.time.now
            guard.round()
            twin.time.sleep(max(0.1, every - (twin.time.now - begun)))

    return work


def rolling_back(twin: Twin, process: Process) -> Callable[[], None]:
    """The work of `firstflight roll-back MODEL`."""

    def work() -> None:
        bring_model_home(twin.world_of(process), MODEL, actor="ada", reason="ada said so")

    return work
