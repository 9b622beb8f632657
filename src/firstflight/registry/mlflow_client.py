"""MLflow's own package, for files: it fails quickly and in the library's own words."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
import urllib3
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from firstflight.domain.errors import RegistryRefusedError, RegistryUnavailableError
from firstflight.registry.mlflow_rest import ANSWER_SECONDS, CONNECT_SECONDS, REFUSALS

# MLflow takes these from the environment only. Its own defaults wait 120 s for an answer, try seven
# times and double the pause: a dead server is noticed after minutes. Whoever set them keeps theirs.
for _name, _value in {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": ANSWER_SECONDS,
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(_name, _value)


def connect(tracking_uri: str) -> MlflowClient:
    """Return a client of the server at `tracking_uri`; no request is made."""
    return MlflowClient(tracking_uri, tracking_uri)


@contextmanager
def answering(tracking_uri: str) -> Iterator[None]:
    """Run requests to `tracking_uri`; what is the server's fault becomes RegistryUnavailableError.

    Asks first whether anybody listens there, which takes 3 s at most. What refuses the request itself becomes
    RegistryRefusedError, with MLflow's own code.
    """
    _knock(tracking_uri)
    try:
        yield
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise RegistryRefusedError(f"MLflow at {tracking_uri} refused: {error}", error.error_code) from error
        raise RegistryUnavailableError(f"MLflow at {tracking_uri} failed: {error}; see the server's log") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise RegistryUnavailableError(f"MLflow at {tracking_uri} did not answer: {error}") from error


def _knock(tracking_uri: str) -> None:
    address = urlsplit(tracking_uri)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise RegistryUnavailableError(
            f"nobody answers at the MLflow server {tracking_uri}: {error}; is the stack up?"
        ) from error
