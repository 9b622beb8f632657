"""The pages for newcomers, their commands run as written: only the ports are this stack's own."""

import re
from collections.abc import Iterator

import pytest

from firstflight.rollout.machine import Phase
from firstflight.world import open_world
from tests.conftest import ROOT
from tests.e2e.runs import MODEL, Runs, candidate
from tests.e2e.shell import Shell

pytestmark = [pytest.mark.local, pytest.mark.usefixtures("released")]

CANARY = (ROOT / "docs" / "your-own-canary.md").read_text(encoding="utf-8")
HOW_TO = "".join((ROOT / "docs" / "how-to" / f"{page}.md").read_text("utf-8") for page in ("roll-back", "freeze"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shell(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A terminal, and the replay of the page in another one; the challenger is a version that could serve."""
    world = open_world(runs.settings)
    world.registry.set_alias(candidate(runs, "written"), "challenger")
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "deployments").symlink_to(ROOT / "deployments")
    (folder / "my.yaml").write_text(re.search(r"```yaml\n(.*?)```", CANARY, re.DOTALL)[1])  # type: ignore[index]
    shell = Shell(runs.settings, folder)
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
