"""Who is told metrics, and how."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from firstflight.telemetry.serve import door, served


@pytest.fixture
def registry() -> CollectorRegistry:
    """One counter."""
    found = CollectorRegistry()
    Counter("things", "Things.", registry=found).inc()
    return found


def ask(registry: CollectorRegistry, path: str, host: str, *, at_home: bool, accept: str = "") -> tuple[int, bytes]:
    """Return what is answered."""
    said: list[str] = []

    def start(status: str, _headers: object) -> None:
        said.append(status)

    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_HOST": host, "HTTP_ACCEPT": accept}
    body: Iterable[bytes] = door(registry, at_home=at_home)(environ, start)
    return int(said[0].split()[0]), b"".join(body)


def test_prometheus_takes_text_or_openmetrics(registry: CollectorRegistry) -> None:
    """By what it accepts."""
    plain = ask(registry, "/metrics", "localhost:4811", at_home=True)
    both = ask(registry, "/metrics", "127.0.0.1", at_home=True, accept="application/openmetrics-text; version=1.0.0")
    assert (HTTPStatus.OK, True, False) == (plain[0], b"things_total 1.0" in plain[1], plain[1].endswith(b"# EOF\n"))
    assert (HTTPStatus.OK, True) == (both[0], both[1].endswith(b"# EOF\n"))


@pytest.mark.parametrize(
    ("path", "host", "at_home", "status"),
    [
        ("/metrics", "evil.example:4811", True, HTTPStatus.MISDIRECTED_REQUEST),
        ("/metrics", "", True, HTTPStatus.MISDIRECTED_REQUEST),
        ("/metrics", "10.0.0.7:4811", False, HTTPStatus.OK),
        ("/health", "127.0.0.1:4811", True, HTTPStatus.OK),
        ("/", "127.0.0.1:4811", True, HTTPStatus.NOT_FOUND),
    ],
)
def test_a_page_elsewhere_reads_nothing(
    registry: CollectorRegistry, path: str, host: str, status: HTTPStatus, *, at_home: bool
) -> None:
    """On loopback only this machine's own names are answered; in a cluster a network policy says who comes."""
    assert status == ask(registry, path, host, at_home=at_home)[0]


def test_it_answers_over_http(registry: CollectorRegistry) -> None:
    """A port that is taken is an error, and no second server beside the first."""
    with served(registry, "127.0.0.1", 0) as port:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=120) as client:
            assert "things_total 1.0" in client.get("/metrics").text
            refused = client.get("/metrics", headers={"Host": "evil.example"})
        assert HTTPStatus.MISDIRECTED_REQUEST == refused.status_code
        with pytest.raises(OSError, match="in use"), served(registry, "127.0.0.1", port):
            pass
