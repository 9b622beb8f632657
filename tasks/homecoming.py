"""Bring traffic home on behalf of a person, or of a run that cannot."""

from prefect import task
from prefect.client.schemas import State
from prefect.states import Completed

from firstflight.acts import homecoming
from firstflight.acts.ledger_view import of_run
from firstflight.rollout.machine import Phase, Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import top_run


@task(**CALLS_OUT)
def bring_home(model: str | None, run: str | None, reason: str, by: str | None) -> list[Rollout]:
    """End the open rollout of `model`, or those that `run` started, or all that are open; `by` is who wants it.

    Of a run, those that were rolled back before are returned too: a hook can move traffic, and leaves the rest to us.
    """
    world, actor = open_world(Settings()), by or top_run()
    if run is not None:
        homecoming.bring_run_home(world, run, actor=actor, reason=reason)
        return [rollout for rollout in of_run(world.ledger, run) if rollout.phase is Phase.ROLLED_BACK]
    if model is None:
        return list(homecoming.bring_all_home(world, actor=actor, reason=reason))
    home = homecoming.bring_model_home(world, model, actor=actor, reason=reason)
    return [home.rollout] if home.rollout else []


def outcome(ended: list[Rollout]) -> State[list[Rollout]]:
    """The run has done its work; its message says what there was to do."""
    return Completed(data=ended, message="; ".join(f"{one.id} is {one.phase}" for one in ended) or "nothing was open")


def bring_run_home(run: str, reason: str, *, asked: bool) -> None:
    """The same from a hook, where no run is left to hold a task; `asked` by a person who cancelled the run."""
    homecoming.bring_run_home(open_world(Settings()), run, actor=f"hook of {run}", reason=reason, asked=asked)
