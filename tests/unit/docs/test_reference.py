"""The reference tells of everything there is, and needs little to be written."""

import ast
import gzip
import json
import re
from pathlib import Path

from docs.reference import OTHERS, pages
from firstflight.cli.commands import SECTIONS
from firstflight.cli.main import spelled
from firstflight.rollout.freeze import BEGUN, LIFTED
from tests.unit.cli.test_imports import imported

ROOT = Path(__file__).parents[3]
OLD_LEDGER = ROOT / "tests" / "unit" / "ledger" / "testdata" / "0.1.0.jsonl.gz"


def test_every_command_has_its_place() -> None:
    """A heading to link to, with its example as it is in the help."""
    told = pages()["reference/commands.md"]
    commands = [spelled(command) for those in SECTIONS.values() for command in those]
    assert commands == re.findall(r"^### (.+)$", told, re.MULTILINE)
    assert "\nfirstflight canary deployments/plans/demo-release.yaml --watch\n" in told


def test_whatever_can_be_given_is_explained() -> None:
    """No word of a command, field of a plan or setting without a meaning."""
    rows = [line for text in pages().values() for line in text.splitlines() if line.startswith("| `")]
    assert 100 < len(rows)
    assert [] == [row for row in rows if not row.split("|")[-2].strip()]


def test_variables_of_others_are_those_that_are_read() -> None:
    """The settings ask the environment for Prefect's and MLflow's own names themselves."""
    text = (ROOT / "src" / "firstflight" / "settings.py").read_text(encoding="utf-8")
    asked = re.findall(r'environ\.get\("(\w+)"', text)
    assert {name for name in asked if not name.startswith("FIRSTFLIGHT_")} == OTHERS.keys()


def test_it_is_written_without_the_stack() -> None:
    """The site's environment has neither torch nor Prefect, nor anything else that a command needs to run."""
    [found] = imported("from docs.reference import pages; pages()")
    assert set() == {"torch", "prefect", "mlflow", "numpy", "rich.table", "psycopg", "httpx", "yaml"} & found


def kinds_in_code() -> set[str]:
    """Return every kind of record that the code appends, or saves as a release's checkpoint."""
    found = {BEGUN, LIFTED}
    for folder in ("src", "flows"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in {"append", "save"}:
                    words = [one.value for one in call.args[:3] if isinstance(one, ast.Constant)]
                    found |= {word for word in words if isinstance(word, str) and len(call.args) > 1}
    return found


def test_every_kind_of_record_is_told_with_what_it_holds() -> None:
    """Those the code writes, and no others; a ledger that was really written holds the very keys."""
    page = (ROOT / "docs" / "records.md").read_text(encoding="utf-8").partition("| kind |")[2]
    told = {row.split("`")[1]: row.rpartition(" | ")[2] for row in page.splitlines() if row.startswith("| `")}
    assert kinds_in_code() == told.keys()
    records = map(json.loads, gzip.decompress(OLD_LEDGER.read_bytes()).splitlines())
    assert [] == [(one["kind"], key) for one in records for key in one["body"] if f"`{key}`" not in told[one["kind"]]]
