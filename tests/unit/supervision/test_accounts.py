"""Users of their own for what root starts."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def home(folder: Path) -> Path:
    """A home made earlier: what a part wrote there is root's, and a link in it leads to a file of root's elsewhere."""
    (folder / "home" / "part" / "deep").mkdir(mode=0o700, parents=True)
    (folder / "home" / "part" / "deep" / "file").write_text("kept")
    (folder / "elsewhere").write_text("root's")
    (folder / "home" / "part" / "link").symlink_to(folder / "elsewhere")
    (folder / "home").chmod(0o700)
    return folder / "home"


class KilledError(Exception):
    """Whoever did it is no more."""


def owner(path: Path) -> int:
    """Return whose the path itself is."""
    return path.lstat().st_uid


def assert_handed_over(home: Path) -> None:
    """Its user reads what was in it, and what a link in it leads to stays whose it was."""
    part = (home / "part").readlink()
    assert {USER} == {owner(path) for path in (part, part / "deep", part / "deep" / "file", part / "link")}
    assert "kept" == run("/bin/cat", str(part / "deep" / "file"))
    assert 0 == owner(home.parent / "elsewhere")
    assert [part] == list(part.parent.iterdir())
    assert [home / "part"] == list(home.iterdir())
    assert not accounts.can_run(USER + 1, GROUP, ("/bin/ls", str(part)))


def test_a_folder_of_a_home_made_earlier_is_handed_over(home: Path) -> None:
    """With all that is in it, once."""
    assert not accounts.owns(home / "part", USER)
    assert accounts.own_folder(home / "part", USER, GROUP) == accounts.own_folder(home / "part", USER, GROUP)
    assert accounts.owns(home / "part", USER)
    assert_handed_over(home)


@pytest.mark.parametrize("step", range(10))
def test_who_is_killed_while_handing_over_loses_nothing(home: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """At whatever step: the next attempt does what is left."""
    steps: list[str] = []

    def dying(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def done(*args: Any, **options: Any) -> object:
            steps.append(name)
            if len(steps) == step + 1:
                raise KilledError
            return call(*args, **options)

        return done

    with monkeypatch.context() as patch:
        for owned, name in ((Path, "symlink_to"), (Path, "rename"), (Path, "chmod"), (os, "chown")):
            patch.setattr(owned, name, dying(name, getattr(owned, name)))
        with pytest.raises(KilledError):
            accounts.own_folder(home / "part", USER, GROUP)
    accounts.own_folder(home / "part", USER, GROUP)
    assert_handed_over(home)


def test_what_cannot_be_moved_stays_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another disk: nothing is left of the attempt."""

    def refused(_self: Path, _target: Path) -> Path:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="another disk"):
        accounts.own_folder(home / "part", USER, GROUP)
    assert [home / "part"] == list(home.iterdir())
    assert "kept" == (home / "part" / "deep" / "file").read_text()


def test_what_root_wrote_meanwhile_is_given_too(home: Path) -> None:
    """A stack that was once started where its Python is out of reach wrote there as root."""
    part = accounts.own_folder(home / "part", USER, GROUP)
    accounts.take_back(home / "part")
    assert not accounts.can_run(USER, GROUP, ("/bin/cat", str(part / "deep" / "file")))
    (home / "part" / "new").write_text("by root")
    (home / "part" / "new").chmod(0o600)
    accounts.own_folder(home / "part", USER, GROUP)
    assert "by root" == run("/bin/cat", str(part / "new"))
    assert_handed_over(home)
