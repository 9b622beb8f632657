"""The page for models of one's own, as written: from a notebook to a canary that was approved and promoted."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from firstflight.acts.adopt import adopt
from firstflight.acts.compare import comparison_in
from firstflight.acts.deploy import deploy
from firstflight.acts.ledger_view import history
from firstflight.domain.errors import ModelNotReadyError
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import Phase
from firstflight.settings import Settings
from firstflight.world import World, open_world
from tests.conftest import ROOT
from tests.e2e.shell import Shell
from tests.mlflow_bench import python_function

pytestmark = pytest.mark.local

TEXT = (ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^ {4}(\S.*)$", re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
ANY_NUMBER = """
class Model:
    def predict(self, table, params=None):
        return table[["age"]]

def _load_pyfunc(path):
    return Model()
"""
NOT_A_NUMBER = ANY_NUMBER.replace('table[["age"]]', 'table[["age"]] * float("nan")')
MODEL, LOGISTIC, BOOSTED = "churn", "logistic-predictor-v3", "boosted-predictor-v4"


@pytest.fixture(scope="module")
def shell(stack: Settings, modules: Path) -> Iterator[Shell]:
    """A terminal in the folder that stands for the checkout."""
    shell = Shell(stack, modules)
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def told(shell: Shell) -> dict[str, str]:
    """What each command of the page said, by its first two words; they were run in their order, and ended well."""
    told: dict[str, str] = {}
    canary: subprocess.Popen[str] | None = None
    for command in COMMANDS:
        words = " ".join(command.split()[:2])
        write(shell, *(file for file in FILES if file in command))  # no sooner: init writes some of them
        match words:
            case "firstflight adopt" if words not in told:
                write(shell, "train.py")
                shell.end(shell.begin("python train.py"))
            case "firstflight outcomes":
                write(shell, "customers.py")
                shell.begin("python customers.py")
            case "firstflight canary":
                canary = shell.begin(command)
                continue
            case "firstflight approve" if canary:
                shell.asked(canary)
            case "firstflight history" if canary:
                told["firstflight canary"] = shell.end(canary)
        if not command.startswith("export "):  # which the terminal has done
            told[words] = shell.end(shell.begin(command))
    return told


def write(shell: Shell, *files: str) -> None:
    """Write files as the page shows them."""
    for file in files:
        (shell.folder / file).write_text(shell.ours(FILES[file]), encoding="utf-8")


@pytest.fixture
def world(stack: Settings) -> World:
    """The stack's."""
    return open_world(stack)


def test_it_ends_promoted(told: dict[str, str], world: World) -> None:
    """Terminal, registry, router and ledger say the same; the order of the page is what happened."""
    for said in ("stage 25 % passed", "approved", "promoted"):
        assert said in told["firstflight canary"]
    assert "boosted" in told["firstflight ab-test"]
    assert BOOSTED in told["firstflight history"]
    assert BOOSTED == world.registry.get(MODEL, "champion").served_name
    assert TrafficSplit.all_to(BOOSTED) == world.backend.get_traffic(MODEL)
    test, canary_of = history(world.ledger, MODEL)
    assert (Phase.COMPARED, Phase.PROMOTED) == (test.phase, canary_of.phase)
    assert (LOGISTIC, BOOSTED) == (canary_of.arms.stable.served_name, canary_of.candidate.served_name)


@pytest.mark.usefixtures("told")
def test_classes_were_compared_by_their_truths(world: World) -> None:
    """Each variant's accuracy, of labels that customers told by HTTP."""
    comparison = comparison_in(world.ledger, history(world.ledger, MODEL)[0])
    assert comparison is not None
    [row] = [row for row in comparison.rows if row.metric == "accuracy"]
    for arm in (row.control, row.treatment):
        assert arm.n > 50
        assert arm.estimate is not None
        assert 0.7 < arm.estimate < 0.95


@pytest.mark.usefixtures("told")
def test_the_question_of_the_page_is_answered(stack: Settings) -> None:
    """Both rows by a label."""
    [question] = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert [["leaves", "stays"]] == [one["data"] for one in ask(stack, json.loads(question)).json()["outputs"]]


@pytest.mark.usefixtures("told")
def test_a_version_that_cannot_be_served_changes_nothing(stack: Settings, world: World, tmp_path: Path) -> None:
    """Adopted it is, as nobody can know; served it is not, and why is said. What serves goes on."""
    before = world.backend.get_traffic(MODEL), world.backend.served()
    folder = python_function(tmp_path / "broken", requirements=("firstflight-has-no-such-package==1",))
    broken = adopt(world, folder, str(folder), MODEL, "custom", by="ann", trust_code=True, python=None).version
    with pytest.raises(ModelNotReadyError, match="cannot be made"):
        deploy(world, broken)
    assert before == (world.backend.get_traffic(MODEL), world.backend.served())
    rows = {"inputs": [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} for name in ("age", "months")]}
    answer = ask(stack, rows)
    assert (200, BOOSTED) == (answer.status_code, answer.headers["x-model-version"])


BAD = {
    "says NaN": ("months", NOT_A_NUMBER, ("error rate", "requests failed")),
    "wants another column": ("income", ANY_NUMBER, ("refused",)),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.usefixtures("told")
def test_a_version_that_answers_badly_comes_home(shell: Shell, world: World, tmp_path: Path, fault: str) -> None:
    """What no look at its files tells its first share of the traffic does: the page's canary ends at the stable."""
    column, code, reasons = BAD[fault]  # the driver's, or the guard's who was there first
    champion = world.registry.get(MODEL, "champion")
    alike = world.registry.fetch(champion, tmp_path / "champion") / "requirements.txt"  # its environment is there
    columns = tuple({"type": "double", "name": name, "required": True} for name in ("age", column))
    folder = python_function(tmp_path / "bad", inputs=columns, requirements=tuple(alike.read_text().splitlines()))
    (folder / "code" / "churn_model.py").write_text(code, encoding="utf-8")
    (folder / "input_example.json").write_text(json.dumps({"columns": ["age", column], "data": [[41.0, 3.0]]}))
    bad = adopt(world, folder, str(folder), MODEL, "custom", by="ann", trust_code=True, python=None).version
    deploy(world, bad)
    said = shell.end(shell.begin(f"firstflight canary churn-canary.yaml --set candidate={bad.number} --watch"), code=4)
    ended = history(world.ledger, MODEL)[-1]
    assert (Phase.ROLLED_BACK, bad) == (ended.phase, ended.candidate), said
    assert any(reason in ended.reasons[0] for reason in reasons), ended.reasons
    assert BOOSTED == world.registry.get(MODEL, "champion").served_name
    assert TrafficSplit.all_to(BOOSTED) == world.backend.get_traffic(MODEL)
    assert world.backend.is_ready(BOOSTED)


def ask(settings: Settings, question: dict[str, Any]) -> httpx.Response:
    """Ask the route."""
    url, named = f"{settings.gateway_url}/v2/models/{MODEL}/infer", {"seldon-model": f"{MODEL}.experiment"}
    return httpx.post(url, json=question, headers=named, trust_env=False, timeout=60)
