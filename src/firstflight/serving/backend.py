"""The one door to whatever serves models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import Field

from firstflight.domain.samples import Histogram
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion


class RouterTally(Value):
    """What the router itself has counted of one served model since the router started; a restart begins at zero.

    `requests` were sent to the model, retries and copies for a shadow included; `failures` are answers 5xx and
    requests it left unanswered, whether or not somebody else then answered; `latency` is in milliseconds. Requests
    whose clients chose the model are `chosen` and nothing else, where the router tells them apart (Seldon's does not):
    clients must not decide what is held for its health.
    """

    requests: int = Field(default=0, ge=0)
    chosen: int = Field(default=0, ge=0)
    failures: int = Field(default=0, ge=0)
    latency: Histogram | None = None

    @property
    def reached(self) -> int:
        """All that was sent to the model, whoever chose it."""
        return self.requests + self.chosen


class ServingBackend(Protocol):
    """Serve model versions and divide a route's requests among them.

    Every method is idempotent. `name` is a `ModelVersion.served_name`. Methods raise
    `BackendUnavailableError` when the backend does not answer.
    """

    bounds_itself: bool
    """Whether going home ends within its own time, so that nobody need cut it off."""
    reads_router: bool
    """Whether `get_traffic` is what the router itself holds, and not what somebody is about to tell it."""

    def deploy(self, version: ModelVersion, artifact: Path, name: str | None = None) -> None:
        """Serve `version` from the folder `artifact`; under `name` when given (a shadow needs one of its own).

        Returns once it answers predictions. Raises ModelNotReadyError when it does not come up;
        nothing else that is served changes.
        """

    def undeploy(self, name: str) -> None:
        """Stop serving `name`. Raises ServingError while a split gives it weight or mirrors to it."""

    def is_ready(self, name: str) -> bool:
        """Whether `name` answers predictions now."""

    def served(self) -> frozenset[str]:
        """Names that are deployed, ready or not."""

    def stables(self) -> Mapping[str, str]:
        """Return the stable model of each route, by what the router reports, that is meant to answer now."""

    def revive(self, name: str) -> None:
        """Start the server of `name` again, which does not answer, where nobody else does; return without waiting."""

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Divide `route` as `split` says and return the split the router reports.

        `token` is a fencing token: one lower than the highest seen for `route` raises StaleTokenError.
        Raises ModelNotLoadedError when the split names something not served, TrafficNotAppliedError
        when the router reports something else; in both cases the last good split stays.
        """

    def go_home(self, route: str) -> TrafficSplit | None:
        """Send all of `route` to the stable model of its split, whoever drives it, and return what the router reports.

        Every token shown so far is refused from then on, so that no driver can undo it; the next higher one is
        accepted again. Returns None when there is no such route. Raises TrafficNotAppliedError when the router
        reports something else, SplitPendingError when it does not react yet and will do it once it does.
        """

    def evict(self, name: str) -> None:
        """Stop serving `name` at once, even while a split needs it: the second way home, when the router does not obey.

        What a client then meets is up to the router: the local one answers from the stable model. `deploy` brings
        the name back.
        """

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """Return the router's own counts of each served model of `route`; of one that is missing nothing is known."""

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split the router reports for `route`, or None when it has no such route."""

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest (`ModelVersion.digest`) of what `name` really loaded, or None when it serves nothing."""
