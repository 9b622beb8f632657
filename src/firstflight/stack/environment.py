"""The environment of every process that belongs to a stack, and of every command that talks to it."""

import os
import sys
from pathlib import Path

from pydantic import SecretStr

import firstflight
from firstflight.settings import Settings

_SECRETS = {
    "FIRSTFLIGHT_DATABASE_URL",
    "FIRSTFLIGHT_LEDGER_KEY",
    "FIRSTFLIGHT_SLACK_TOKEN",
    "FIRSTFLIGHT_OUTCOMES_TOKEN",
    "PREFECT_API_AUTH_STRING",
}
_CLUSTER = ("AWS_", "KUBECONFIG")
"""By what beginnings the variables are known that lead to a cluster and its storage."""


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables by which a process finds the stack of `settings`; they may hold secrets: never log them."""
    return {
        **_settings(settings),
        **_cluster(settings),
        **password(settings, "PREFECT_API_AUTH_STRING"),
        "PREFECT_API_URL": settings.local_prefect_api,
        "PREFECT_HOME": str(settings.home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "firstflight",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # a hook speaks to its process's log alone
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{settings.ports.mlflow}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NO_PROXY": _joined(",", "127.0.0.1", "localhost", os.environ.get("NO_PROXY", "")),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": _joined(os.pathsep, str(settings.project), *checkout(), os.environ.get("PYTHONPATH", "")),
        "PYTHONUNBUFFERED": "1",
    }


def without_secrets(settings: Settings, *known: str) -> dict[str, str]:
    """Return `environment` for a program that needs no other secrets than those `known`, by the variables' names."""
    hidden = _SECRETS.difference(known)
    return {
        name: value
        for name, value in environment(settings).items()
        if name not in hidden and not name.startswith(_CLUSTER)
    }


def password(settings: Settings, variable: str) -> dict[str, str]:
    """Return what the stack's Prefect asks of its clients, under the name of `variable`; nothing before `up`."""
    file = settings.prefect_password_file
    return {variable: file.read_text(encoding="utf-8").strip()} if file.exists() else {}


def _cluster(settings: Settings) -> dict[str, str]:
    """Return what leads the flows of a machine to the cluster that serves their models, when one does."""
    if settings.backend == "local":
        return {}
    return {name: value for name, value in os.environ.items() if name.startswith(_CLUSTER)}


def _settings(settings: Settings) -> dict[str, str]:
    values = {name: getattr(settings, name) for name in Settings.model_fields if name != "ports"}
    plain = {
        f"FIRSTFLIGHT_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }
    ports = {f"FIRSTFLIGHT_PORT_{name.upper()}": str(port) for name, port in settings.ports.model_dump().items()}
    return plain | ports


def checkout() -> list[str]:
    """Return the folder of a library that runs from its checkout; an installed one needs no path."""
    folder = Path(firstflight.__file__).parents[1]
    return [] if folder.is_relative_to(sys.prefix) else [str(folder)]


def _joined(separator: str, *parts: str) -> str:
    """Join what is not empty, each once, in order."""
    return separator.join(dict.fromkeys(piece for part in parts for piece in part.split(separator) if piece))
