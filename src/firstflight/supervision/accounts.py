"""Users of their own for what root starts: numbers that no account has, which all homes of root share.

Root's home is closed to them. What such a program needs lies in a folder below `ROOTS_FOLDER`, where a link in the home
leads: it is root's, and of others that program's alone may enter it.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from firstflight.domain.errors import StackError
from firstflight.supervision import become

ROOTS_FOLDER = Path("/var/lib/firstflight")
GATEWAY = 60710
SERVERS = 60720
"""Of the first model server, and the group of all; the numbers after it are those of the others."""
_SECONDS = 60


def roots_folder() -> Path:
    """Return the folder below which lies what root shares with programs that are not root, made when missing."""
    ROOTS_FOLDER.mkdir(mode=0o711, exist_ok=True)
    ROOTS_FOLDER.chmod(0o711)  # whatever the umask: they must pass through
    return ROOTS_FOLDER


def as_user(user: int, group: int, command: Sequence[str]) -> tuple[str, ...]:
    """Return the command by which root has `command` run as that user."""
    return (sys.executable, "-I", become.__file__, str(user), str(group), *command)


def can_run(user: int, group: int, command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    """Whether root could have `command` run as that user: it reaches all that it needs, and ended well."""
    asked = as_user(user, group, command)
    try:
        done = subprocess.run(asked, env=environment, cwd="/", capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def set_apart(link: Path, group: int, mode: int) -> None:
    """Make a folder of `group` where `link` leads; what is there already stays as it is.

    Raises:
        StackError: It leads to a folder that is gone.
    """
    if link.exists():
        return
    if link.is_symlink():
        raise StackError(
            f"{link} points to {link.readlink()}, which is gone: restore it, or remove the link to begin with nothing"
        )
    target = roots_folder() / f"{link.name}-{secrets.token_hex(4)}"
    target.mkdir(mode=0o700)
    os.chown(target, 0, group)
    target.chmod(mode)
    link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    link.symlink_to(target)


def own_folder(link: Path, user: int, group: int) -> Path:
    """Return the private folder of `user` where `link` leads, made when missing.

    A folder of root's at the place of the link, as a home made earlier has, moves there with all that is in it. Whoever
    is killed meanwhile goes on with the next call.

    Raises:
        StackError: It leads to a folder that is gone.
        OSError: What is there cannot be moved: it lies on another disk. It stays as it was.
    """
    if not link.is_symlink():
        coming = link.with_name(f".{link.name}.apart")
        if not coming.is_symlink():
            link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            coming.symlink_to(roots_folder() / f"{link.name}-{secrets.token_hex(4)}")
        target = coming.readlink()
        if link.is_dir():
            try:
                link.rename(target)
            except OSError:
                coming.unlink()
                raise
        else:
            target.mkdir(mode=0o700, exist_ok=True)
        coming.rename(link)
    if not link.exists():
        raise StackError(
            f"{link} points to {link.readlink()}, which is gone: restore it, or remove the link to begin with nothing"
        )
    if not owns(link, user):
        _give(link.readlink(), user, group)
    return link.readlink()


def owns(link: Path, user: int) -> bool:
    """Whether `link` leads to a folder that has been given to `user`, with all that was in it."""
    return link.is_symlink() and link.exists() and link.stat().st_uid == user


def take_back(link: Path) -> None:
    """Make the folder where `link` leads root's, until `own_folder` gives it away again with what root put there."""
    if link.exists():
        os.chown(link.readlink(), 0, 0)


def _give(folder: Path, user: int, group: int) -> None:
    """Give `folder` and all in it to `user`, itself last: until then nobody else looks in. No link is followed."""
    os.chown(folder, 0, 0)
    folder.chmod(0o700)
    for _, folders, files, place in os.fwalk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(name, user, group, dir_fd=place, follow_symlinks=False)
    os.chown(folder, user, group)


def show(folder: Path) -> None:
    """Let everybody read what is in `folder` who may enter those above it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))


def reachable(program: Path) -> Path:
    """Return `program`, or a copy of it where everybody may run it, when it lies in a folder that is root's alone."""
    if all(path.stat().st_mode & 0o001 for path in (program, *program.parents)):
        return program
    known = program.stat()
    copy = roots_folder() / f"{program.name}-{known.st_size:x}-{known.st_mtime_ns:x}" / program.name
    if not copy.exists():
        fresh = copy.parent.with_suffix(f".{os.getpid()}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        shutil.copy(program, fresh)
        show(fresh)
        try:
            fresh.rename(copy.parent)
        except OSError:  # somebody else was quicker
            shutil.rmtree(fresh)
    return copy
