"""Users of their own for what root starts."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.domain.errors import StackError
from firstflight.supervision import accounts
from firstflight.supervision.files import replace

USER, GROUP = accounts.SERVERS + 3, accounts.SERVERS


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where what is shared lies; pytest's own folder is closed to others."""
    if os.getuid() != 0:
        pytest.skip("only root can start somebody else's program")
    made = Path(tempfile.mkdtemp(prefix="ff-"))
    monkeypatch.setattr(accounts, "ROOTS_FOLDER", made / "shared")
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def run(*command: str) -> str:
    """Return what a program said that was started as somebody else."""
    return subprocess.run(accounts.as_user(USER, GROUP, command), capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("folder")
def test_root_is_given_up_for_good() -> None:
    """User, group and every other group; no program makes root of it again."""
    told = dict(line.split(":", 1) for line in run("/bin/cat", "/proc/self/status").splitlines())
    assert [str(USER)] * 4 == told["Uid"].split()
    assert [str(GROUP)] * 4 == told["Gid"].split()
    assert ([], "1", 0) == (told["Groups"].split(), told["NoNewPrivs"].strip(), int(told["CapEff"], 16))


def test_a_folder_set_apart_is_closed_to_others_and_to_change(folder: Path) -> None:
    """Its program reads what root puts there; it can neither replace that nor look into the home."""
    home = folder / "home"
    accounts.set_apart(home / "gateway", GROUP, 0o3770)
    place = (home / "gateway").resolve()
    replace(home / "gateway" / "said", "by root")
    assert "by root" == run("/bin/cat", str(place / "said"))
    run("/usr/bin/touch", str(place / "log"))
    assert not accounts.can_run(USER, GROUP, ("/bin/mv", str(place / "log"), str(place / "said")))
    assert not accounts.can_run(USER, GROUP, ("/bin/cat", str(home / "gateway" / "said")))
    assert not accounts.can_run(USER + 1, USER + 1, ("/bin/cat", str(place / "said")))


def test_a_home_made_earlier_keeps_its_folder(folder: Path) -> None:
    """What is in it belongs to root, and stays so."""
    (folder / "gateway").mkdir()
    accounts.set_apart(folder / "gateway", GROUP, 0o3770)
    assert not (folder / "gateway").is_symlink()


def test_a_folder_that_is_gone_is_said(folder: Path) -> None:
    """With the way out: what was in it may be all there is of the splits."""
    accounts.set_apart(folder / "gateway", GROUP, 0o750)
    (folder / "gateway").resolve().rmdir()
    with pytest.raises(StackError, match=r"gateway points to .*, which is gone: restore it"):
        accounts.set_apart(folder / "gateway", GROUP, 0o750)


def test_a_program_that_only_root_reaches_is_copied_once(folder: Path) -> None:
    """What everybody reaches stays where it is."""
    (folder / "closed").mkdir(mode=0o700)
    program = folder / "closed" / "echo"
    shutil.copy("/bin/echo", program)
    assert not accounts.can_run(USER, GROUP, (str(program),))
    copy = accounts.reachable(program)
    assert "hello\n" == run(str(copy), "hello")
    assert (copy, copy) == (accounts.reachable(program), accounts.reachable(copy))


def test_what_does_not_work_is_no_way(folder: Path) -> None:
    """A program that fails, and one that is not there."""
    assert accounts.can_run(USER, GROUP, ("/bin/true",))
    assert not accounts.can_run(USER, GROUP, ("/bin/false",))
    assert not accounts.can_run(USER, GROUP, (str(folder / "none"), sys.executable))
