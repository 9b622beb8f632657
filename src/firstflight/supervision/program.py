"""A program to be kept alive, as supervisord's configuration says it, and how it is."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from supervisor.datatypes import dict_of_key_value_pairs

State = Literal["stopped", "starting", "running", "backoff", "stopping", "exited", "fatal", "unknown"]

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
    """What supervisord says of one program; "running" that it has lived for 3 seconds, not that it answers."""

    state: State
    pid: int | None


def section(program: Program, log: Path) -> str:
    """Return the program's section of supervisord's configuration; what it prints goes to `log`.

    Raises:
        ValueError: supervisord could not read a value back as it is.
    """
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
        "stdout_logfile": str(log),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }
    if program.user is not None:
        options["user"] = program.user
    lines = [f"[program:{program.name}]"]
    for key, value in options.items():
        if re.search(r"\s[#;]|[\n\r]|%\(here\)s", value):
            raise ValueError(f"program {program.name}: {key} holds a line break, %(here)s or a blank before # or ;")
        lines.append(f"{key} = {value.replace('%', '%%')}")
    return "\n".join(lines) + "\n"


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
