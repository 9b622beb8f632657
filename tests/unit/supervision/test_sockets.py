"""Folders for UNIX sockets."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.domain.errors import StackError
from firstflight.supervision.sockets import ROOM_FOR_NAME, socket_folder


@pytest.fixture
def long_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose path is too long for a socket; what was made for it is removed."""
    folder = tmp_path / ("long" * 30)
    yield folder
    shutil.rmtree(socket_folder(folder), ignore_errors=True)


def test_a_short_folder_holds_its_own_sockets() -> None:
    """A folder with a short path is used as it is."""
    assert Path("/srv/stack") == socket_folder(Path("/srv/stack"))


def test_a_long_folder_gets_a_private_short_one(long_folder: Path) -> None:
    """The substitute is private, always the same, and a socket can be bound in it."""
    short = socket_folder(long_folder)

    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(short / ("n" * ROOM_FOR_NAME)))
    assert short == socket_folder(long_folder)
    assert 0o700 == short.stat().st_mode & 0o777


def test_an_open_short_folder_is_refused(long_folder: Path) -> None:
    """A substitute that others can enter is not trusted."""
    short = socket_folder(long_folder)
    short.chmod(0o755)

    with pytest.raises(StackError, match="mode 0700"):
        socket_folder(long_folder)
    short.chmod(0o700)


def test_two_folders_never_share_sockets(tmp_path: Path) -> None:
    """The substitute is named after the folder it stands for."""
    folders = [socket_folder(tmp_path / ("long" * 30) / name) for name in ("one", "two")]

    assert folders[0] != folders[1]
    for folder in folders:
        os.rmdir(folder)  # noqa: PTH106  # fails when it is not empty, as it should
