"""Ask a process of this machine over HTTP: no proxy, no certificates, no pool to keep."""

import http.client
import json
from dataclasses import dataclass
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


def get(port: int, path: str) -> Reply:
    """Ask the loopback `port` for `path`.

    Raises:
        BackendUnavailableError: Nobody answers there.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return Reply(response.status, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise BackendUnavailableError(f"127.0.0.1:{port} gives no answer to {path}: {error!r}") from error
    finally:
        connection.close()
