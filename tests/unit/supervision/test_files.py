"""State that several processes share."""

from pathlib import Path

import pytest

from firstflight.supervision.files import locked, replace


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    """The folder is made, nothing else is left beside the file or above it, and nobody else may read it."""
    path = tmp_path / "state" / "file.json"

    replace(path, "one")
    replace(path, "two")

    assert "two" == path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path.parent, path] == sorted(tmp_path.rglob("*"))


def test_a_file_of_a_shared_folder_is_its_group_s_to_read(tmp_path: Path) -> None:
    """Of one that lets its group in and hands it on; a folder on another disk is reached by its link."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o2750)
    (tmp_path / "link").symlink_to(tmp_path / "there")

    replace(tmp_path / "link" / "file.json", "one")

    assert 0o640 == (tmp_path / "there" / "file.json").stat().st_mode & 0o777
    assert ["file.json", "link", "there"] == sorted(path.name for path in tmp_path.rglob("*"))


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """A failed attempt is thrown away."""
    path = tmp_path / "state" / "file.json"
    replace(path, "one")

    with pytest.raises(UnicodeEncodeError):
        replace(path, "half a pair: \ud800")

    assert "one" == path.read_text()
    assert [path.parent, path] == sorted(tmp_path.rglob("*"))


def test_a_lock_keeps_others_out_and_names_itself(tmp_path: Path) -> None:
    """Who waits no longer than it wants to hears which lock is held; afterwards the lock is free again."""
    path = tmp_path / "lock"

    with locked(path), pytest.raises(TimeoutError, match=str(path)), locked(path, seconds=0):
        pass

    with locked(path, seconds=0):
        assert 0o600 == path.stat().st_mode & 0o777
