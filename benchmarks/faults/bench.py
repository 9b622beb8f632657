"""Play a scenario on a running stack, and judge it from outside."""

import os
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, Queue
from threading import Event

from benchmarks.faults.crossings import Death, Doom, Executioner
from benchmarks.faults.drivers import attempt
from benchmarks.faults.ground import DEPLOYMENT, Lane
from benchmarks.faults.judge import Book, at_rest, is_settled, ladder_faults, look, router
from benchmarks.faults.results import DEADLINE_SECONDS, Ended, Played, Point, Results
from benchmarks.faults.scenarios import Scenario, Strike
from firstflight.acts.deploy import deploy
from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.errors import FirstflightError, OrchestratorUnavailableError, Outage
from firstflight.domain.plans import CanaryPlan
from firstflight.ledger import open_store
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving import open_backend
from firstflight.settings import Settings
from firstflight.stack.parts import parts
from firstflight.supervision.supervisor import Supervisor
from firstflight.world import open_world

POLL_SECONDS = 0.25
BEGIN_SECONDS = 60.0
"""A run that has not begun by then was claimed by a worker that died before it could start it: it stays Pending."""
_STARTS = 3
_STAGES = (20, 60, 100)
_LONG = (10, 25, 40, 55, 70, 85, 100)


class GivenUpError(Exception):
    """The stack did not do in time what the scenario needs."""


