"""Serving: the one door (`ServingBackend`), the leases beside it, and what its gateway counts."""

from pathlib import Path
from typing import assert_never

from firstflight.domain.series import GatewaySeries
from firstflight.serving.backend import ServingBackend
from firstflight.serving.lease import LeaseFile, Leases
from firstflight.settings import Settings

__all__ = ["Leases", "ServingBackend", "gateway_series", "open_backend", "open_leases"]

LEASES_FILE = Path("leases") / "leases.json"
"""Leases of one machine, below `home`."""


def open_backend(settings: Settings) -> ServingBackend:
    """Return the backend that `settings.backend` names. Nothing is started or asked yet."""
    # Imported where needed: this package is also imported by the model servers, whose environment is small.
    match settings.backend:
        case "local":
            from firstflight.serving.local.backend import LocalBackend  # noqa: PLC0415 see above

            return LocalBackend(settings)
        case "seldon":
            from firstflight.serving.seldon.backend import SeldonBackend  # noqa: PLC0415 see above

            return SeldonBackend(settings)
        case unknown:
            assert_never(unknown)


def gateway_series(settings: Settings) -> GatewaySeries | None:
    """Return the counters of the gateway in front of `settings.backend`; None where each request is recorded."""
    if settings.backend != "seldon":
        return None
    from firstflight.serving.seldon import queries  # noqa: PLC0415 as in open_backend

    return queries.gateway_series(settings.namespace)


def open_leases(settings: Settings) -> Leases:
    """Return the leases that belong to the backend `settings.backend` names."""
    match settings.backend:
        case "local":
            return LeaseFile(settings.home / LEASES_FILE)
        case "seldon":
            from firstflight.serving.seldon.configuration import open_api  # noqa: PLC0415 as in open_backend
            from firstflight.serving.seldon.leases import KubernetesLeases  # noqa: PLC0415 the same

            return KubernetesLeases(open_api(settings))
        case unknown:
            assert_never(unknown)
