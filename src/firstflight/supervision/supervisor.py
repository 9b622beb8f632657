"""Programs kept alive by supervisord (http://supervisord.org), added and removed while it runs.

supervisord is a daemon: it survives whoever started it, restarts a program that ends for whatever reason
(after 1, 2, 3 … seconds while it keeps ending at once), and answers on a UNIX socket.
What it starts carries `FIRSTFLIGHT_SUPERVISOR` in its environment, so that nothing is lost sight of when
supervisord itself is killed.
"""

import fcntl
import glob
import http.client
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client  # the other end of the socket is our own supervisord
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil
from supervisor.datatypes import dict_of_key_value_pairs

from firstflight.domain.errors import ProcessFailedError, StackError
from firstflight.supervision.sockets import socket_folder

State = Literal["stopped", "starting", "running", "backoff", "stopping", "exited", "fatal", "unknown"]

MARK = "FIRSTFLIGHT_SUPERVISOR"
_ANSWER_SECONDS = 30
_STOP_SECONDS = 120  # supervisord itself kills what does not end in its own `stop_seconds`
_KILL_SECONDS = 10
_POLL_SECONDS = 0.05
_STABLE_SECONDS = 3  # a program that ends sooner has failed to start, and waits longer before each new try


@dataclass(frozen=True)
class Program:
    """One supervised process: started at once, restarted when it dies."""

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: Literal["TERM", "INT", "QUIT"] = "TERM"
    stop_seconds: int = 10
    priority: int = 500


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of one program; `detail` is its sentence for humans."""

    state: State
    pid: int | None
    detail: str


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if self._connection[1] is None:  # the base class keeps the connection here, and closes it
            self._connection = host, _UnixConnection(self._path)
        return super().make_connection(host)


class Supervisor:
    """A supervisord whose configuration, socket, pid and logs live in one private folder.

    Methods may be called from any number of processes and threads: changes are made one at a time.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is made or started yet.

        Raises:
            StackError: The path holds characters that supervisord would read as a pattern.
        """
        self.folder = folder.resolve()
        if glob.escape(str(self.folder)) != str(self.folder):
            raise StackError(f"{self.folder}: supervisord cannot read a folder whose path holds one of * ? [ ]")
        self._programs = self.folder / "programs"
        self._logs = self.folder / "logs"
        self._pidfile = self.folder / "supervisord.pid"

    def log(self, name: str) -> Path:
        """Return the file that holds what the program wrote to stdout and stderr."""
        return self._logs / f"{name}.log"

    def running(self) -> bool:
        """Return whether supervisord answers."""
        try:
            with self._rpc() as rpc:
                rpc.getState()
        except (OSError, http.client.HTTPException):
            return False
        return True

    def start(self, programs: Iterable[Program]) -> None:
        """Start supervisord with `programs` and those added earlier; when it runs, add what is new or changed.

        What a killed supervisord has left running is ended first, since it would hold the ports.

        Raises:
            ProcessFailedError: supervisord did not come up; the message holds what it said.
        """
        with self._alone():
            for program in programs:
                self._write(program)
            if self.running():
                self._reread()
                return
            self._end_strays()
            self._launch()

    def add(self, program: Program) -> None:
        """Start the program; replace it when its definition changed, start it again when it was given up.

        The definition stays on disk until `remove`: it comes back with the next `start`.

        Raises:
            ProcessFailedError: supervisord does not run.
            ValueError: The program cannot be written to supervisord's configuration.
        """
        with self._alone():
            self._write(program)
            self._reread(program.name)

    def remove(self, name: str) -> None:
        """Stop the program, wait until it is gone, forget it; an unknown name is no error."""
        with self._alone():
            self._file(name).unlink(missing_ok=True)
            if self.running():
                self._reread(name)

    def restart(self, name: str) -> None:
        """Stop the program, wait until it is gone, start it again; return without waiting for it to be ready.

        Raises:
            ProcessFailedError: supervisord does not run or knows no such program.
        """
        with self._alone(), self._calling() as rpc:
            self._stop_group(rpc, name)
            rpc.startProcess(name, False)

    def states(self) -> dict[str, ProgramState]:
        """Return the state of every program; empty when supervisord does not run.

        "running" says that the process has lived for 3 seconds, not that it answers.
        """
        if not self.running():
            return {}
        with self._calling() as rpc:
            return {
                info["name"]: ProgramState(
                    state=info["statename"].lower(),
                    pid=info["pid"] or None,
                    detail=info["spawnerr"] or info["description"],
                )
                for info in rpc.getAllProcessInfo()
            }

    def processes(self) -> list[psutil.Process]:
        """Return supervisord, its programs and all that descends from them, without the caller and its parents."""
        return _marked(self.folder)

    def stop(self) -> None:
        """End every program, highest priority number first, then supervisord; leave nothing running.

        Works too after supervisord was killed: its orphans are found and ended.
        """
        if not self.folder.exists():
            return
        with self._alone():
            if self.running():
                with self._calling() as rpc:
                    self._stop_in_order(rpc)
                    rpc.shutdown()
                self._await_end_of_daemon()
            self._end_strays()
        sockets = socket_folder(self.folder)
        if sockets != self.folder:
            self._socket().unlink(missing_ok=True)
            sockets.rmdir()

    def _file(self, name: str) -> Path:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
            raise ValueError(f"program {name!r}: a name is made of a-z, 0-9, _ . and -")
        return self._programs / f"{name}.conf"

    def _socket(self) -> Path:
        return socket_folder(self.folder) / "supervisor.sock"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder's lock, so that two callers cannot mix their changes."""
        for folder in (self.folder, self._programs, self._logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _rpc(self) -> Iterator[Any]:
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(self._socket()))
        with proxy:
            yield proxy.supervisor

    @contextmanager
    def _calling(self) -> Iterator[Any]:
        try:
            with self._rpc() as rpc:
                yield rpc
        except (OSError, http.client.HTTPException) as error:
            raise ProcessFailedError(f"supervisord in {self.folder} does not answer: {error}") from error
        except xmlrpc.client.Fault as fault:
            raise ProcessFailedError(f"supervisord in {self.folder} refuses: {fault.faultString}") from fault

    def _write(self, program: Program) -> None:
        lines = [f"[program:{program.name}]"]
        options = {
            "command": shlex.join(program.command),
            "directory": str(program.directory),
            "environment": _environment(program),
            "autorestart": "true",
            "startsecs": str(_STABLE_SECONDS),
            "startretries": "1000000",
            "stopsignal": program.stop_signal,
            "stopwaitsecs": str(program.stop_seconds),
            "stopasgroup": "true",
            "killasgroup": "true",
            "priority": str(program.priority),
            "redirect_stderr": "true",
            "stdout_logfile": str(self.log(program.name)),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "3",
        }
        if program.user is not None:
            options["user"] = program.user
        for key, value in options.items():
            if re.search(r"\s[#;]|[\n\r]|%\(here\)s", value):
                raise ValueError(f"program {program.name}: {key} holds a line break, %(here)s or a blank before # or ;")
            lines.append(f"{key} = {value.replace('%', '%%')}")
        _write_private(self._file(program.name), "\n".join(lines) + "\n")

    def _launch(self) -> None:
        configuration = self.folder / "supervisord.conf"
        lines = [
            "[unix_http_server]",
            f"file = {str(self._socket()).replace('%', '%%')}",
            "chmod = 0700",
            "[supervisord]",
            "logfile = %(here)s/supervisord.log",
            "logfile_maxbytes = 1MB",
            "logfile_backups = 1",
            "pidfile = %(here)s/supervisord.pid",
            "umask = 077",
            f"user = {os.getuid()}",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
            "[include]",
            "files = programs/*.conf",
        ]
        _write_private(configuration, "\n".join(lines) + "\n")
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            cwd=self.folder,
            env={**os.environ, MARK: str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            umask=0o077,
            check=False,
        )
        if done.returncode:
            raise ProcessFailedError(f"supervisord in {self.folder} did not start: {done.stdout}{done.stderr}".strip())
        if not _within(_ANSWER_SECONDS, self.running):
            raise ProcessFailedError(f"supervisord did not answer; see {self.folder / 'supervisord.log'}")

    def _reread(self, *names: str) -> None:
        """Bring supervisord in line with the files on disk: all of them, or those named."""
        with self._calling() as rpc:
            [[added, changed, removed]] = rpc.reloadConfig()
            for name in (*changed, *removed):
                if not names or name in names:
                    self._stop_group(rpc, name)
                    rpc.removeProcessGroup(name)
            for name in (*added, *changed):
                if not names or name in names:
                    rpc.addProcessGroup(name)
            for info in rpc.getAllProcessInfo():
                given_up = info["statename"] in {"STOPPED", "EXITED", "FATAL"} and info["start"] > 0
                if given_up and (not names or info["name"] in names):
                    rpc.startProcess(info["name"], False)

    def _stop_group(self, rpc: Any, *names: str) -> None:
        for name in names:
            rpc.stopProcessGroup(name, False)

        def stopped() -> bool:
            ended = {"STOPPED", "EXITED", "FATAL"}
            return all(info["statename"] in ended for info in rpc.getAllProcessInfo() if info["name"] in names)

        if not _within(_STOP_SECONDS, stopped):
            raise ProcessFailedError(f"{', '.join(names)}: still there {_STOP_SECONDS} s after being told to stop")

    def _stop_in_order(self, rpc: Any) -> None:
        levels: dict[int, list[str]] = {}
        for info in rpc.getAllConfigInfo():
            if info["inuse"]:
                levels.setdefault(info["group_prio"], []).append(info["group"])
        for priority in sorted(levels, reverse=True):
            self._stop_group(rpc, *levels[priority])

    def _await_end_of_daemon(self) -> None:
        """Wait until supervisord has gone; one that does not go is left to `_end_strays`."""
        _within(_KILL_SECONDS, lambda: not self._pidfile.exists())

    def _end_strays(self) -> None:
        """Ask whatever still carries our mark to end, then kill it."""
        strays = self.processes()
        for signal in (psutil.Process.terminate, psutil.Process.kill):
            for process in strays:
                _send(signal, process)
            if _within(_KILL_SECONDS, lambda: not any(is_alive(process) for process in strays)):
                return
        left = ", ".join(str(process.pid) for process in strays if is_alive(process))
        raise ProcessFailedError(f"cannot end processes {left}")


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still does anything: one that only waits for its parent to notice its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _environment(program: Program) -> str:
    """Write the variables so that supervisord's own parser reads the same ones back."""
    pairs = []
    for key, value in sorted(program.environment.items()):
        quote = "'" if '"' in value else '"'
        pairs.append(f"{key}={quote}{value}{quote}")
        try:
            read = dict_of_key_value_pairs(pairs[-1])
        except ValueError:
            read = {}
        if read != {key: value}:
            raise ValueError(f"program {program.name}: supervisord cannot hold the value of {key}; mind its quotes")
    return ",".join(pairs)


def _write_private(path: Path, text: str) -> None:
    """Replace the file in one step; it may hold secrets, so nobody else ever reads it."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _marked(folder: Path) -> list[psutil.Process]:
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(MARK) == str(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or somebody else's
    return found


def _send(signal: Callable[[psutil.Process], None], process: psutil.Process) -> None:
    try:
        signal(process)
    except psutil.NoSuchProcess:
        return


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
