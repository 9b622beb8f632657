"""Every address behind one name: each Envoy of the mesh has routes and counters of its own."""

import socket
from urllib.parse import SplitResult

from firstflight.domain.errors import BackendUnavailableError


def addresses(url: SplitResult, purpose: str) -> list[str]:
    """Return each address of the host of `url`, as it stands in a URL.

    Raises:
        BackendUnavailableError: It has none; the message ends with `purpose`.
    """
    name = url.hostname or ""
    try:
        found = socket.getaddrinfo(name, url.port or 80, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BackendUnavailableError(f"{name} has no address, so {purpose}: {error}") from error
    return sorted({f"[{one[4][0]}]" if one[0] is socket.AF_INET6 else str(one[4][0]) for one in found})
