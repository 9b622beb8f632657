"""Run a fire drill: one staged rollout for each fault, broken on purpose, measured from records."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from firstflight.acts.ledger_view import checks, current
from firstflight.domain.errors import BackendUnavailableError, FirstflightError
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.questions import Question
from firstflight.domain.samples import Look
from firstflight.domain.versions import ModelVersion
from firstflight.drill.driver import Driver, driver
from firstflight.drill.faults import DrillFault, FaultName, faults
from firstflight.drill.injectors import Injector, injector
from firstflight.drill.result import Clients, Drill, Result, markdown
from firstflight.drill.route import DrillRoute, drill_route
from firstflight.drill.timeline import broken, timeline
from firstflight.drill.traffic import QUESTIONS, clients, exercise
from firstflight.ledger.record import Record
from firstflight.observation.arm_history import Stay, stay
from firstflight.rollout.machine import Phase, Rollout, stream
from firstflight.settings import Settings
from firstflight.workloads.find import find
from firstflight.world import World, open_world

SHARE = 50
"""The candidate's percent in the stage in which the fault strikes."""
START_SECONDS = 90.0
"""Longest wait for the drill's rollout to be in its stage."""
PATIENCE_SECONDS = 45.0
"""A candidate that is not home so long after the promised moment is brought home by the drill itself."""
AFTER_SECONDS = 1.5
"""Clients go on asking for so long after the end: none of it may reach the candidate."""
_COUNTED_SECONDS = 20.0
_POLL_SECONDS = 0.1
_CALM_CHECKS = 2
"""A sound candidate is seen to be well so often before something strikes it."""

Show = Callable[[str, str], None]
"""Told the name of a fault, or `route`, and what is being done about it."""


def drill(
    settings: Settings,
    model: str,
    wanted: Sequence[FaultName],
    about: str,
    *,
    actor: str,
    show: Show = lambda _fault, _doing: None,
) -> Drill:
    """Let each of the `wanted` faults strike a rollout of copies of the champion of `model`, and return what was seen.

    `about` names the workload of `model`, which says what to ask.
    The evidence is in the ledger's stream `drills/<date>` and in `reports/<id>.md` below the stack's home when this
    returns. Nothing of the drill is served any more, and no route but the drill's own has changed.

    Raises:
        RolloutError: The drill's route has an open rollout, or another drill runs.
        NoStableModelError: The model has no champion to copy.
        NotFoundError: There is no such workload.
        InvalidPlanError: It has no questions.
        Outage: The stack does not answer.
    """
    workload = find(about)
    questions = tuple(islice(workload.questions(settings), QUESTIONS))
    world = open_world(settings)
    began = world.now()
    identity = f"drill-{began:%Y%m%d-%H%M%S}"
    evidence = f"drills/{began:%Y-%m-%d}"
    show("route", "deploying a copy of the champion")
    with drill_route(world, settings, model, actor) as route:
        world.ledger.append(evidence, "drill.began", {"drill": identity, "faults": list(wanted)}, actor=actor)
        asked = exercise(settings, route.name, questions, workload)
        show("route", "ready")
        known = faults(settings.guard_seconds)
        results = []
        for name in wanted:
            exercised = Exercise(world, settings, route, known[name], about, run=f"{identity}-{name}", show=show)
            results.append(exercised.result(asked))
            body = {"drill": identity, **results[-1].model_dump(mode="json")}
            world.ledger.append(evidence, "drill.fault", body, actor=actor)
            show(name, "kept" if results[-1].kept else "not kept")
        show("route", "stopping the copies")
    done = Drill(
        id=identity,
        model=model,
        route=route.name,
        began_at=began,
        ended_at=world.now(),
        actor=actor,
        results=tuple(results),
    )
    world.ledger.append(evidence, "drill.ended", {"drill": identity, "kept": done.kept}, actor=actor)
    report = settings.home / "reports" / f"{identity}.md"
    report.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    report.write_text(markdown(done), encoding="utf-8")
    show("route", "done")
    return done


