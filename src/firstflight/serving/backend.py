"""The one door to whatever serves models."""

from pathlib import Path
from typing import Protocol

from firstflight.traffic import TrafficSplit
from firstflight.versions import ModelVersion


class ServingBackend(Protocol):
    """Serve model versions and divide a route's requests among them.

    Every method is idempotent. `name` is a `ModelVersion.served_name`. Methods raise
    `BackendUnavailableError` when the backend does not answer.
    """

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

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Divide `route` as `split` says and return the split the router reports.

        `token` is a fencing token: one lower than the highest seen for `route` raises StaleTokenError.
        Raises ModelNotLoadedError when the split names something not served, TrafficNotAppliedError
        when the router reports something else; in both cases the last good split stays.
        """

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split the router reports for `route`, or None when it has no such route."""

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest (`ModelVersion.digest`) of what `name` really loaded, or None when it serves nothing."""
