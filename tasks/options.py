"""Options of tasks that call out: retry outages, never answer from a cache."""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State, TaskRun
from prefect.tasks import Task

from firstflight.acts.lease import DELAYS
from firstflight.domain.errors import Outage


def is_outage(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether the task failed because something outside did not answer; a refusal is not tried again."""
    return isinstance(state.result(raise_on_failure=False), Outage)


CALLS_OUT: dict[str, Any] = {
    "retries": len(DELAYS),
    "retry_delay_seconds": list(DELAYS),
    "retry_condition_fn": is_outage,
    "cache_policy": NO_CACHE,
    "persist_result": False,
}
"""For calls that read or change the world."""

WATCHES: dict[str, Any] = {**CALLS_OUT, "retries": 0}
"""For calls that watch for long and sit outages out by themselves: tried again, their patience would begin anew."""
