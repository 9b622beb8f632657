"""The local stack as a whole: bring it up, look at it, take it down."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from firstflight.domain.errors import ProcessFailedError, StackError
from firstflight.serving.local.servers import SLOTS, ServerTable
from firstflight.settings import Settings
from firstflight.stack import postgres, sign_in
from firstflight.stack.deploy import deploy
from firstflight.stack.home import private_home
from firstflight.stack.parts import Part, parts
from firstflight.stack.ports import check_ports
from firstflight.supervision.program import ProgramState, State
from firstflight.supervision.supervisor import Supervisor

SERVING_PYTHONS = ((3, 11), (3, 12))
_ASK_SECONDS = 60
UP_SECONDS = 180
_BACKOFF_SECONDS = 30
_POLL_SECONDS = 0.1
_ALIVE = ("starting", "running")  # "starting" only says that the process is younger than 3 s

Phase = Literal["waiting", "starting", "up"]
ShowPhase = Callable[[str, Phase], None]


@dataclass(frozen=True)
class PartStatus:
    """How one part is: `up` when its process runs and answers; of a model server only that it runs."""

    name: str
    up: bool
    state: State
    pid: int | None
    address: str | None
    log: Path


def up(settings: Settings, progress: ShowPhase = lambda _name, _phase: None) -> tuple[PartStatus, ...]:
    """Bring every part up, wait until it answers, deploy the project's flows; what is up already is left alone.

    Args:
        settings: Where the stack lives and which ports it takes.
        progress: Told of each part, and of the step "deployments", when it waits, starts and is up.

    Raises:
        StackError: The serving environment is missing or cannot run the model server, the home is not private, a port
            belongs to another process, or the database refuses.
        ProcessFailedError: A part did not come up in time; the message holds the end of its log.
    """
    require_serving_python(settings.serving_python)
    os.umask(0o077)  # the home and the folders above it that are missing, and all that this process writes there
    private_home(settings)
    sign_in.make_password(settings)
    supervisor = Supervisor(settings.supervisor_folder)
    check_ports(settings.ports, supervisor)
    wanted = parts(settings, supervisor)
    if not supervisor.running():
        for part in wanted:  # those that a crash left on disk would all start at once, before what they need
            supervisor.remove(part.name)
        supervisor.start([])
    for name in (*(part.name for part in wanted), "deployments"):
        progress(name, "waiting")
    if settings.database_url:
        supervisor.remove(postgres.NAME)
        postgres.create_databases(settings)
    _bring_up(settings, supervisor, wanted, progress)
    progress("deployments", "starting")
    deploy(settings)
    progress("deployments", "up")
    return status(settings)


def down(settings: Settings) -> None:
    """End every process of the stack; its data stays in the home.

    Raises:
        ProcessFailedError: A process could not be ended.
    """
    Supervisor(settings.supervisor_folder).stop()


def status(settings: Settings) -> tuple[PartStatus, ...]:
    """Return how each part is, then each model server; asks them, changes nothing."""
    supervisor = Supervisor(settings.supervisor_folder)
    states = supervisor.states()
    nothing = ProgramState(state="stopped", pid=None)
    known = {part.name: part for part in parts(settings, supervisor)}
    found = []
    for name in (*known, *sorted(states.keys() - known.keys())):
        state = states.get(name, nothing)
        part = known.get(name)
        found.append(
            PartStatus(
                name=name,
                up=state.state in _ALIVE and (part is None or part.is_well()),
                state=state.state,
                pid=state.pid,
                address=part.address if part else None,
                log=supervisor.log(name),
            )
        )
    return tuple(found)


def slots(settings: Settings) -> tuple[int, int]:
    """Return how many places for model servers are taken, and how many there are."""
    return len(ServerTable(settings.home / "serving", settings.ports.servers).read()), SLOTS


def _bring_up(settings: Settings, supervisor: Supervisor, wanted: Sequence[Part], progress: ShowPhase) -> None:
    """Start each part once what it needs is well; return when all are."""
    started: dict[str, float] = {}
    well: set[str] = set()
    while len(well) < len(wanted):
        for part in wanted:
            if part.name not in started and well.issuperset(part.needs):
                progress(part.name, "starting")
                supervisor.add(part.program())
                started[part.name] = time.monotonic()
            elif part.name in started and part.name not in well:
                if part.is_well():
                    if part.name == postgres.NAME:
                        postgres.create_databases(settings)
                    well.add(part.name)
                    progress(part.name, "up")
                else:
                    _require_patience(supervisor, part.name, time.monotonic() - started[part.name])
        time.sleep(_POLL_SECONDS)


def _require_patience(supervisor: Supervisor, name: str, seconds: float) -> None:
    """Raise when the part has had its time, or has done nothing but end at once for a while."""
    state = supervisor.states().get(name)
    if seconds < (_BACKOFF_SECONDS if state and state.state == "backoff" else UP_SECONDS):
        return
    path = supervisor.log(name)
    last_words = "\n".join(path.read_text(errors="replace").splitlines()[-10:]) if path.exists() else "(no log)"
    raise ProcessFailedError(
        f"{name} is not up after {seconds:.0f} s (state: {state.state if state else 'unknown'}); {path} ends with:\n"
        f"{last_words}\nThe other parts stay as they are: `firstflight down` ends them."
    )


def require_serving_python(python: Path) -> None:
    """Return when `python` is an interpreter on which the model server runs; what runs this may be a later one.

    Raises:
        StackError: It is another, or none.
    """
    wanted = " or ".join(".".join(map(str, known)) for known in SERVING_PYTHONS)
    ask = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=_ASK_SECONDS).stdout
        version = tuple(map(int, told.split()))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise StackError(
            f"no Python of the serving environment answers at {python} ({error}); `make install` makes one in "
            f".venv-serving; FIRSTFLIGHT_SERVING_PYTHON names another: {wanted}, with requirements/serving.txt"
        ) from error
    if version not in SERVING_PYTHONS:
        raise StackError(
            f"{python} is Python {'.'.join(map(str, version))}, and mlserver 1.7.1, the newest, runs on {wanted}: "
            "`rm -r .venv-serving; make install` makes it anew, FIRSTFLIGHT_SERVING_PYTHON names another"
        )
