"""Every command of the documentation is run as it is written, or here is why not.

Those of `firstflight` run in the twin's world; what is run elsewhere names its test.
"""

import json
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from firstflight.cli.main import app
from tests.conftest import ROOT
from tests.unit.cli.doubles import RUN
from tests.unit.cli.place import Place
from tests.unit.docs.test_commands import COMMANDS, UNCHECKED
from tests.unit.docs.test_links import PAGES

GROUP: Any = get_command(app)
RUN_BY = {
    "curl": "tests/e2e/test_written_pages.py::test_one_prediction",
    "firstflight": "tests/unit/cli/test_written_commands.py::test_a_command_is_run",
    "firstflight --help": "tests/unit/cli/test_commands.py::test_the_help_names_every_command_in_whole_words",
    "firstflight guard": "tests/e2e/test_release.py::test_no_part_complains",
    "firstflight --version": "tests/unit/cli/test_commands.py::test_it_says_its_version",
    **dict.fromkeys(
        (
            "firstflight ab-test churn-ab-test.yaml",
            "firstflight canary churn-canary.yaml",
            "firstflight deploy churn 3 4",
            "firstflight history churn",
            "firstflight plan churn-ab-test.yaml",
            "firstflight plan churn-canary.yaml",
            "python -m pytest test_churn.py",
            "python customers.py",
            "python train.py",
        ),
        "tests/e2e/test_your_own_model.py::told",
    ),
    "make docs": ".ci/run",
    "make install": ".ci/run",
    "make lint": ".ci/run",
    "make test": ".ci/run",
    "make test-faults": ".ci/run",
    "python -m deployments.local_secrets": "tests/unit/cli/test_written_commands.py::test_secrets_are_written",
}
"""Who runs what begins so: a test, or CI itself. `firstflight` and the shell's words are those of a page's blocks."""

ONLY_PARSED = {
    **{program: why for program, why in UNCHECKED.items() if program not in RUN_BY},
    "firstflight --install-completion": "writes into your shell's files; what TAB then says is in test_completion",
    "kubectl": "asks a cluster; what it applies is held to schemas and rules in tests/manifests",
    "make demo": "takes minutes, and leaves a stack; what it calls is run, its story is tests/e2e/test_release",
    "make lock": "asks PyPI for what is newest, and changes the lock files",
    "make test-cluster": "needs a cluster",
    "make test-fast": "its tests are a part of `make test`",
    "make test-pythons": "needs other Pythons",
    "make test-seldon": "needs a Seldon Core",
    "prefect deployment run": "needs a cluster's Prefect; its flow runs in tests/e2e/test_doctor.py",
    "prefect deployment schedule": "would have the shared stack drilled; the parser of Prefect takes it",
    "prefect work-pool": "would stop the shared stack's runs",
    "python -m benchmarks": "measures for minutes or hours; tests/faults, tests/unit/worlds and the like are samples",
    "python -m deployments.register": "needs a cluster's Prefect; see tests/manifests/test_work_pool.py",
}
"""What no test runs, by how it begins, and why."""

MEANT = {
    "MODEL": "financial-predictor",
    "NAME": "lightweight-predictor-v2",
    "RUN": RUN,
    "model-drill": "financial-predictor",
}
"""What a page leaves to its reader."""


def spoken_of(command: str) -> bool:
    """Whether a sentence names the command alone, which needs words to be run."""
    program, *words = shlex.split(command)
    command_of = GROUP.commands.get(words[0]) if program == "firstflight" and len(words) == 1 else None
    return command_of is not None and any(one.required for one in command_of.params)


def ours(command: str) -> str:
    """Return the command as a terminal of this machine takes it: without what leads into a pod."""
    inside = command.rpartition(" -- ")[2] if command.startswith("kubectl") else command
    return f"firstflight {inside[3:]}" if inside.startswith("ff ") else inside


WRITTEN = sorted({ours(command) for _, command, mentions in COMMANDS if not (mentions and spoken_of(ours(command)))})


def rule(command: str) -> str | None:
    """Return the longest beginning that says what is done with the command."""
    known = [start for start in (*RUN_BY, *ONLY_PARSED) if f"{command} ".startswith((f"{start} ", f"{start}."))]
    return max(known, key=len, default=None)


def test_each_command_is_run_or_excused() -> None:
    """One that is new in a page has its test, or a reason; a test or reason that nobody needs any more goes."""
    assert [] == [command for command in WRITTEN if rule(command) is None]
    needed = {rule(command) for command in WRITTEN}
    assert set() == (RUN_BY.keys() | ONLY_PARSED.keys()) - UNCHECKED.keys() - needed
    assert set() == RUN_BY.keys() & ONLY_PARSED.keys()


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_who_runs_it_is_there(test: str) -> None:
    """The file, and the function in it."""
    file, _, function = test.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    wanted = [f"def {function}("] if function else [start for start, who in RUN_BY.items() if who == test]
    targets = {word for line in text.splitlines() if line.startswith("make ") for word in line.split()}
    assert all(each in text if function else each.split()[1] in targets | {"install"} for each in wanted)


@pytest.mark.parametrize("command", [command for command in WRITTEN if rule(command) == "firstflight"])
def test_a_command_is_run(
    command: str, firstflight: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends well where what it is for is there to be done, and says something."""
    [plan] = [each.content for each in PAGES["docs/your-own-canary.md"] if each.info == "yaml"]
    (tmp_path / "my.yaml").write_text(plan, encoding="utf-8")
    (tmp_path / "PLAN.yaml").write_text("model: churn", encoding="utf-8")
    _, *words = (MEANT.get(word, word) for word in shlex.split(command))
    Place(tmp_path, monkeypatch).prepare(words[0])
    code, out, err = firstflight(*words)
    assert 0 == code, out + err
    assert out.strip() or words[0] == "guard"


def test_secrets_are_written(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m deployments.local_secrets`, for kubectl to apply."""
    monkeypatch.delitem(sys.modules, "deployments.local_secrets", raising=False)
    runpy.run_module("deployments.local_secrets", run_name="__main__")
    assert {"Secret"} == {each["kind"] for each in json.loads(capsys.readouterr().out)["items"]}
