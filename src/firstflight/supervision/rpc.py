"""Calls to supervisord (http://supervisord.org/api.html) over its UNIX socket, answered in time or not at all.

`supervisor.xmlrpc.SupervisorTransport` knows no time limit: a supervisord that is stopped would stop its callers.
"""

import http.client
import socket
import xmlrpc.client  # the other end of the socket is our own supervisord
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from firstflight.domain.errors import ProcessFailedError

ANSWER_SECONDS = 30


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if self._connection[1] is None:  # the base class keeps the connection here, and closes it
            self._connection = host, _Connection(self._path)
        return super().make_connection(host)


@contextmanager
def calling(path: Path) -> Iterator[Any]:
    """Give the methods of the supervisord that listens on the socket `path`.

    Raises:
        ProcessFailedError: It does not answer, or refuses.
    """
    try:
        with xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(path)) as proxy:
            yield proxy.supervisor
    except (OSError, http.client.HTTPException) as error:
        raise ProcessFailedError(f"supervisord at {path} does not answer: {error}") from error
    except xmlrpc.client.Fault as fault:
        raise ProcessFailedError(f"supervisord at {path} refuses: {fault.faultString}") from fault
