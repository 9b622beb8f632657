"""Loopback ports: each belongs to one part of the stack, and to nobody else, before anything starts.

Envoy and gRPC servers share a port with a stale process in silence (SO_REUSEPORT), so asking first is the only way.
"""

from collections import Counter

import psutil

from firstflight.domain.errors import StackError
from firstflight.serving.local.servers import SERVER_PORTS, is_free
from firstflight.settings import Ports
from firstflight.supervision.supervisor import Supervisor


def check_ports(ports: Ports, supervisor: Supervisor) -> None:
    """Return when every port is free or already held by a process of this stack.

    Raises:
        StackError: Names the port, its setting and, when it can be seen, who holds it.
    """
    wanted = _wanted(ports)
    for port, count in Counter(port for port, _ in wanted).items():
        if count > 1:
            names = " and ".join(variable for number, variable in wanted if number == port)
            raise StackError(f"port {port} is wanted twice, by {names}: give each its own")
    taken = [(port, variable) for port, variable in wanted if not is_free(port)]
    ours = listening(supervisor.processes()) if taken else {}
    for port, variable in taken:
        if port not in ours:
            raise StackError(
                f"port {port} ({variable}) is taken{_by_whom(port)}: end that process, or set {variable} to a free port"
            )


def _wanted(ports: Ports) -> list[tuple[int, str]]:
    single = [
        (port, f"FIRSTFLIGHT_PORT_{name.upper()}") for name, port in ports.model_dump().items() if name != "servers"
    ]
    return single + [(ports.servers + step, "FIRSTFLIGHT_PORT_SERVERS") for step in range(SERVER_PORTS)]


def listening(processes: list[psutil.Process]) -> dict[int, psutil.Process]:
    """Return which of `processes` listens on which TCP port; one that cannot be looked at is left out."""
    found = {}
    for process in processes:
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue  # gone meanwhile, or another user's
        found.update({item.laddr.port: process for item in connections if item.status == psutil.CONN_LISTEN})
    return found


def _by_whom(port: int) -> str:
    process = listening(list(psutil.process_iter())).get(port)
    if process is None:
        return ""
    with process.oneshot():
        try:
            return f" by process {process.pid} ({' '.join(process.cmdline())[:60]})"
        except psutil.Error:
            return ""
