"""Ports: free, taken, wanted twice, or already ours."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.domain.errors import StackError
from firstflight.serving.local.servers import SERVER_PORTS, is_free
from firstflight.settings import Ports
from firstflight.stack.ports import check_ports
from firstflight.stack.reclaim import reclaim
from firstflight.supervision.program import Program
from firstflight.supervision.supervisor import Supervisor

LISTEN = "import socket, sys; socket.create_server(('127.0.0.1', int(sys.argv[1]))).accept()"


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """A listener that is not ours, on a port of its own, sharing it with whoever asks for that."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


@pytest.fixture
def ports() -> Ports:
    """A port nobody listens on for each part."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        first = probe.getsockname()[1] % 10_000 + 20_000
    while not all(is_free(port) for port in range(first, first + 60)):
        first += 60
    names = ("prefect", "mlflow", "gateway", "outcomes", "exporter", "guard", "servers")
    return Ports(**{name: first + step for step, name in enumerate(names)})


def test_free_ports_pass(ports: Ports, supervisor: Supervisor) -> None:
    """Nothing listens: nothing to say."""
    check_ports(ports, supervisor)


def test_a_listener_that_shares_its_port_is_seen(stranger: socket.socket) -> None:
    """A second Envoy would be let in beside it in silence."""
    assert not is_free(stranger.getsockname()[1])


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104  # binding to all interfaces is what must be seen
def test_a_listener_on_all_addresses_is_seen(address: str) -> None:
    """Somebody who listens everywhere listens on loopback too."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listener:
        assert not is_free(listener.getsockname()[1])


def test_a_taken_port_is_named(ports: Ports, supervisor: Supervisor, stranger: socket.socket) -> None:
    """The error names port, setting and holder."""
    port = stranger.getsockname()[1]

    with pytest.raises(
        StackError, match=rf"port {port} \(FIRSTFLIGHT_PORT_MLFLOW\) is taken by process {os.getpid()} "
    ):
        check_ports(ports.model_copy(update={"mlflow": port}), supervisor)


def test_a_taken_port_of_the_model_servers_is_named(ports: Ports, supervisor: Supervisor) -> None:
    """The whole block of the model servers is asked for."""
    last = ports.servers + SERVER_PORTS - 1
    refused = pytest.raises(StackError, match=rf"port {last} \(FIRSTFLIGHT_PORT_SERVERS\)")
    with socket.create_server(("127.0.0.1", last)), refused:
        check_ports(ports, supervisor)


def test_a_port_wanted_twice_is_refused(ports: Ports, supervisor: Supervisor) -> None:
    """Two parts cannot share one port; both settings are named."""
    with pytest.raises(StackError, match=r"wanted twice, by FIRSTFLIGHT_PORT_PREFECT and FIRSTFLIGHT_PORT_MLFLOW"):
        check_ports(ports.model_copy(update={"mlflow": ports.prefect}), supervisor)


def test_our_own_port_may_be_kept_and_reclaimed(ports: Ports, supervisor: Supervisor) -> None:
    """What the stack holds already is no stranger; a restarted part may end who holds its port."""
    port = ports.prefect
    program = Program("listener", (sys.executable, "-c", LISTEN, str(port)), Path("/"))
    supervisor.start([program])
    deadline = time.monotonic() + 120
    while is_free(port):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    holder = supervisor.states()["listener"].pid

    check_ports(ports, supervisor)
    reclaim(port, supervisor)

    assert holder not in [process.pid for process in supervisor.processes()]


def test_a_strangers_port_is_not_reclaimed(supervisor: Supervisor, stranger: socket.socket) -> None:
    """Only the stack's own processes are ever ended."""
    reclaim(stranger.getsockname()[1], supervisor)

    assert not is_free(stranger.getsockname()[1])