class Exercise:
    """One fault and the rollout that it strikes."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        route: DrillRoute,
        fault: DrillFault,
        about: str,
        *,
        run: str,
        show: Show,
    ) -> None:
        self._world = world
        self._settings = settings
        self._route = route
        self._fault = fault
        self._about = about
        self._run = run
        self._show = show

    def result(self, questions: Sequence[Question]) -> Result:
        """Let the fault strike and return what came of it; what went wrong in the drill itself is a promise broken."""
        try:
            return self._struck(questions)
        except FirstflightError as error:
            return Result(fault=self._fault, broken=(f"the drill could not go on: {error}",))
        finally:
            self._route.bring_home(self._run, f"the drill of {self._fault.name} ended before its rollout did")

    def _struck(self, questions: Sequence[Question]) -> Result:
        self._doing("deploying the candidate")
        with driver(self._settings, self._run) as process:  # it starts up meanwhile
            candidate = self._route.candidate(self._fault.runtime)
            process.begin(plan(self._route, candidate, self._about))
            self._doing("waiting for the first stage")
            self._until(process, lambda rollout: rollout.phase is Phase.OBSERVING)
            with clients(self._settings, self._route.name, questions, self._run) as asked:
                rollout = self._until(process, self._is_calm)
                if rollout.final:
                    ended = f"the rollout ended before the fault struck: {'; '.join(rollout.reasons)}"
                    return Result(fault=self._fault, rollout=rollout.id, broken=(ended,))
                self._doing("struck")
                struck = self._world.now()
                strikes = injector(self._fault.name, self._settings, process, candidate.served_name)
                seen_home = self._until_home(rollout, strikes)
                time.sleep(AFTER_SECONDS)
        self._doing("counting")
        summary = asked.result()
        seen = Clients(asked=summary.requests, failed=summary.failed)
        result = self._measured(candidate, struck, seen_home).model_copy(update={"clients": seen})
        self._route.bring_home(self._run, f"not home {PATIENCE_SECONDS:g} s after the promised moment")
        self._route.dismiss(candidate)
        return result

    def _doing(self, what: str) -> None:
        self._show(self._fault.name, what)

    def _until(self, process: Driver, holds: Callable[[Rollout], bool]) -> Rollout:
        """Return the rollout once `holds` says so of it, or it has ended."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            rollout = self._rollout()
            if rollout is not None and (rollout.final or holds(rollout)):
                return rollout
            if process.ended():
                raise FirstflightError(f"its driver ended before the stage: see drills/{self._run}.log")
            time.sleep(_POLL_SECONDS)
        raise FirstflightError(f"its rollout was not ready after {START_SECONDS:g} s: see drills/{self._run}.log")

    def _is_calm(self, rollout: Rollout) -> bool:
        """Whether the fault may strike: a sound candidate has been seen to be well."""
        if self._fault.runtime:
            return True
        seen = [look for look, _ in checks(self._world.ledger, rollout) if _requests(look, rollout)]
        return len(seen) >= _CALM_CHECKS

    def _until_home(self, rollout: Rollout, strikes: Injector) -> datetime | None:
        """Let the fault strike until the rollout has ended; return when the router was first seen to be home."""
        promise = self._fault.promise
        deadline = time.monotonic() + promise.decided + promise.verified + PATIENCE_SECONDS
        seen_home = None
        strikes.strike()
        while time.monotonic() < deadline:
            if seen_home is None and self._is_home(rollout):
                seen_home = self._world.now()
            present = self._rollout()
            if present is not None and present.final:
                break
            time.sleep(_POLL_SECONDS)
            strikes.again()
        return seen_home

    def _is_home(self, rollout: Rollout) -> bool:
        try:
            return self._world.backend.get_traffic(rollout.model) == rollout.home
        except BackendUnavailableError:
            return False

    def _rollout(self) -> Rollout | None:
        """Return the exercise's own rollout, None before it has begun."""
        rollout = current(self._world.ledger, self._route.name)
        return rollout if rollout is not None and rollout.run == self._run else None

    def _measured(self, candidate: ModelVersion, struck: datetime, seen_home: datetime | None) -> Result:
        rollout = self._rollout()
        if rollout is None:
            raise FirstflightError(f"the ledger has lost the rollout of {self._run}")
        records = self._records(rollout)
        intended = next((record for record in reversed(records) if record.kind == "rollback.intended"), None)
        ended = next((record for record in reversed(records) if record.kind == "rollout.rolled_back"), None)
        given = self._stay(candidate, rollout, ended.at if ended else self._world.now())
        if self._fault.runtime and not self._fault.shared and given and given.first:
            struck = given.first
        told = timeline(struck, records, checks(self._world.ledger, rollout), seen_home, given.last if given else None)
        proof = ended.body["proof"] if ended else {}
        return Result(
            fault=self._fault,
            rollout=rollout.id,
            times=told,
            broken=broken(self._fault.promise, told, given),
            by=_who(intended, self._run),
            way=proof.get("way"),
            reasons=rollout.reasons,
            proof=_shown(ended, given) if ended else None,
            candidate_requests=given.requests if given else None,
            candidate_failed=given.failed if given else None,
        )

    def _records(self, rollout: Rollout) -> list[Record]:
        told = self._world.ledger.read(stream(rollout.model))
        return [record for record in told if record.at >= rollout.started_at]

    def _stay(self, candidate: ModelVersion, rollout: Rollout, home: datetime) -> Stay | None:
        """Return what the candidate was given once everything up to now is recorded; None when that takes too long."""
        now = self._world.now() + timedelta(seconds=1)
        deadline = time.monotonic() + _COUNTED_SECONDS
        while time.monotonic() < deadline:
            mark = self._world.source.watermark(rollout.model)
            if mark is not None and mark.until >= now:
                url = self._settings.database("firstflight")
                return stay(url, rollout.model, candidate.served_name, rollout.started_at, home)
            time.sleep(_POLL_SECONDS)
        return None


def plan(route: DrillRoute, candidate: ModelVersion, workload: str) -> CanaryPlan:
    """Return the plan of a drill's rollout: it stays in its first stage until it is brought home.

    Its guardrails bound what each fault breaks and prove nothing.
    """
    return CanaryPlan(
        model=route.name,
        candidate=candidate.number,
        stable=route.stable.number,
        stages=(SHARE, 100),
        approvals=(),
        stage_seconds=600,
        min_stage_seconds=600,
        warmup_seconds=0,
        check_seconds=1,
        no_data_seconds=30,
        guardrails=(
            Guardrail(metric="error_rate", limit=0.01, proves=False),
            Guardrail(metric="latency", limit=400.0, quantile=0.95, proves=False),
            Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False),
        ),
        workload=workload,
        environment="staging",
    )


def _requests(look: Look, rollout: Rollout) -> int:
    return look.assignments.get(rollout.candidate.served_name, 0)


def _shown(ended: Record, given: Stay | None) -> str:
    after = f"; of {given.after} requests since {given.late} were the candidate's" if given else ""
    return f"the router reports {ended.body['split']['weights']}; {ended.body['proof']['counted']}{after}"


def _who(intended: Record | None, run: str) -> str | None:
    if intended is None:
        return None
    return "driver" if intended.actor == run else intended.actor
