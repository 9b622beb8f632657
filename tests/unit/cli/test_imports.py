"""Nobody waits for what is not needed: a command imports what it does, help and TAB import nothing."""

import os
import subprocess
import sys

import pytest

HEAVY = {
    *("aiohttp", "httpx", "kubernetes", "matplotlib", "mlflow", "numpy", "onnx", "onnxruntime", "pandas", "prefect"),
    *("psycopg", "pydantic_settings", "rich", "scipy", "sklearn", "slack_sdk", "talib", "torch"),
}


def imported(*codes: str, **environment: str) -> list[set[str]]:
    """Return the modules that are there after each of `codes`, which one process of its own runs in turn."""
    told = [
        "import sys",
        *(f"try:\n    {code}\nexcept SystemExit:\n    pass\nprint('now', *sys.modules)" for code in codes),
    ]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(told)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [set(line.split()[1:]) for line in done.stdout.splitlines() if line.startswith("now sys ")]


def test_help_imports_nothing_heavy() -> None:
    """Neither the command's own help nor the list of all commands loads what the commands need."""
    told = ["['--help']", "['--version']", "['drill', '--help']", "['roll-back', '--help']"]
    found = imported(*(f"from firstflight.cli.main import main; main({words})" for words in told))
    assert {words: set() for words in told} == {
        words: HEAVY & modules for words, modules in zip(told, found, strict=True)
    }


def test_completion_imports_nothing_heavy() -> None:
    """TAB after `firstflight r` asks the same program, at each press."""
    asked = {"_FIRSTFLIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "firstflight r", "COMP_CWORD": "1"}
    [found] = imported("from firstflight.cli.main import app; app(prog_name='firstflight')", **asked)
    assert set() == HEAVY & found


@pytest.mark.parametrize("module", ["firstflight.cli.roll_back", "firstflight.cli.guard"])
def test_going_home_imports_what_it_needs(module: str) -> None:
    """Both are started on a machine in trouble: MLflow alone takes three seconds of a core, and 130 MB."""
    [found] = imported(f"import {module}, firstflight.serving.local.backend")
    needed = {"psycopg", "pydantic_settings"}
    if module.endswith("guard"):  # tells Prefect over HTTP, logs for people, weighs evidence
        needed |= {"httpx", "numpy", "rich", "scipy"}
    assert set() == (HEAVY - needed) & found
    assert "scipy.stats" not in found


def test_a_flow_imports_what_it_needs() -> None:
    """Neither plots, which are drawn when it has ended, nor training, which a release that goes on has behind it."""
    judging = ("canary", "ab_test", "release", "roll_back", "watch_health")
    flows = ("deploy", "train", *judging)  # one process: who judges nothing is asked before whoever loads more
    late = {"matplotlib", "mlflow", "onnxruntime", "pandas", "scipy.stats", "sklearn", "slack_sdk", "talib", "torch"}
    found = dict(zip(flows, imported(*(f"import flows.{flow}" for flow in flows)), strict=True))
    assert {flow: set() for flow in flows} == {
        flow: (late if flow in judging else late | {"scipy"}) & modules for flow, modules in found.items()
    }
