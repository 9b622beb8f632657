"""Rollouts as runs drive them: each act in a task of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from prefect import task
from prefect.exceptions import Pause, TerminationSignal
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, keyset_from_base_key, read_flow_run_input
from prefect.input.run_input import Keyset
from prefect.runtime import flow_run

from firstflight.acts import compare as comparing
from firstflight.acts import policy as holding
from firstflight.acts import start as starting
from firstflight.acts.approve import question, seconds_left
from firstflight.acts.drive import LibraryAct
from firstflight.acts.hold import hold
from firstflight.acts.lease import hand_over
from firstflight.acts.ledger_view import of_run
from firstflight.comparison.compare import Comparison
from firstflight.domain.plans import ABTestPlan, CanaryPlan, ReleasePlan
from firstflight.rollout.approval import Answer, key
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.artifacts import Progress
from tasks.options import CALLS_OUT, WATCHES
from tasks.reports import report_of, write_report
from tasks.runs import top_run

P = ParamSpec("P")
T = TypeVar("T")
GOES_ON = frozenset({"reschedule", "relinquish"})
"""What Prefect's worker of Kubernetes tells a job to do at SIGTERM; elsewhere such a run is crashed and goes home."""


@task(**CALLS_OUT)
def refuse_by_policy(plan: ReleasePlan) -> None:
    """Refuse a release whose test or canary would be refused when it starts, before anything is trained."""
    world = open_world(Settings())
    for part in (plan.ab_test, plan.canary):
        holding.refuse_by_policy(world, part)


@task(**CALLS_OUT)
def begin(plan: CanaryPlan | ABTestPlan) -> Rollout:
    """Start the rollout, or go on with the one this run started."""
    return starting.resume_or_start(open_world(Settings()), plan, run=top_run())


@task(**CALLS_OUT)
def comparison() -> Comparison | None:
    """Return what this run's last A/B test found, or None when it ended before it could tell."""
    ledger = open_world(Settings()).ledger
    return comparing.comparison_in(ledger, of_run(ledger, top_run())[-1])


@contextmanager
def handed_over(rollout: Rollout) -> Iterator[None]:
    """Leave `rollout` to the process that goes on with it.

    When this one is told to end and its run is started again elsewhere, as by a drain; and when a person has suspended
    the run, which Prefect tells where the next task would begin.
    """
    try:
        yield
    except Pause as suspended:
        until = suspended.state.state_details.pause_timeout if suspended.state else None
        hold(open_world(Settings()), rollout, until)
        raise
    except TerminationSignal:
        if os.environ.get("PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR") in GOES_ON:
            hand_over(open_world(Settings()), rollout)
        raise


class AnswerForm(Answer, RunInput):
    """What Resume asks on Prefect's page."""

    @classmethod
    def save(cls, keyset: Keyset, flow_run_id: UUID | None = None) -> None:
        """Save it, once.

        Prefect saves it only after the run is suspended: too late for whoever is quick, and never if the process is
        killed between; the run would take no answer.
        """
        if read_flow_run_input(keyset["schema"], flow_run_id=flow_run_id) is None:
            super().save(keyset, flow_run_id)


class InTasks:
    """Acts of a run: each is a task, people are told, and the run suspends, its process gone, until they answer."""

    def do(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `act` in a task that is tried again after an outage."""
        return _in_task(act, CALLS_OUT)(rollout, *args, **kwargs)

    tell = do

    def watch(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `act` in a task; the progress artifact follows every check."""
        return _in_task(act, WATCHES)(rollout, *args, **kwargs)

    def answer(self, rollout: Rollout, stage: int) -> Answer:
        """Suspend the run until somebody answers; it starts again from the top with the answer stored.

        Before, the report is written for whoever is asked; one that cannot be written keeps no question back. Past the
        deadline Prefect fails the run, and the automation brings traffic home.
        """
        asked = key(rollout.id, stage, flow_run.run_count)
        keyset = keyset_from_base_key(f"suspended-{asked}")
        answered = read_flow_run_input(keyset["response"]) is not None  # then who gave it waits for no report
        form = AnswerForm if answered else self._question(rollout, stage)
        form.save(keyset)
        left = seconds_left(open_world(Settings()), rollout, stage)
        given = suspend_flow_run(wait_for_input=form, key=asked, timeout=max(1, int(left)))
        return Answer(approver=given.approver, decision=given.decision, comment=given.comment)

    def _question(self, rollout: Rollout, stage: int) -> type[AnswerForm]:
        write_report(rollout, retries=0)
        told = self.do(question, rollout, stage, str(report_of(rollout)))
        return AnswerForm.with_initial_data(description=told)


def _in_task(act: LibraryAct[P, T], options: dict[str, Any]) -> Callable[Concatenate[Rollout, P], T]:
    @task(name=act.__name__, description=act.__doc__, **options)
    def done(rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        world = replace(open_world(Settings()), show=Progress(rollout).update)
        return act(world, rollout, *args, **kwargs)

    return done  # type: ignore[return-value]  # Prefect types it for callers that await it too
