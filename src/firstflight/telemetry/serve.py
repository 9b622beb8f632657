"""`GET /metrics` over HTTP, as text or, to whoever accepts it, as OpenMetrics."""

import ipaddress
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

StartResponse = Callable[[str, list[tuple[str, str]]], object]
_HOME_NAMES = {"127.0.0.1", "localhost"}
_POLL_SECONDS = 0.1
"""Nobody who ends waits longer for this."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the standard library
        """Log no requests."""


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Answer on `host` and `port` from a thread of its own, and yield the port; raises OSError when it is taken.

    On loopback only who asks by this machine's own names is answered: other names are those of pages.
    """
    at_home = ipaddress.ip_address(host).is_loopback
    with make_server(host, port, door(registry, at_home=at_home), _Server, _Silent) as server:
        threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def door(registry: CollectorRegistry, *, at_home: bool) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """Return the WSGI application that tells what `registry` holds."""
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: StartResponse) -> Iterable[bytes]:
        if at_home and re.sub(r":\d+$", "", environ.get("HTTP_HOST", "")) not in _HOME_NAMES:
            return _say(start, HTTPStatus.MISDIRECTED_REQUEST, "ask by 127.0.0.1 or localhost")
        match environ["PATH_INFO"]:
            case "/metrics":
                found: Iterable[bytes] = metrics(environ, start)
                return found
            case "/health":
                return _say(start, HTTPStatus.OK, "ok")
        return _say(start, HTTPStatus.NOT_FOUND, "there is /metrics")

    return answer


def _say(start: StartResponse, status: HTTPStatus, text: str) -> Iterable[bytes]:
    start(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]
