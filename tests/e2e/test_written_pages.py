"""The pages for newcomers, their commands run as written: only the ports are this stack's own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.orchestrator import FlowRun
from firstflight.rollout.machine import Phase
from firstflight.settings import Ports
from firstflight.stack.environment import environment
from firstflight.world import open_world
from tests.conftest import ROOT
from tests.e2e.runs import MODEL, Runs, candidate

pytestmark = [pytest.mark.local, pytest.mark.usefixtures("released")]

CANARY = (ROOT / "docs" / "your-own-canary.md").read_text(encoding="utf-8")
HOW_TO = "".join((ROOT / "docs" / "how-to" / f"{page}.md").read_text("utf-8") for page in ("roll-back", "freeze"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


class Shell:
    """A terminal in the checkout, as the page wants it."""

    def __init__(self, runs: Runs, folder: Path) -> None:
        self.runs, self.folder = runs, folder
        self.started: list[subprocess.Popen[str]] = []
        (folder / "deployments").symlink_to(ROOT / "deployments")
        (folder / "my.yaml").write_text(re.search(r"```yaml\n(.*?)```", CANARY, re.DOTALL)[1])  # type: ignore[index]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, **environment(runs.settings), "PATH": path, "COLUMNS": "80"}

    def start(self, page: str, begins: str) -> subprocess.Popen[str]:
        """Start the command of the page that begins so."""
        [line] = dict.fromkeys(re.findall(rf"^ {{4}}({re.escape(begins)}(?:.*\\\n)*.*)$", page, re.MULTILINE))
        return self.begin(line)

    def begin(self, line: str) -> subprocess.Popen[str]:
        """Start the command."""
        ours = line.replace(f"127.0.0.1:{Ports().gateway}", f"127.0.0.1:{self.runs.settings.ports.gateway}")
        begun = subprocess.Popen(
            ["bash", "-c", f"exec {ours}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(begun)
        return begun

    def close(self) -> None:
        """End what still runs, and read it out, so that no later test is told of it."""
        for process in self.started:
            process.kill()
            if process.stdout and not process.stdout.closed:
                process.communicate()

    def asked(self, watching: subprocess.Popen[str]) -> FlowRun:
        """Wait until one run waits for a person, and return it; `watching` follows it, and tells why it does not."""
        deadline = time.monotonic() + 480
        while not (found := self.runs.orchestrator.suspended()):
            assert watching.poll() is None, watching.communicate()[0]
            assert time.monotonic() < deadline, "no run asks"
            time.sleep(0.5)
        [run] = found
        return run

    def run(self, page: str, begins: str, code: int = 0) -> str:
        """Run the command to its end; return what it said."""
        return self.end(self.start(page, begins), code)

    def end(self, process: subprocess.Popen[str], code: int = 0) -> str:
        """Wait for the command's end; return what it said."""
        told, _ = process.communicate(timeout=480)
        assert code == process.returncode, told
        return told


@pytest.fixture(scope="module")
def shell(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A terminal, and the replay of the page in another one; the challenger is a version that could serve."""
    world = open_world(runs.settings)
    world.registry.set_alias(candidate(runs, "written"), "challenger")
    shell = Shell(runs, tmp_path_factory.mktemp("checkout"))
    shell.start(CANARY, "firstflight replay")
    yield shell
    shell.close()


def test_one_prediction(shell: Shell) -> None:
    """The answer names the version that gave it."""
    told = shell.run(CANARY, "curl")
    assert told.startswith("HTTP/1.1 200 OK")
    assert "x-seldon-route: " in told


def test_your_own_canary(shell: Shell, runs: Runs) -> None:
    """Planned, started with one limit changed, approved, promoted and read about."""
    assert "stage" in shell.run(CANARY, "firstflight plan")
    watching = shell.start(CANARY, "firstflight canary")
    run = shell.asked(watching)
    shell.run(CANARY, "firstflight approve latest")
    told = shell.end(watching)
    rollout = runs.rollout(run.id)
    first = rollout.plan.stages[0]
    for said in (f"moving to {first} %", f"stage {first} % passed", "approved", "promoted"):
        assert said in told
    assert (Phase.PROMOTED, 0.02) == (rollout.phase, rollout.plan.guardrails[0].limit)
    assert rollout.candidate.served_name in shell.run(CANARY, "firstflight history")


def test_a_freeze(shell: Shell) -> None:
    """Nothing begins while it holds; after the thaw nothing is frozen."""
    shell.run(HOW_TO, 'firstflight freeze --reason "incident 42"')
    frozen = shell.end(shell.begin("firstflight frozen"), code=4)
    assert "incident 42" in frozen
    shell.run(HOW_TO, "firstflight thaw")
    shell.end(shell.begin("firstflight frozen"))


def test_what_is_looked_at_day_to_day(shell: Shell, runs: Runs) -> None:
    """Each command of README's table that changes nothing ends well, and loses no word in 80 columns."""
    looks = ("status", "doctor", f"history {MODEL}", "plan deployments/plans/demo-release.yaml --rate 100")
    for words in looks:
        assert f"`firstflight {words}`" in README or f"`{words}`" in README, words
        told = shell.end(shell.begin(f"firstflight {words}"))
        assert told.strip()
        assert "…" not in told, words
        assert "\x1b" not in told, "colour in a pipe"
    assert "verified: " in shell.run(HOW_TO, "firstflight roll-back financial-predictor --as ada")
    assert runs.settings.home.exists()
