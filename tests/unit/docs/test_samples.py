"""What the documentation shows as printed is printed, but for its figures; what it tells readers to send is taken."""

import gzip
import itertools
import json
import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from firstflight.cli.main import app
from firstflight.cli.plan_files import plan_from
from firstflight.decision.reasons import sentence as figures
from firstflight.decision.verdicts import MetricVerdict, Verdict
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import NoData
from firstflight.ledger.record import Record
from firstflight.rollout.story import reasons, sentence
from firstflight.serving.inference import headers
from firstflight.settings import Settings
from firstflight.workloads.market.features.history import check_history
from firstflight.workloads.market.training.evaluation import Evaluation, Scores, Trading
from firstflight.workloads.market.training.gate import judge
from tests.unit.comparison.test_compare import CHEAP, arm, compared, with_guardrails
from tests.unit.decision.test_decide import ERRORS, counts, healthy, look, plan_with, run
from tests.unit.docs.test_links import PAGES, ROOT
from tests.unit.docs.test_reference import OLD_LEDGER

TOLD = ("README.md", "docs/your-own-canary.md")


def printed() -> Iterator[str]:
    """Yield lines as the code says them: of a real ledger, of the gate, an A/B test, a check and a blind one."""
    for line in gzip.decompress(OLD_LEDGER.read_bytes()).splitlines():
        record = Record.model_validate_json(line)
        if record.kind == "approval.asked":  # pages move with Prefect's versions
            record = record.model_copy(update={"body": {**record.body, "link": Settings().run_page("6a297113")}})
        yield from (sentence(record), *reasons(record))
    flat, fine = (
        Evaluation(
            scores=Scores(rows=1, days=1, accuracy=0.5, auc=auc, mcc=mcc, brier=0.25, log_loss=0.7, up_share=up),
            trading=Trading(profit=0, sharpe=1, max_drawdown=0, turnover=0),
            constant=Scores(rows=1, days=1, accuracy=0.5, auc=0.5, mcc=0, brier=0.25, log_loss=0.7, up_share=1),
            buy_and_hold=Trading(profit=0, sharpe=1, max_drawdown=0, turnover=0),
        )
        for auc, mcc, up in ((0.5101, 0.0032, 0.99), (0.5288, 0.0195, 0.8))
    )
    yield from (f"enhanced: {why}" for why in judge(flat, fine).reasons)
    guarded = with_guardrails(
        Guardrail(metric="error_rate", limit=0.01, margin=0.05),
        Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
    )
    test = compared(arm(errors=0), arm(errors=0), plan=guarded, costs=CHEAP)
    yield test.headline
    yield from (f"{each.variant}: {why}" for each in test.recommendations for why in each.reasons)
    for status, seen in (("proven", 0.0), ("harm", 0.333)):
        yield figures(
            MetricVerdict(
                metric="error_rate",
                unit="share",
                status=status,
                stable=0.0,
                candidate=seen,
                low=0.0,
                high=0.4,
                limit=0.01,
                margin=0.05,
                n_candidate=80,
                log_threshold_rollback=math.log(80),
                log_threshold_promote=math.log(20),
            )
        )
    silent = [look(n, {"error_rate": NoData(reason="no rows")}, {"error_rate": counts(0, 80)}) for n in range(8, 30)]
    yield from run(plan_with(ERRORS), [*map(healthy, range(8)), *silent]).reasons


def shape(line: str) -> str:
    """Return a line without its time, its figures, and what only this run was called."""
    line = re.sub(r"\b(?:baseline|lightweight)-predictor-v\d+\b", "MODEL", re.sub(r"^\d\d:\d\d:\d\d", "", line).strip())
    return re.sub(r"\d[\d,.]*(?<=\d)", "N", line).partition("flow-run/")[0]


