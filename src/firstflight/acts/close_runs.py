"""End runs that wait for an answer about a rollout that has ended without them."""

from typing import Protocol
from uuid import UUID

from firstflight.acts.ledger_view import of_run
from firstflight.ledger.record import RecordStore
from firstflight.orchestrator import FlowRun


class Suspended(Protocol):
    """Where runs wait for people; methods raise OrchestratorUnavailableError when it does not answer."""

    def suspended(self) -> tuple[FlowRun, ...]:
        """Return the runs that wait."""

    def close(self, run: UUID | str, message: str) -> None:
        """End one that waits, and say why on its page."""


def close_runs(ledger: RecordStore, runs: Suspended) -> tuple[str, ...]:
    """End each suspended run whose last rollout has ended, so that nobody is asked any more, and return what was said.

    The guard, a person or another run may have ended it while its own process was gone.
    """
    closed = []
    for run in runs.suspended():
        told = of_run(ledger, str(run.id))
        if told and told[-1].final:
            last = told[-1]
            said = f"{last.id} is {last.phase}, ended by {last.driver}: {'; '.join(last.reasons)}"
            runs.close(run.id, said)
            closed.append(said)
    return tuple(closed)
