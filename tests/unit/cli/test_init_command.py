"""`firstflight init`: what it writes is a workload whose test passes and whose plans are valid."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
FILES = ["late_orders.py", "late-orders-canary.yaml", "late-orders-ab-test.yaml", "test_late_orders.py"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's, where plans find their workload; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIRSTFLIGHT_PROJECT", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    return tmp_path


def test_its_test_passes_and_its_plans_are_valid(folder: Path, firstflight: Run) -> None:
    """As a user runs them: in the folder, with nothing but what was written."""
    code, out, err = firstflight("init", "late-orders")
    assert (0, []) == (code, [file for file in FILES if file not in out]), err
    path = os.pathsep.join(sys.path)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", FILES[-1]]
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    assert (0, True) == (done.returncode, "2 passed" in done.stdout), done.stdout + done.stderr
    for plan, said in ((FILES[1], "50 %"), (FILES[2], "20,000 requests take 6.7 minutes, at most 120.0 wanted")):
        code, out, err = firstflight("plan", plan, "--rate", "50")
        assert (0, True) == (code, said in out), out + err
    code, out, _ = firstflight("plan", FILES[2], "--rate", "1")
    assert (4, True) == (code, "before they have come" in out)
    code, out, _ = firstflight("plan", FILES[2], "--rate", "50", "--json")
    assert {"requests": 20_000, "seconds": 400.0, "longest_seconds": 7200.0} == json.loads(out)


def test_nothing_is_overwritten(folder: Path, firstflight: Run) -> None:
    """One file that is there is named, and no other is written."""
    (folder / FILES[1]).write_text("mine", encoding="utf-8")
    code, _, err = firstflight("init", "late-orders")
    assert (2, True) == (code, FILES[1] in err)
    assert [FILES[1]] == [file.name for file in folder.iterdir()]
    assert "mine" == (folder / FILES[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Churn", "a-z, 0-9"),
        ("../churn", "a-z, 0-9"),
        ("7days", "begin with another word"),
        ("class", "begin with another word"),
        ("json", "imports something else"),
        ("yaml", "imports something else"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(folder: Path, firstflight: Run, name: str, why: str) -> None:
    """Before anything is written, and in words that say why."""
    code, _, err = firstflight("init", name)
    assert (2, True) == (code, why in " ".join(err.replace("│", " ").split()))
    assert [] == list(folder.iterdir())