@pytest.mark.parametrize("page", TOLD)
def test_a_sample_is_what_is_printed(page: str) -> None:
    """Line by line; one that ends in … goes on as the code's does."""
    known = {shape(line) for line in printed()}
    samples = [each.content.splitlines() for each in PAGES[page] if each.type == "fence" and each.info == "text"]
    assert samples
    for line in map(shape, (line for lines in samples for line in lines)):
        start = line.removesuffix("…")
        assert line in known or (start != line and any(each.startswith(start) for each in known)), line


def test_the_prediction_to_copy_is_one() -> None:
    """Of the newcomer's page: route, headers and body are what clients send, and what the model checks."""
    (lines,) = [each.content for each in PAGES[TOLD[1]] if each.content.startswith("curl")]
    ones = ",".join(["1"] * 420)
    words = shlex.split(re.sub(r"\$\(yes 1 .*?\)", ones, lines.replace("\\\n", " ")))
    sent = [word for before, word in itertools.pairwise(words) if before == "-H"]
    wanted = headers("financial-predictor", "any")
    assert {f"{name}: {wanted[name]}" for name in ("content-type", "seldon-model")} == set(sent)
    assert f"{Settings().gateway_url}/v2/models/financial-predictor/infer" in words
    (tensor,) = json.loads(words[words.index("-d") + 1])["inputs"]
    assert ("history", "FP64") == (tensor["name"], tensor["datatype"])
    values = tensor["data"]
    rows = [values[place : place + 6] for place in range(0, len(values), 6)]
    assert tuple(tensor["shape"]) == check_history([rows]).shape


def test_the_plan_to_copy_can_be_flown(tmp_path: Path) -> None:
    """Of the newcomer's page: valid, changed as its command says, and each stage can answer at the rate it names."""
    (text,) = [each.content for each in PAGES[TOLD[1]] if each.info == "yaml"]
    (tmp_path / "my.yaml").write_text(text, encoding="utf-8")
    plan = plan_from(CanaryPlan, tmp_path / "my.yaml", ("guardrails.error_rate.limit=0.02",))
    assert (0.02, 500) == tuple(guardrail.limit for guardrail in plan.guardrails)
    told = CliRunner().invoke(app, ["plan", str(tmp_path / "my.yaml"), "--rate", "50"])
    assert 0 == told.exit_code, told.output


def test_the_code_to_copy_gives_its_figures() -> None:
    """Of the page on statistics: each line runs, and what stands behind it is what comes of it."""
    (text,) = [each.content for each in PAGES["docs/statistics.md"] if each.info == "python"]
    found: dict[str, Any] = {}
    exec(text, found)  # noqa: S102 - the page's own lines
    bounds = ", ".join(f"{each:.3f}" for each in found["bounds"])
    told = (f"|z| at {bounds}", f"{found['once'].control:,} of each arm", f"{100 * (found['factor'] - 1):.1f} % more")
    assert [] == [each for each in told if each not in text]


def test_a_reader_of_the_report_finds_its_parts() -> None:
    """Those that the page has, in words that are the same."""
    template = (ROOT / "src" / "firstflight" / "report" / "page.html.j2").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "how-to" / "read-a-report.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| ([A-Z][\w,/ ]+) \|", page, re.MULTILINE)
    assert sorted(re.findall(r"<h2[^>]*>([^<{]+)</h2>", template)) == sorted(told)


def test_an_approver_finds_each_verdict() -> None:
    """Every word that the table above the form may say of a guardrail."""
    page = (ROOT / "docs" / "how-to" / "approve.md").read_text(encoding="utf-8")
    statuses = get_args(MetricVerdict.model_fields["status"].annotation)
    assert [] == [status for status in statuses if f"`{status.replace('_', ' ')}`" not in page]


@pytest.mark.parametrize("word", ["e-process", "always-valid", "fencing", "stale token", "blind", "bake", *Verdict])
def test_the_glossary_explains_what_pages_and_records_say(word: str) -> None:
    """Words that no reader brings along, and every verdict."""
    rows = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    assert any(re.match(rf"\| (?:verdict \|.*\b{word}\b|{word}\b)", row) for row in rows)
