"""Whose gateway it is that answers."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

import pytest

from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.errors import BackendUnavailableError, ForeignGatewayError
from firstflight.serving.local import loopback
from firstflight.serving.local.backend import LocalBackend
from firstflight.serving.local.diagnosis import read_serving, serving_findings
from firstflight.serving.local.gateway import Gateway
from firstflight.settings import Ports, Settings
from firstflight.world import open_world
from tests.conftest import free_ports
from tests.serving_bench import until

LISTENER = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
HTTPServer(('127.0.0.1', int(sys.argv[1])), BaseHTTPRequestHandler).serve_forever()
"""


@contextmanager
def listening(*more: str) -> Iterator[Ports]:
    """A process that listens where clients would find the gateway, with more words in its command line."""
    ports = free_ports()
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(ports.gateway), *more], stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: _answers(ports.gateway))
            yield ports
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        return loopback.get(port, "/").code > 0
    except BackendUnavailableError:
        return False


@contextmanager
def envoy(settings: Settings, state: str = "LIVE") -> Iterator[None]:
    """Something at the socket of the home's gateway that says this state, and no routes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"state": state}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            """A client of a socket has none."""
            return ""

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    gateway = Gateway(settings)
    gateway.folder.mkdir(parents=True, exist_ok=True)
    with UnixStreamServer(str(gateway.admin), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield
        server.shutdown()
    gateway.admin.unlink()


def test_the_gateway_of_another_home_is_refused(tmp_path: Path) -> None:
    """Both homes use the same ports; nothing that the other one says counts, and its home is named."""
    with listening("--config-path", str(tmp_path / "theirs" / "gateway" / "bootstrap.json")) as ports:
        settings = Settings(home=tmp_path / "ours", ports=ports)
        backend = LocalBackend(settings)
        asks: tuple[Callable[[], object], ...] = (
            lambda: backend.get_traffic("churn"),
            lambda: backend.tallies("churn"),
            lambda: backend.go_home("churn"),
            lambda: bring_model_home(open_world(settings), "churn", actor="ada", reason="stop"),
        )
        for ask in asks:
            with pytest.raises(ForeignGatewayError, match=f"FIRSTFLIGHT_HOME={tmp_path / 'theirs'}"):
                ask()
        found = list(serving_findings(read_serving(settings)))
    assert ["gateway-foreign", "split-none"] == [one.id for one in found]


def test_what_is_no_gateway_is_refused(tmp_path: Path) -> None:
    """A port that somebody else took."""
    with listening() as ports, pytest.raises(ForeignGatewayError, match="no gateway"):
        LocalBackend(Settings(home=tmp_path, ports=ports)).get_traffic("churn")


def test_a_gateway_that_has_not_read_its_files_says_nothing(tmp_path: Path) -> None:
    """It has no counters yet either: none are not zero."""
    settings = Settings(home=tmp_path, ports=free_ports())
    with envoy(settings, "INITIALIZING"), pytest.raises(BackendUnavailableError, match="starting"):
        LocalBackend(settings).tallies("churn")


def test_a_link_to_the_same_home_is_the_same_home(tmp_path: Path) -> None:
    """Where the home is reached by two names."""
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    ports = free_ports()
    with envoy(Settings(home=tmp_path / "home", ports=ports)):
        assert LocalBackend(Settings(home=tmp_path / "link", ports=ports)).get_traffic("churn") is None


def test_a_gateway_is_well_only_when_clients_are_answered(tmp_path: Path) -> None:
    """One that drained its listeners still says that it is ready."""
    settings = Settings(home=tmp_path, ports=free_ports())
    with envoy(settings):
        assert not Gateway(settings).is_well()
    with listening() as ports:
        settings = Settings(home=tmp_path, ports=ports)
        assert not Gateway(settings).is_well()
        with envoy(settings):
            assert Gateway(settings).is_well()
