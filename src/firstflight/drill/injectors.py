"""How each fault is made to happen, on this machine, to processes of this user."""

import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from firstflight.domain.errors import ProcessFailedError
from firstflight.drill.driver import Driver
from firstflight.drill.faults import FaultName
from firstflight.serving.local import gateway, model_server
from firstflight.settings import Settings
from firstflight.supervision.supervisor import Supervisor


class Injector(Protocol):
    """Makes one fault happen."""

    def strike(self) -> None:
        """Let it begin."""

    def again(self) -> None:
        """Called every moment from then on, until the candidate is home: a fault that lasts goes on."""


class Nothing:
    """The candidate's own runtime is what is broken: it is so from its first request on."""

    def strike(self) -> None:
        """Do nothing."""

    def again(self) -> None:
        """Do nothing."""


class Kill:
    """SIGKILL of whatever process `pid` names now (None: it is down at the moment); again when it `lasts`."""

    def __init__(self, pid: Callable[[], int | None], *, lasts: bool = False) -> None:
        self._pid = pid
        self._lasts = lasts

    def strike(self) -> None:
        """Kill it."""
        if (pid := self._pid()) is not None:
            with suppress(ProcessLookupError):  # it died in between
                os.kill(pid, signal.SIGKILL)

    def again(self) -> None:
        """Kill its successor."""
        if self._lasts:
            self.strike()


class FullDisk:
    """From the strike on no file can grow that the process writes (prlimit(2); needs no root, Linux alone has it)."""

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid

    def strike(self) -> None:
        """Set the limit; its hard one stays. Raises ProcessFailedError when the process has ended."""
        if (pid := self._pid()) is None:
            raise ProcessFailedError("the process whose disk is to be full has ended already")
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))

    def again(self) -> None:
        """The limit stays."""


def injector(name: FaultName, settings: Settings, driver: Driver, candidate: str) -> Injector:
    """Return what makes the fault `name` happen to a rollout of the served name `candidate`."""
    supervisor = Supervisor(settings.supervisor_folder)

    def pid_of(program: str) -> int | None:
        state = supervisor.states().get(program)
        return state.pid if state else None

    match name:
        case "candidate":
            return Kill(lambda: pid_of(model_server.program_name(candidate)), lasts=True)
        case "gateway":
            return Kill(lambda: pid_of(gateway.NAME))
        case "driver":
            return Kill(lambda: driver.pid)
        case "disk":
            return FullDisk(lambda: driver.pid)
        case "errors" | "latency" | "inverted":
            return Nothing()
