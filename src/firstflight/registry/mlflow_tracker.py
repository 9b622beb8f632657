"""Training runs in MLflow: what training's `Tracker` asks for."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from firstflight.domain.errors import RegistryUnavailableError
from firstflight.registry.mlflow_client import answering, connect, experiment_id

log = logging.getLogger(__name__)


class MlflowRun:
    """One run in MLflow.

    An epoch that MLflow does not take is kept and sent with the next one: a short outage must not
    cost a training run. `log_figures`, `log_folder` and `end` raise RegistryUnavailableError.
    """

    def __init__(self, tracking_uri: str, client: MlflowClient, run_id: str) -> None:
        self.id: str | None = run_id
        self._uri = tracking_uri
        self._client = client
        self._run = run_id
        self._unsent: list[Metric] = []

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
        with answering(self._uri):
            self._client.log_artifacts(self._run, str(folder), folder.name)

    def end(self, *, failed: bool) -> None:
        """Close the run."""
        self._send()
        with answering(self._uri):
            self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")

    def _send(self) -> None:
        if self._unsent:
            with answering(self._uri):
                self._client.log_batch(self._run, metrics=self._unsent, synchronous=True)
            self._unsent = []


class MlflowTracker:
    """Open runs in MLflow; raises RegistryUnavailableError when it does not answer."""

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri
        self._client = connect(tracking_uri)

    def start(self, experiment: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> MlflowRun:
        """Open a run called `name` in `experiment`, made if missing."""
        with answering(self._uri):
            run = self._client.create_run(experiment_id(self._client, experiment), tags={**tags, MLFLOW_RUN_NAME: name})
            self._client.log_batch(
                run.info.run_id,
                params=[Param(key, value) for key, value in parameters.items()],
                synchronous=True,
            )
        return MlflowRun(self._uri, self._client, run.info.run_id)


def _metrics(figures: Mapping[str, float], step: int) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, value, now, step) for name, value in figures.items()]
