"""Which model server serves what, at which ports: a table on disk, shared by all processes."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import RootModel

from firstflight.domain.errors import ServingError
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.supervision.files import locked, replace

SLOTS = 16
PORTS_PER_SLOT = 3
SERVER_PORTS = SLOTS * PORTS_PER_SLOT


class Server(Value):
    """One model server. `deployed` says that it has answered since it was put there."""

    version: ModelVersion
    slot: int
    deployed: bool = False


class ServerPorts(NamedTuple):
    """Loopback ports of one model server."""

    rest: int
    grpc: int
    metrics: int


class _Table(RootModel[dict[str, Server]]):
    pass


class ServerTable:
    """The servers by served name. A slot belongs to a name from `claim` to `release`, crashes included."""

    def __init__(self, folder: Path, first_port: int) -> None:
        """Keep the table in `folder`; slot 0 begins at `first_port`."""
        self._file = folder / "servers.json"
        self._first_port = first_port

    def ports(self, server: Server) -> ServerPorts:
        """Return the ports of the server's slot."""
        return self._ports(server.slot)

    def read(self) -> dict[str, Server]:
        """Return all servers, those not yet or no longer deployed included."""
        return _Table.model_validate_json(self._file.read_bytes()).root if self._file.exists() else {}

    def deployed(self) -> dict[str, Server]:
        """Return the servers that may be given traffic."""
        return {name: server for name, server in self.read().items() if server.deployed}

    def claim(self, name: str, version: ModelVersion) -> Server:
        """Return the server of `name`, entered with a free slot when there is none.

        Raises:
            ServingError: Every slot is taken, or its ports belong to somebody else.
        """
        with self._changing() as table:
            if name not in table:
                used = {server.slot for server in table.values()}
                free = [s for s in range(SLOTS) if s not in used and all(map(is_free, self._ports(s)))]
                if not free:
                    raise ServingError(
                        f"no room for {name}: {len(used)} of {SLOTS} model servers are in use ("
                        f"{', '.join(sorted(table))}), the ports of the others (from {self._first_port}) are taken; "
                        "free one with `firstflight undeploy NAME`, or its ports"
                    )
                table[name] = Server(version=version, slot=free[0])
            return table[name]

    def mark(self, name: str, *, deployed: bool) -> None:
        """Write down whether `name` may be given traffic; an unknown name is no error."""
        with self._changing() as table:
            if name in table:
                table[name] = table[name].model_copy(update={"deployed": deployed})

    def release(self, name: str) -> None:
        """Strike `name` out and free its slot; an unknown name is no error."""
        with self._changing() as table:
            table.pop(name, None)

    def _ports(self, slot: int) -> ServerPorts:
        first = self._first_port + PORTS_PER_SLOT * slot
        return ServerPorts(first, first + 1, first + 2)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Server]]:
        with locked(self._file.with_suffix(".lock")):
            table = self.read()
            yield table
            replace(self._file, _Table(table).model_dump_json())


def is_free(port: int) -> bool:
    """Return whether nobody listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no listeners
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:  # macOS lets us bind beside one on 0.0.0.0
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
