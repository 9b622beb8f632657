"""Die at a named place: a process that is armed kills itself when it crosses the point it has been told.

A crossing lies before and after whatever changes the world: each record of the ledger, each call that moves traffic,
each file by which it is moved, each alias, each lease. Only `arm` knows how; nothing of the product knows of it.

    ├─ set_traffic ────────────────────────────────────────────────┤
    before   replace fences.json   cds.json   rds.json          after
"""

import functools
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextvars import ContextVar
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from firstflight.domain.values import Value
from firstflight.ledger.sql import SqlRecordStore
from firstflight.registry.mlflow_registry import MlflowRegistry
from firstflight.serving.lease import LeaseFile
from firstflight.serving.local import gateway
from firstflight.serving.local.backend import LocalBackend
from firstflight.settings import Settings
from firstflight.supervision.supervisor import Supervisor

When = Literal["before", "after"]


class Doom(Value):
    """Where a process that works on a model is to die, and who with it."""

    id: str
    point: str = Field(description="What is crossed, a pattern: `append stage.entered`, `set_traffic`, `*`.")
    when: When = "before"
    nth: int = Field(default=1, ge=1, description="At which crossing of the point, as the process counts.")
    later: float | None = Field(default=None, description="Die so many seconds after it, at whatever instruction.")
    also: tuple[str, ...] = Field(default=(), description="Parts of the stack that are killed just before.")


class Death(Value):
    """Last words: which doom, at which crossing, when (seconds since 1970)."""

    doom: Doom
    crossing: str
    at: float
    pid: int


class Executioner:
    """The files by which a bench and its armed processes speak: one doom for each model at a time."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "faults"
        self._supervisor = Supervisor(settings.supervisor_folder)
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def condemn(self, model: str, doom: Doom) -> None:
        """Let the next armed process that crosses the doom's point for `model` die there."""
        self.pardon(model)
        fresh = self._file(model, "new")
        fresh.write_text(doom.model_dump_json(), encoding="utf-8")
        fresh.replace(self._file(model, "doom"))

    def pardon(self, model: str) -> None:
        """Let everybody live."""
        for kind in ("doom", "died"):
            self._file(model, kind).unlink(missing_ok=True)

    def death(self, model: str) -> Death | None:
        """Who died, if somebody has."""
        try:
            return Death.model_validate_json(self._file(model, "died").read_bytes())
        except FileNotFoundError:
            return None

    def doom(self, model: str) -> Doom | None:
        """What awaits the next process that works on `model`."""
        try:
            return Doom.model_validate_json(self._file(model, "doom").read_bytes())
        except FileNotFoundError:
            return None

    def execute(self, model: str, doom: Doom, crossing: str) -> None:
        """Kill this process for it, unless another one has died for it already."""
        try:
            self._file(model, "doom").rename(self._file(model, "claimed"))
        except FileNotFoundError:
            return
        states = self._supervisor.states() if doom.also else {}
        others = [state.pid for name in doom.also if (state := states.get(name)) and state.pid]
        fresh = self._file(model, "words")
        fresh.write_text(Death(doom=doom, crossing=crossing, at=time.time(), pid=os.getpid()).model_dump_json())
        fresh.replace(self._file(model, "died"))
        if doom.later is not None:  # a process of its own: death may come while this one is in a system call
            pids = " ".join(map(str, [*others, os.getpid()]))
            command = f"sleep {doom.later:.4f}; kill -KILL {pids}"
            subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True)
            return
        for pid in (*others, os.getpid()):
            os.kill(pid, signal.SIGKILL)

    def _file(self, model: str, kind: str) -> Path:
        return self._folder / f"{model}.{kind}"


Name = Callable[..., tuple[str | None, str]]
"""Gives the model and the point of a call, from its arguments."""

_route: ContextVar[str | None] = ContextVar("route", default=None)


def arm(settings: Settings) -> None:
    """Make this process mortal."""
    armed = _Armed(Executioner(settings))
    armed.wrap(SqlRecordStore, "append", lambda _, stream, kind, *__, **___: (_model(stream), f"append {kind}"))
    armed.wrap(LocalBackend, "set_traffic", lambda _, route, *__, **___: (route, "set_traffic"))
    armed.wrap(LocalBackend, "go_home", lambda _, route: (route, "go_home"))
    for keep in ("hold", "renew"):
        armed.wrap(LeaseFile, keep, lambda _, lease: (lease.route, "hold lease"))
    armed.wrap(LeaseFile, "surrender", lambda _, route, __: (route, "surrender lease"))
    armed.wrap(LeaseFile, "release", lambda _, route, __: (route, "release lease"))
    armed.wrap(MlflowRegistry, "set_alias", lambda _, version, *__, **___: (version.model, "set_alias"))
    armed.wrap(gateway, "replace", lambda path, *_, **__: (_route.get(), f"replace {path.name}"))


class _Armed:
    def __init__(self, executioner: Executioner) -> None:
        self._executioner = executioner
        self._counts: dict[str, int] = {}

    def wrap(self, owner: Any, name: str, name_of: Name) -> None:
        inner = getattr(owner, name)

        @functools.wraps(inner)
        def outer(*args: Any, **kwargs: Any) -> Any:
            model, point = name_of(*args, **kwargs)
            token = _route.set(model)
            try:
                self._cross(model, point, "before")
                result = inner(*args, **kwargs)
                self._cross(model, point, "after")
                return result
            finally:
                _route.reset(token)

        setattr(owner, name, outer)

    def _cross(self, model: str | None, point: str, when: When) -> None:
        doom = self._executioner.doom(model) if model else None
        if model is None or doom is None or not fnmatchcase(point, doom.point):
            return
        if doom.point != "*" and when != doom.when:
            return
        self._counts[doom.id] = self._counts.get(doom.id, 0) + 1
        if self._counts[doom.id] == doom.nth:
            self._executioner.execute(model, doom, f"{when} {point}")


def _model(stream: str) -> str:
    """`checks/faults-a-r3` is about `faults-a`."""
    return re.sub(r"-r\d+$", "", stream.partition("/")[2])
