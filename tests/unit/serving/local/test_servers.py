"""The table of model servers."""

import socket
from pathlib import Path

import pytest

from firstflight.domain.errors import ServingError
from firstflight.domain.versions import ModelVersion
from firstflight.serving.local.servers import SLOTS, ServerTable
from tests.conftest import free_ports

VERSION = ModelVersion(model="direction", variant="baseline", number=1, digest="sha256:" + 64 * "0")


@pytest.fixture
def table(tmp_path: Path) -> ServerTable:
    """An empty table at free ports."""
    return ServerTable(tmp_path, free_ports().servers)


def test_a_name_keeps_its_slot(table: ServerTable, tmp_path: Path) -> None:
    """Claiming again, from another process too, gives the same ports."""
    first, second = table.claim("a", VERSION), table.claim("b", VERSION)
    assert [0, 1] == [first.slot, second.slot]
    again = ServerTable(tmp_path, table.ports(first).rest)
    assert second == again.claim("b", VERSION)


def test_a_released_slot_is_used_again(table: ServerTable) -> None:
    """The lowest free slot is taken."""
    for name in ("a", "b", "c"):
        table.claim(name, VERSION)
    table.release("b")
    table.release("never-there")
    assert 1 == table.claim("d", VERSION).slot


def test_ports_of_somebody_else_are_left_alone(table: ServerTable) -> None:
    """A slot of which another process holds a port is skipped."""
    ports = table.ports(table.claim("a", VERSION))
    table.release("a")
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.grpc))
        stranger.listen()
        assert 1 == table.claim("a", VERSION).slot


def test_no_room_is_said(table: ServerTable) -> None:
    """The seventeenth server is refused, naming what runs."""
    for number in range(SLOTS):
        table.claim(f"model-{number}", VERSION)
    with pytest.raises(ServingError, match=r"16 of 16 .*model-7"):
        table.claim("one-more", VERSION)


def test_only_deployed_servers_may_have_traffic(table: ServerTable) -> None:
    """A server counts from the moment it is marked until it is no longer."""
    table.claim("a", VERSION)
    assert {} == table.deployed()
    table.mark("a", deployed=True)
    assert {"a"} == set(table.deployed())
    table.mark("a", deployed=False)
    table.mark("never-there", deployed=True)
    assert {} == table.deployed()
