"""Folders whose path is short enough to hold UNIX sockets: homes can be long, socket paths cannot."""

import hashlib
import os
import stat
from pathlib import Path

from firstflight.domain.errors import StackError

LONGEST_SOCKET_PATH = 103  # bytes: 107 on Linux, 103 on macOS
ROOM_FOR_NAME = 30  # "supervisor.sock" and the pid that supervisord appends while it binds; ".s.PGSQL.5432.lock"


def socket_folder(folder: Path) -> Path:
    """Return a folder for the sockets that belong to `folder`, which must be an absolute path.

    That is `folder` itself, or, when its path is too long, a private one below /tmp, made here and named after it.

    Raises:
        StackError: The short folder exists and belongs to somebody else or is open to others.
    """
    if len(os.fsencode(folder)) + ROOM_FOR_NAME <= LONGEST_SOCKET_PATH:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path("/tmp", f"firstflight-{os.getuid()}-{digest}")  # noqa: S108  # the same whatever TMPDIR says; checked
    short.mkdir(mode=0o700, exist_ok=True)
    status = short.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StackError(f"{short} must be a folder of user {os.getuid()} with mode 0700; remove it and try again")
    return short
