"""Which code trained a model."""

import subprocess
from pathlib import Path

from firstflight.workloads.provenance import git_commit

IDENTITY = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]


def test_a_checkout_gives_its_commit_and_says_when_files_differ(tmp_path: Path) -> None:
    """Clean, it is the full commit; with a changed file it says dirty."""
    run = ["git", "-C", str(tmp_path), *IDENTITY]
    (tmp_path / "file").write_text("a")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"], ["tag", "v1"]):
        subprocess.run([*run, *command], check=True)
    head = subprocess.run([*run, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert head == git_commit(tmp_path)
    (tmp_path / "file").write_text("b")
    assert f"{head}-dirty" == git_commit(tmp_path)


def test_outside_a_checkout_it_is_unknown(tmp_path: Path) -> None:
    """No checkout, no commit, no error."""
    assert "unknown" == git_commit(tmp_path)
    assert "unknown" == git_commit(tmp_path / "missing")
