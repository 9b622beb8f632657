"""Ask a process of this machine over HTTP: no proxy, no certificates, no pool to keep."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstflight.domain.errors import BackendUnavailableError

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Reply:
    """Code and body of an answer."""

    code: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the code is 200."""
        return self.code == http.client.OK

    def json(self) -> Any:
        """Return the body read as JSON."""
        return json.loads(self.body)


def get(where: int | Path, path: str) -> Reply:
    """Ask the loopback port or the UNIX socket `where` for `path`.

    Raises:
        BackendUnavailableError: Nobody answers there.
    """
    return _ask(where, "GET", path)


def post(where: int | Path, path: str) -> Reply:
    """Have the process at `where` do what `path` says. Raises as `get`."""
    return _ask(where, "POST", path)


def _ask(where: int | Path, method: str, path: str) -> Reply:
    port = where if isinstance(where, int) else None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        if isinstance(where, Path):
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(TIMEOUT_SECONDS)
            connection.sock.connect(str(where))
        connection.request(method, path)
        response = connection.getresponse()
        return Reply(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        place = where if isinstance(where, Path) else f"127.0.0.1:{where}"
        raise BackendUnavailableError(f"{place} gives no answer to {path}: {error!r}") from error
    finally:
        connection.close()
