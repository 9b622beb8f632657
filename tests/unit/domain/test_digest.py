"""The digest of a folder."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from firstflight.domain.digest import folder_digest


def test_the_digest_is_what_sha256sum_says(tmp_path: Path) -> None:
    """Anybody can check it with two commands and no program of ours."""
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub-d.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    names = sorted(["b.txt", "a.txt", "sub/c.txt", "sub-d.txt"])
    printed = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True).stdout
    assert f"sha256:{hashlib.sha256(printed).hexdigest()}" == folder_digest(tmp_path)


def test_contents_and_names_count(tmp_path: Path) -> None:
    """Another byte or another name gives another digest."""
    digests = []
    for number, (name, text) in enumerate((("a", "x"), ("a", "y"), ("b", "x"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(text, encoding="utf-8")
        digests.append(folder_digest(folder))
    assert len(set(digests)) == 3


def test_nothing_has_no_digest(tmp_path: Path) -> None:
    """An empty or missing folder is an error, not the digest of nothing."""
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match=str(folder)):
            folder_digest(folder)
