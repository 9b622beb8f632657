"""The folder that holds all state of one stack, private to its user."""

import os
from pathlib import Path

from firstflight.domain.errors import StackError
from firstflight.settings import Local


def private_home(settings: Local) -> Path:
    """Return the stack's home, made when missing; the rights of one that exists are never changed.

    Raises:
        StackError: The folder belongs to somebody else or is open to others.
    """
    home = settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = home.stat()
    if status.st_uid != os.getuid():
        raise StackError(f"{home} belongs to user {status.st_uid}, this is user {os.getuid()}: set FIRSTFLIGHT_HOME")
    if status.st_mode & 0o077:
        raise StackError(
            f"{home} is open to others (mode {status.st_mode & 0o777:04o}, wanted 0700): "
            f"`chmod 700 {home}`, or set FIRSTFLIGHT_HOME to another folder"
        )
    return home
