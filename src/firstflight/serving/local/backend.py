"""Serving on one machine: one supervised MLServer for each served name, Envoy in front of them."""

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import (
    BackendUnavailableError,
    ModelNotReadyError,
    ProcessFailedError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.serving.backend import RouterTally
from firstflight.serving.local import loopback, model_server
from firstflight.serving.local.environments import Environments, is_apart
from firstflight.serving.local.envoy.names import PREFIX
from firstflight.serving.local.gateway import Gateway
from firstflight.serving.local.model_server import program_name
from firstflight.serving.local.servers import Server, ServerTable
from firstflight.serving.preconditions import refuse_other_files, refuse_other_version, refuse_used, routes_using
from firstflight.serving.tallies import tallies
from firstflight.settings import Local
from firstflight.supervision.files import locked
from firstflight.supervision.program import ProgramState
from firstflight.supervision.supervisor import Supervisor

READY_SECONDS = 90.0
"""Longest wait for a model server: 3 s alone on a quiet machine, 17 s when three start on two busy cores."""
READY_SECONDS_APART = 300.0
"""The same in an environment of its own: MLflow takes 10 s to import the first time, and the model may be large."""
_POLL_SECONDS = 0.1
_LOG_LINES = 12
_ENDED = {"backoff", "exited", "fatal"}


class LocalBackend:
    """The model servers and the gateway of the local stack below `settings.home`.

    Keeps nothing in memory: any number of processes may use one at the same time.
    """

    bounds_itself = False
    reads_router = True

    def __init__(self, settings: Local) -> None:
        """Name the stack; nothing is started or asked yet."""
        self._settings = settings
        self._folder = settings.home / "serving"
        self._table = ServerTable(self._folder, settings.ports.servers)
        self._supervisor = Supervisor(settings.supervisor_folder)
        self._gateway = Gateway(settings)
        self._environments = Environments(settings)

    def deploy(self, version: ModelVersion, artifact: Path, name: str | None = None) -> None:
        """Copy the artifact, start its server and wait until it has loaded exactly that."""
        name = name or version.served_name
        refuse_other_files(name, version, artifact)
        with locked(self._folder / "locks" / name):  # one deploy of a name at a time; others go on
            with self._gateway.changing() as splits:
                present = self._table.read().get(name)
                refuse_other_version(name, version, present.version if present else None, splits)
                if present and present.version != version:
                    self._table.mark(name, deployed=False)
            if present and present.version != version:
                self._remove(name)
            server = self._table.claim(name, version)
            try:
                self._start(name, server, artifact)
                self._await(name, server)
            except ModelNotReadyError:
                self._withdraw(name)
                raise
            self._table.mark(name, deployed=True)

    def undeploy(self, name: str) -> None:
        """Stop the server of `name` and forget it."""
        with locked(self._folder / "locks" / name):
            with self._gateway.changing() as splits:
                refuse_used(name, splits)
                self._table.mark(name, deployed=False)
            self._remove(name)

    def is_ready(self, name: str) -> bool:
        """Whether the server of `name` says that its model is ready."""
        server = self._table.read().get(name)
        return server is not None and self._ready(server)

    def served(self) -> frozenset[str]:
        """Names that have a model server."""
        return frozenset(self._table.read())

    def stopped(self) -> frozenset[str]:
        """Names whose server was stopped on purpose, by `evict`, and not deployed again."""
        return frozenset(self._table.read().keys() - self._table.deployed().keys())

    def stables(self) -> Mapping[str, str]:
        """Return the stable model of each route, but those that were stopped on purpose."""
        meant = self._table.deployed()
        return {route: split.stable for route, split in self._gateway.splits().items() if split.stable in meant}

    def revive(self, name: str) -> None:
        """Restart the server of `name`: the supervisor does so when it ends, not when it hangs or gave up.

        Its log then says where it hung.
        """
        with suppress(ProcessFailedError):  # it may have ended meanwhile
            self._supervisor.signal(program_name(name), "USR1")
        try:
            self._supervisor.restart(program_name(name))
        except ProcessFailedError as error:
            raise BackendUnavailableError(f"cannot restart the server of {name}: {error}") from error

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Write the split to the gateway and return what the gateway then reports."""
        self._gateway.set_split(route, split, token)
        if (actual := self.get_traffic(route)) != split:
            raise TrafficNotAppliedError(f"{route}: the gateway reports {actual}, wanted {split}")
        return split

    def go_home(self, route: str) -> TrafficSplit | None:
        """Have the gateway send all of `route` to its stable model, and return what it then reports."""
        self._gateway.go_home(route)
        reported = self.get_traffic(route)
        if reported is not None and reported != TrafficSplit.all_to(reported.stable):
            raise TrafficNotAppliedError(f"{route}: the gateway reports {reported}, wanted all to {reported.stable}")
        return reported

    def evict(self, name: str) -> None:
        """End the server of `name`, whatever the gateway does; it finds out within a second."""
        try:
            self._supervisor.remove(program_name(name))
        except ProcessFailedError as error:
            raise BackendUnavailableError(f"cannot stop the server of {name}: {error}") from error
        self._table.mark(name, deployed=False)

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """Return what Envoy counted of the models of `route`."""
        names = [name for name, server in self._table.read().items() if server.version.model == route]
        return {name: RouterTally() for name in names} | dict(tallies(self._gateway.counted(), names))

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split of `route` that the running gateway reports."""
        return self._gateway.splits().get(route)

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest that the server of `name` took of its files when it loaded them."""
        server = self._table.read().get(name)
        return self._digest(name, server) if server else None

    def _start(self, name: str, server: Server, artifact: Path) -> None:
        folder = self._folder / "models" / name / "artifact"
        if not (folder.exists() and folder_digest(folder) == server.version.digest):
            _copy(artifact, folder)
        python = self._environments.python(name, folder)
        ports = self._table.ports(server)
        program = model_server.program(self._settings, name, server.version, folder, ports, python)
        try:
            self._supervisor.add(program)
        except ProcessFailedError as error:
            raise BackendUnavailableError(f"cannot start a server for {name}: {error}; run `firstflight up`") from error

    def _await(self, name: str, server: Server) -> None:
        """Wait until the server has loaded the version.

        Raises:
            ModelNotReadyError: It ended, loaded something else, or took too long.
        """
        begin, first_pid = time.monotonic(), None
        apart = is_apart(self._folder / "models" / name / "artifact")
        longest = READY_SECONDS_APART if apart else READY_SECONDS
        while not self._ready(server):
            waited = time.monotonic() - begin
            state = self._state(name)
            first_pid = first_pid or state.pid
            if state.state in _ENDED or (state.pid and state.pid != first_pid):
                raise ModelNotReadyError(f"{name} ({server.version}): its server ended while loading{self._said(name)}")
            if waited > longest:
                raise ModelNotReadyError(
                    f"{name} ({server.version}) not ready after {waited:.0f} s, it has {longest:.0f} s to load; its "
                    f"server is {state.state}{self._said(name)}"
                )
            time.sleep(_POLL_SECONDS)
        if (digest := self._digest(name, server)) != server.version.digest:
            raise ModelNotReadyError(f"{name} loaded {digest}, wanted {server.version.digest} of {server.version}")

    def _state(self, name: str) -> ProgramState:
        try:
            return self._supervisor.states()[program_name(name)]
        except (KeyError, ProcessFailedError) as error:
            raise BackendUnavailableError(
                f"{name}: the supervisor does not run its server; run `firstflight up`"
            ) from error

    def _ready(self, server: Server) -> bool:
        # Not /v2/health/ready: that is 200 with no model at all.
        try:
            return loopback.get(self._table.ports(server).rest, f"{PREFIX}{server.version.model}/ready").ok
        except BackendUnavailableError:
            return False

    def _digest(self, name: str, server: Server) -> str | None:
        try:
            answer = loopback.get(self._table.ports(server).rest, f"{PREFIX}{server.version.model}")
        except BackendUnavailableError:
            return None
        described = answer.json().get("parameters", {}) if answer.ok else {}
        digest: str | None = described.get("digest") if described.get("served_name") == name else None
        return digest

    def _withdraw(self, name: str) -> None:
        """Remove a server that does not load, unless traffic depends on it: then the supervisor keeps trying."""
        with self._gateway.changing() as splits:
            if routes_using(name, splits):
                return
            self._table.mark(name, deployed=False)
        self._remove(name)

    def _remove(self, name: str) -> None:
        try:
            self._supervisor.remove(program_name(name))
        except ProcessFailedError as error:
            raise BackendUnavailableError(f"cannot stop the server of {name}: {error}") from error
        shutil.rmtree(self._folder / "models" / name, ignore_errors=True)
        self._gateway.forget(name)
        self._table.release(name)
        self._environments.clean()

    def _said(self, name: str) -> str:
        log = self._supervisor.log(program_name(name))
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        telling = [line for line in lines if "INFO" not in line]  # MLServer's long farewell hides the reason
        return f"; last lines of {log}:\n" + "\n".join(telling[-_LOG_LINES:])


def _copy(artifact: Path, folder: Path) -> None:
    fresh = folder.with_name("artifact.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(artifact, fresh)
    fresh.rename(folder)
