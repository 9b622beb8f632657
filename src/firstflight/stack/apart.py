"""The parts that root starts as users of their own, where those reach their Python and this library.

Each has a number that no account has, a private folder, and a role of its own in the database. The operating system
knows no name of such a user, so that PostgreSQL asks it for a password (`peer` would ask for the name); its role may do
what the service's does, which it becomes at once.
"""

import functools
import hashlib
import hmac
import importlib.util
import logging
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace as replaced
from pathlib import Path
from typing import Literal

from firstflight.settings import Database, Settings
from firstflight.stack.environment import checkout
from firstflight.supervision import accounts
from firstflight.supervision.files import replace
from firstflight.supervision.program import Program
from firstflight.supervision.supervisor import Supervisor

log = logging.getLogger(__name__)

Name = Literal["prefect", "mlflow", "outcomes"]
SERVICES: Mapping[Name, Database] = {"prefect": "prefect", "mlflow": "mlflow", "outcomes": "firstflight"}
"""As which service each is known to the database."""
_PLACES: Mapping[Name, str] = {"prefect": "prefect-server", "mlflow": "mlflow", "outcomes": "outcomes"}
USERS: Mapping[Name, int] = {"prefect": 60741, "mlflow": 60742, "outcomes": 60743}
GROUP = 60740
"""Of all of them: it may open the database's socket, and nothing else."""
_FIRST_FREE_PORT = 1024
_NEEDED = (
    "import importlib.util, firstflight.stack.outcomes, firstflight.stack.reclaim\n"
    "for name in ('prefect', 'mlflow', 'asyncpg'): open(importlib.util.find_spec(name).origin).close()"
)


def are_apart(settings: Settings) -> bool:
    """Whether the parts can be users of their own: of root, with the stack's own database, and reaching Python."""
    return os.getuid() == 0 and settings.database_url is None and _reach(sys.executable, os.pathsep.join(checkout()))


@functools.cache
def _reach(python: str, path: str) -> bool:
    """Whether such a user could run this Python with what they need, seen to once in a process."""
    command = (python, "-c", _NEEDED)
    here = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    asked = {"PATH": os.defpath, "PYTHONPATH": path, "HOME": "/nonexistent", **here}
    return accounts.can_run(USERS["outcomes"], GROUP, command, asked)


def role(name: Name) -> str:
    """Return as whom the part enters the database."""
    return f"{name}_apart"


def password(settings: Settings, name: Name) -> str:
    """Return the role's password, of a secret that a private file of the home holds; the first call makes that."""
    file = settings.home / "database-secret"
    if not file.exists():
        replace(file, secrets.token_urlsafe(32))
    return hmac.new(file.read_bytes(), role(name).encode(), hashlib.sha256).hexdigest()


def database(settings: Settings, name: Name, scheme: str = "postgresql") -> str:
    """Return the URL of the part's database, with its password: never log it or show it."""
    service = SERVICES[name]
    known_as = f"//{role(name)}:{password(settings, name)}@"
    return settings.database(service, scheme).replace(f"//{service}@", known_as, 1)


def place(settings: Settings, name: Name) -> Path:
    """Return the link in the home that leads to the part's own folder, where it has one."""
    return settings.home / _PLACES[name]


def is_apart(settings: Settings, name: Name) -> bool:
    """Whether the part was last started as a user of its own."""
    return accounts.owns(place(settings, name), USERS[name])


def set_apart(
    settings: Settings, supervisor: Supervisor, name: Name, port: int, program: Callable[[Path | None], Program]
) -> Program:
    """Return the program of the part: with its own folder, as its own user, or with none, as whoever starts the stack.

    Args:
        settings: Of the stack.
        supervisor: The stack's: what runs of the part ends before its folder changes hands.
        name: The part's.
        port: Where it listens; one that is root's alone leaves it root's.
        program: Makes it. Its folder is its home, and where it puts what it needs for a while.

    Raises:
        StackError: The folder is gone.
    """
    link, user = place(settings, name), USERS[name]
    if port < _FIRST_FREE_PORT or not are_apart(settings):
        if link.is_symlink() and os.getuid() == 0:
            accounts.take_back(link)
        return program(None)
    if not is_apart(settings, name):
        supervisor.remove(name)
    try:
        folder = accounts.own_folder(link, user, GROUP)
    except OSError as error:
        log.warning("%s runs as root, since its folder cannot be put where it reaches it: %s", name, error)
        return program(None)
    made = program(folder)
    return replaced(
        made,
        command=accounts.as_user(user, GROUP, made.command),
        directory=folder,
        environment={**made.environment, "HOME": str(folder), "TMPDIR": str(folder), **_compiled(folder)},
    )


def _compiled(folder: Path) -> dict[str, str]:
    """Return where such a user keeps compiled modules, unless it can read root's: else each start compiles all anew."""
    found = importlib.util.find_spec("mlflow")
    cached = Path(found.cached) if found and found.cached else folder
    if cached.is_file() and cached.stat().st_mode & 0o004 and cached.parent.stat().st_mode & 0o001:
        return {}
    return {"PYTHONPYCACHEPREFIX": str(folder / ".compiled")}
