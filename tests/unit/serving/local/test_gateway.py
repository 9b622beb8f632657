"""Whose gateway it is that answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.errors import BackendUnavailableError, ForeignGatewayError
from firstflight.serving.local.backend import LocalBackend
from firstflight.serving.local.diagnosis import read_serving, serving_findings
from firstflight.settings import Ports, Settings
from firstflight.world import open_world


@contextmanager
def envoy(said: object) -> Iterator[Ports]:
    """Something at the admin port that says this to every question."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Ports(gateway_admin=server.server_port)
        server.shutdown()


def info(home: Path, state: str = "LIVE") -> object:
    """What the Envoy of a home says of itself."""
    return {"state": state, "command_line_options": {"config_path": str(home / "gateway" / "bootstrap.json")}}


def test_the_gateway_of_another_home_is_refused(tmp_path: Path) -> None:
    """Both homes use the same ports; nothing that the other one says counts, and its home is named."""
    with envoy(info(tmp_path / "theirs")) as ports:
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


def test_the_doctor_says_whose_it_is(tmp_path: Path) -> None:
    """A home of its own name, and no line about a split that is another's."""
    (tmp_path / "ours" / "gateway").mkdir(parents=True)
    with envoy(info(tmp_path / "theirs")) as ports:
        found = list(serving_findings(read_serving(Settings(home=tmp_path / "ours", ports=ports))))
    assert ["gateway-foreign", "split-none"] == [one.id for one in found]


def test_what_is_no_gateway_is_refused(tmp_path: Path) -> None:
    """A port that somebody else took."""
    with envoy([]) as ports, pytest.raises(ForeignGatewayError, match="no gateway"):
        LocalBackend(Settings(home=tmp_path, ports=ports)).get_traffic("churn")


def test_a_gateway_that_has_not_read_its_files_says_nothing(tmp_path: Path) -> None:
    """It has no counters yet either: none are not zero."""
    with envoy(info(tmp_path, "INITIALIZING")) as ports, pytest.raises(BackendUnavailableError, match="starting"):
        LocalBackend(Settings(home=tmp_path, ports=ports)).tallies("churn")


def test_a_link_to_the_same_home_is_the_same_home(tmp_path: Path) -> None:
    """Where the home is reached by two names."""
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    with envoy(info(tmp_path / "home")) as ports:
        assert LocalBackend(Settings(home=tmp_path / "link", ports=ports)).get_traffic("churn") is None
