"""Programs kept alive by supervisord (http://supervisord.org), added and removed while it runs.

supervisord is a daemon: it survives whoever started it, restarts a program that ends for whatever reason
(after 1, 2, 3 … seconds while it keeps ending at once), and answers on a UNIX socket.
What it starts carries `FIRSTFLIGHT_SUPERVISOR` in its environment, so that nothing is lost sight of when
supervisord itself is killed.
"""

import glob
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import psutil

from firstflight.domain.errors import ProcessFailedError, StackError
from firstflight.supervision.files import locked, replace
from firstflight.supervision.processes import MARK, end, marked, within
from firstflight.supervision.program import Program, ProgramState, section
from firstflight.supervision.rpc import ANSWER_SECONDS, calling
from firstflight.supervision.sockets import socket_folder

_STOP_SECONDS = 120  # supervisord itself kills what does not end in its own `stop_seconds`
_LEAVE_SECONDS = 10
_ENDED = {"STOPPED", "EXITED", "FATAL"}
_INHERITED = re.compile(
    r"(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TMPDIR|(LD|DYLD)_LIBRARY_PATH|PGPASSFILE)$|(HTTPS?|ALL|NO)_PROXY$"
    r"|LC_|SSL_CERT_|PGSSL|OPENBLAS_|MKL_|CUDA_|NVIDIA_|MALLOC_",
    re.IGNORECASE,
)
"""What programs take over from the shell that starts supervisord: how a machine is, never what its user knows."""


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
        """Return whether supervisord answers, and is not about to end."""
        try:
            with self._calling() as rpc:
                rpc.getState()
        except ProcessFailedError:
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
            end(self.processes())
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

    def signal(self, name: str, signal: Literal["USR1"]) -> None:
        """Send the program a signal.

        Raises:
            ProcessFailedError: supervisord does not run, or knows no such running program.
        """
        with self._calling() as rpc:
            rpc.signalProcess(name, signal)

    def restart(self, name: str) -> None:
        """Stop the program, wait until it is gone, start it again; return without waiting for it to be ready.

        Raises:
            ProcessFailedError: supervisord does not run or knows no such program.
        """
        with self._alone(), self._calling() as rpc:
            self._stop_group(rpc, name)
            rpc.startProcess(name, False)

    def states(self) -> dict[str, ProgramState]:
        """Return the state of every program; empty when supervisord does not run."""
        if not self.running():
            return {}
        with self._calling() as rpc:
            return {
                info["name"]: ProgramState(state=info["statename"].lower(), pid=info["pid"] or None)
                for info in rpc.getAllProcessInfo()
            }

    def processes(self) -> list[psutil.Process]:
        """Return supervisord, its programs and all that descends from them, without the caller and its parents."""
        return marked(self.folder)

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
                within(_LEAVE_SECONDS, lambda: not self._pidfile.exists())  # one that stays is ended as a stray
            end(self.processes())
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
        with locked(self.folder / "lock"):
            yield

    def _calling(self) -> AbstractContextManager[Any]:
        return calling(self._socket())

    def _write(self, program: Program) -> None:
        replace(self._file(program.name), section(program, self.log(program.name)))

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
        replace(configuration, "\n".join(lines) + "\n")
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
            cwd=self.folder,
            env={**{name: os.environ[name] for name in os.environ if _INHERITED.match(name)}, MARK: str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            umask=0o077,
            check=False,
        )
        if done.returncode:
            raise ProcessFailedError(f"supervisord in {self.folder} did not start: {done.stdout}{done.stderr}".strip())
        if not within(ANSWER_SECONDS, self.running):
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
                given_up = info["statename"] in _ENDED and info["start"] > 0
                if given_up and (not names or info["name"] in names):
                    rpc.startProcess(info["name"], False)

    def _stop_group(self, rpc: Any, *names: str) -> None:
        for name in names:
            rpc.stopProcessGroup(name, False)

        def stopped() -> bool:
            return all(info["statename"] in _ENDED for info in rpc.getAllProcessInfo() if info["name"] in names)

        if not within(_STOP_SECONDS, stopped):
            raise ProcessFailedError(f"{', '.join(names)}: still there {_STOP_SECONDS} s after being told to stop")

    def _stop_in_order(self, rpc: Any) -> None:
        levels: dict[int, list[str]] = {}
        for info in rpc.getAllConfigInfo():
            if info["inuse"]:
                levels.setdefault(info["group_prio"], []).append(info["group"])
        for priority in sorted(levels, reverse=True):
            self._stop_group(rpc, *levels[priority])