@dataclass
class Bench:
    """Plays scenarios on one lane; several benches may play on one stack at the same time."""

    settings: Settings
    lane: Lane
    results: Results
    scenario: Scenario = field(default_factory=lambda: Scenario(number=0, kind="parts"))

    def __post_init__(self) -> None:
        self.book = Book(open_store(self.settings), self.lane.model)
        self.backend = open_backend(self.settings)
        self.supervisor = Supervisor(self.settings.supervisor_folder)
        self.orchestrator = Orchestrator(self.settings.prefect_api, self.settings.prefect_auth)
        self.executioner = Executioner(self.settings)
        self._run = ""
        self.known_parts = {part.name: part for part in parts(self.settings, self.supervisor)}

    def play(self, scenario: Scenario) -> None:
        """Play it, write down its points and rollouts, and leave the lane at rest."""
        began = time.monotonic()
        self.scenario, self._run = scenario, ""
        self._come_to_rest()
        problem = ""
        try:
            {"attempts": self._attempts, "flow": self._flow, "parts": self._parts}[scenario.kind]()
        except (GivenUpError, FirstflightError) as error:
            problem = f"{type(error).__name__}: {error}"
        self.executioner.pardon(self.lane.model)
        if problem and self._run:
            with suppress(FirstflightError):
                self.orchestrator.cancel(self._run)
        self._come_to_rest()
        self.results.add(Played(scenario=scenario.number, seconds=time.monotonic() - began, problem=problem))

    def _attempts(self) -> None:
        """Each attempt goes on where the last one died; the last is left to end the rollout."""
        plan, run = self._plan(_STAGES, 1.0), str(uuid.uuid4())
        waiting: list[Death] = []
        dooms = list(self.scenario.dooms)
        ended = False
        while not ended:
            self.executioner.pardon(self.lane.model)
            if dooms:
                self.executioner.condemn(self.lane.model, dooms.pop(0))
            process = attempt(self.settings, plan, run)
            try:
                while process.is_alive() and not ended:
                    waiting, ended = self._note_settled(waiting, run)
                    time.sleep(POLL_SECONDS)
            finally:
                process.kill()
                process.join()
            if (death := self.executioner.death(self.lane.model)) is not None:
                waiting.append(death)
            ended = ended or self._has_ended(run)
        self._note_settled(waiting, run)
        self._judge(self._rollout_of(run))

    def _note_settled(self, waiting: list[Death], run: str) -> tuple[list[Death], bool]:
        """Write down the deaths that have been got over; return those that have not, and whether the run is over."""
        found = look(self.book, self.backend)
        if found is None:
            return waiting, False
        rollout, reported = found
        ended = rollout is not None and rollout.run == run and rollout.final and at_rest(rollout, reported)
        if waiting and not (is_settled(rollout, reported) and (ended or self.book.moved_since(waiting[-1].at))):
            if time.time() - waiting[0].at > DEADLINE_SECONDS:
                raise GivenUpError(f"not settled {DEADLINE_SECONDS:.0f} s after the first of {len(waiting)} deaths")
            return waiting, ended
        for death in waiting:
            self._point("attempt", death, time.time() - death.at, rollout)
        return [], ended

    def _flow(self) -> None:
        """A flow run of Prefect's dies; somebody brings its rollout home."""
        plan = self._plan(_STAGES, 1.0)
        first, *then = self.scenario.dooms
        self.executioner.condemn(self.lane.model, first)
        run, death = self._await_death(plan)
        deaths = [death]
        for doom in then:
            self.executioner.condemn(self.lane.model, doom)
            if (second := self._await_second(doom)) is not None:
                deaths.append(second)
        came = self._wait(lambda: self._rests() and all(self._is_well(name) for name in first.also))
        rollout = self._last()
        seconds = None if came is None else time.time() - deaths[-1].at  # of two kills, from the second
        for death in deaths:
            self._point("flow process" if death is deaths[0] else "who brings home", death, seconds, rollout)
        if came is None:
            raise GivenUpError("not at rest")
        if rollout is not None and rollout.run == run:
            self._judge(rollout)

    def _parts(self) -> None:
        """Parts die one after the other while a flow run drives a long rollout; then it is left to end."""
        strikes = list(self.scenario.strikes)
        while strikes:
            run = self._begin(self._plan(_LONG, 4.0))
            self._await(partial(self._is_observing, run), "nothing observed")
            while strikes and not self._has_ended(run):
                self._strike(strikes.pop(0))
            self._await(partial(self._has_ended, run), "the rollout did not end")
            self._await(self._rests, "the lane did not come to rest")
            self._judge(self._last())

    def _strike(self, strike: Strike) -> None:
        time.sleep(strike.pause)
        rollout = self.book.refresh()
        names = [self._program(part, rollout) for part in strike.parts]
        states = self.supervisor.states()
        if not all(name in states and states[name].pid for name in names):
            raise GivenUpError(f"{', '.join(names)}: not all of them run")
        at = time.time()
        for name in names:
            os.kill(states[name].pid or 0, signal.SIGKILL)

        def over() -> bool:
            found = look(self.book, self.backend)
            return found is not None and is_settled(*found) and (at_rest(*found) or self.book.moved_since(at))

        seconds = self._wait(over)
        state = _state(self._last())
        well = self._wait(lambda: all(self._is_back(name, states[name].pid) for name in names))
        self.results.add(
            Point(
                scenario=self.scenario.number,
                model=self.lane.model,
                killed=" + ".join(strike.parts),
                crossing="any instant",
                at=at,
                seconds=seconds,
                back=None if well is None else time.time() - at,
                state=state,
                load=os.getloadavg()[0],
                data=strike.is_data,
            )
        )
        if seconds is None or well is None:
            raise GivenUpError(f"{strike.parts} not got over")

    def _program(self, part: str, rollout: Rollout | None) -> str:
        if rollout is None or not part.startswith("model."):
            return part
        arm = rollout.arms.stable if part == "model.stable" else rollout.candidate
        return f"model.{arm.served_name}"

    def _is_back(self, name: str, killed: int | None) -> bool:
        state = self.supervisor.states().get(name)
        return state is not None and state.pid not in {None, killed} and self._is_well(name)

    def _is_well(self, name: str) -> bool:
        part = self.known_parts.get(name)
        return part.is_well() if part else self.backend.is_ready(name.removeprefix("model."))

    def _plan(self, stages: tuple[int, ...], min_stage_seconds: float) -> CanaryPlan:
        reported = router(self.backend, self.lane.model)
        if reported is None:
            raise GivenUpError("the router reports no split")
        for version in self.lane.versions:  # the guard may have evicted one: its second way home
            if not self.backend.is_ready(version.served_name):
                deploy(open_world(self.settings), version)
        return self.lane.plan(reported.stable, stages, min_stage_seconds)

    def _start(self, plan: CanaryPlan) -> str:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                self._run = str(self.orchestrator.start(DEPLOYMENT, {"plan": plan.model_dump(mode="json")}).id)
            except OrchestratorUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1.0)
            else:
                return self._run

    def _begin(self, plan: CanaryPlan) -> str:
        """Start a run, another when it is never begun, and return the one that runs.

        Raises GivenUpError when Prefect begins none.
        """
        for _ in range(_STARTS):
            run = self._start(plan)
            if self._wait(partial(self._has_begun, run), BEGIN_SECONDS) is not None:
                return run
            with suppress(FirstflightError):
                self.orchestrator.cancel(run)
        raise GivenUpError(f"Prefect began none of {_STARTS} runs")

    def _has_begun(self, run: str) -> bool:
        try:
            return self.orchestrator.run(run).state_type not in {"SCHEDULED", "PENDING"}
        except OrchestratorUnavailableError:
            return False

    def _await_death(self, plan: CanaryPlan) -> tuple[str, Death]:
        """Start runs until a doomed process has died; return its run. One that Prefect cannot start counts for nothing.

        Raises GivenUpError when none has died.
        """
        for _ in range(_STARTS):
            run = self._begin(plan)
            self._await(partial(self._has_died_or_ended, run), f"nobody died at {self.scenario.dooms[0].point}")
            if (death := self.executioner.death(self.lane.model)) is not None:
                return run, death
        raise GivenUpError(f"no rollout came to {self.scenario.dooms[0].point}")

    def _has_died_or_ended(self, run: str) -> bool:
        return self.executioner.death(self.lane.model) is not None or self._has_ended(run)

    def _await_second(self, doom: Doom) -> Death | None:
        """Wait until the one who brings home has died, or the lane is at rest because nobody crossed the point."""

        def died() -> Death | None:
            death = self.executioner.death(self.lane.model)
            return death if death and death.doom.id == doom.id else None

        self._wait(lambda: died() is not None or self._rests())
        return died()

    def _last(self) -> Rollout | None:
        """The last rollout, as soon as the ledger answers."""
        self._await(lambda: look(self.book, self.backend) is not None, "the ledger did not answer")
        return self.book.refresh()

    def _rests(self) -> bool:
        found = look(self.book, self.backend)
        return found is not None and at_rest(*found)

    def _is_observing(self, run: str) -> bool:
        found = look(self.book, self.backend)
        if found is None or found[0] is None or found[0].run != run:
            return False
        return found[0].phase is Phase.OBSERVING or found[0].final

    def _has_ended(self, run: str) -> bool:
        """Whether the run's rollout is over, or the run itself, when it never began one."""
        found = look(self.book, self.backend)
        if found is None:
            return False
        rollout, reported = found
        if rollout is not None and rollout.run == run:
            return at_rest(rollout, reported)
        try:
            return self.scenario.kind != "attempts" and self.orchestrator.run(run).final
        except OrchestratorUnavailableError:
            return False

    def _rollout_of(self, run: str) -> Rollout | None:
        rollout = self.book.refresh()
        return rollout if rollout is not None and rollout.run == run else None

    def _await(self, true: Callable[[], bool], problem: str) -> None:
        if self._wait(true) is None:
            raise GivenUpError(f"{problem} within {DEADLINE_SECONDS:.0f} s")

    def _wait(self, true: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> float | None:
        """Poll until something is true; return how long that took, None past the deadline."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > seconds:
                return None
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    def _come_to_rest(self) -> None:
        """Leave nothing open behind: what has not come home by itself is brought home."""
        if self._wait_briefly():
            return
        try:
            bring_model_home(open_world(self.settings), self.lane.model, actor="bench", reason="the scenario is over")
        except Outage:
            self._wait(self._rests)

    def _wait_briefly(self) -> bool:
        began = time.monotonic()
        while time.monotonic() - began < 5:
            if self._rests():
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _judge(self, rollout: Rollout | None) -> None:
        if rollout is None:
            return
        faults = [*ladder_faults(rollout, self.book.records(rollout)), *self.book.losses()]
        if not rollout.final:
            faults.append(f"{rollout.id} is still {rollout.phase}")
        self.results.add(
            Ended(
                scenario=self.scenario.number,
                rollout=rollout.id,
                phase=rollout.phase.value,
                reasons=rollout.reasons,
                faults=tuple(faults),
            )
        )

    def _point(self, who: str, death: Death, seconds: float | None, rollout: Rollout | None) -> None:
        later = death.doom.later
        where = death.crossing if later is None else f"{later * 1000:.0f} ms past {death.crossing}"
        self.results.add(
            Point(
                scenario=self.scenario.number,
                model=self.lane.model,
                killed=" + ".join((who, *death.doom.also)),
                crossing=where,
                at=death.at,
                seconds=seconds,
                state=_state(rollout),
                load=os.getloadavg()[0],
            )
        )


def _state(rollout: Rollout | None) -> str:
    if rollout is None:
        return "no rollout"
    return rollout.phase.value if rollout.final else f"{rollout.phase.value} at {rollout.stage} %"


def play_all(
    settings: Settings,
    lanes: tuple[Lane, ...],
    scenarios: Sequence[Scenario],
    results: Results,
    stop: Event | None = None,
) -> None:
    """Play the scenarios, as many at once as there are lanes; ends early, but whole, once `stop` is set."""
    queue: Queue[Scenario] = Queue()
    for scenario in scenarios:
        queue.put(scenario)

    def play(lane: Lane) -> None:
        bench = Bench(settings, lane, results)
        while stop is None or not stop.is_set():
            try:
                bench.play(queue.get_nowait())
            except Empty:
                return

    with ThreadPoolExecutor(len(lanes)) as pool:
        for done in [pool.submit(play, lane) for lane in lanes]:
            done.result()
