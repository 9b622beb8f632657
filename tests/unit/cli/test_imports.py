"""Nobody waits for what is not needed: a command imports what it does, help and TAB import nothing."""

import os
import subprocess
import sys

import pytest

HEAVY = {
    *("aiohttp", "httpx", "kubernetes", "matplotlib", "mlflow", "numpy", "onnx", "onnxruntime", "pandas", "prefect"),
    *("psycopg", "pydantic_settings", "rich", "scipy", "slack_sdk", "talib", "torch"),
}


def imported(code: str, **environment: str) -> set[str]:
    """Return the modules that are there after `code` has run in a process of its own."""
    told = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", ["['--help']", "['--version']", "['drill', '--help']", "['roll-back', '--help']"])
def test_help_imports_nothing_heavy(words: str) -> None:
    """Neither the command's own help nor the list of all commands loads what the commands need."""
    assert set() == HEAVY & imported(f"from firstflight.cli.main import main; main({words})")


def test_completion_imports_nothing_heavy() -> None:
    """TAB after `firstflight r` asks the same program, at each press."""
    asked = {"_FIRSTFLIGHT_COMPLETE": "complete_bash", "COMP_WORDS": "firstflight r", "COMP_CWORD": "1"}
    assert set() == HEAVY & imported("from firstflight.cli.main import app; app(prog_name='firstflight')", **asked)


@pytest.mark.parametrize("module", ["firstflight.cli.roll_back", "firstflight.cli.guard"])
def test_going_home_imports_what_it_needs(module: str) -> None:
    """Both are started on a machine in trouble: MLflow alone takes three seconds of a core, and 130 MB."""
    found = imported(f"import {module}, firstflight.serving.local.backend")
    needed = {"psycopg", "pydantic_settings"}
    if module.endswith("guard"):  # tells Prefect over HTTP, logs for people, weighs evidence
        needed |= {"httpx", "numpy", "rich", "scipy"}
    assert set() == (HEAVY - needed) & found
    assert "scipy.stats" not in found


@pytest.mark.parametrize("flow", ["canary", "ab_test", "release", "roll_back", "deploy", "train", "watch_health"])
def test_a_flow_imports_what_it_needs(flow: str) -> None:
    """Neither plots, which are drawn when it has ended, nor training, which a release that goes on has behind it."""
    found = imported(f"import flows.{flow}")
    late = {"matplotlib", "mlflow", "onnxruntime", "pandas", "scipy.stats", "slack_sdk", "talib", "torch"}
    if flow in {"deploy", "train"}:
        late.add("scipy")  # they judge nothing
    assert set() == late & found
