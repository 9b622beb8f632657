"""Training runs in MLflow: what training's `Tracker` asks for."""

import logging
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstflight.domain.errors import RegistryUnavailableError
from firstflight.registry.mlflow_rest import MlflowRest, named

log = logging.getLogger(__name__)

_AT_ONCE = 1000
"""Figures that MLflow takes in one request."""


class MlflowRun:
    """One run in MLflow.

    An epoch that MLflow does not take is kept and sent with the next one: a short outage must not
    cost a training run. `log_figures`, `log_folder` and `end` raise RegistryUnavailableError.
    """

    def __init__(self, rest: MlflowRest, run_id: str) -> None:
        self.id: str | None = run_id
        self._rest = rest
        self._run = run_id
        self._unsent: list[dict[str, Any]] = []

    def log_epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Send the figures of epoch `number` in one request, with those not sent before."""
        self._unsent += _metrics(figures, step=number)
        try:
            self._send()
        except RegistryUnavailableError as error:
            log.warning("epoch %d of run %s waits to be logged: %s", number, self._run, error)

    def log_figures(self, figures: Mapping[str, float]) -> None:
        """Send figures of the whole run."""
        self._unsent += _metrics(figures, step=0)
        self._send()

    def log_folder(self, folder: Path) -> None:
        """Upload the files below `folder`."""
        from firstflight.registry.mlflow_files import upload_folder  # noqa: PLC0415 - see there

        upload_folder(self._rest.uri, self._run, folder)

    def end(self, *, failed: bool) -> None:
        """Close the run."""
        self._send()
        self._rest.post("runs/update", run_id=self._run, status="FAILED" if failed else "FINISHED", end_time=_now())

    def _send(self) -> None:
        while self._unsent:
            self._rest.post("runs/log-batch", run_id=self._run, metrics=self._unsent[:_AT_ONCE])
            self._unsent = self._unsent[_AT_ONCE:]


class MlflowTracker:
    """Open runs in MLflow; raises RegistryUnavailableError when it does not answer."""

    def __init__(self, tracking_uri: str) -> None:
        self._rest = MlflowRest(tracking_uri)

    def start(self, experiment: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> MlflowRun:
        """Open a run called `name` in `experiment`, made if missing."""
        run = self._rest.post(
            "runs/create",
            experiment_id=self._rest.make_experiment(experiment),
            run_name=name,
            start_time=_now(),
            tags=named(tags),
        )["run"]["info"]["run_id"]
        self._rest.post("runs/log-batch", run_id=run, params=named(parameters))
        return MlflowRun(self._rest, run)


def _metrics(figures: Mapping[str, float], step: int) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": _number(value), "timestamp": _now(), "step": step} for name, value in figures.items()
    ]


def _number(value: float) -> float | str:
    """Return the number as JSON has it: what is not finite is a word there, as in protobuf."""
    if math.isnan(value):
        return "NaN"
    return float(value) if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"


def _now() -> int:
    return int(time.time() * 1000)
