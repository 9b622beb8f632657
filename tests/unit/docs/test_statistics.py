"""What docs/statistics.md says is what was measured, and what the code reckons."""

import json
import math
import re
from typing import Any

import pytest

from benchmarks.performance.look_cost import measure, scipy_on_samples
from benchmarks.worlds import report as worlds
from firstflight.analysis.absolute_limit import within_limit_log_e
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Look
from tests.unit.decision.test_decide import Verdict, counts, look, plan_with, run
from tests.unit.docs.test_links import ROOT

PAGE = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """Return the published calibration."""
    found: dict[str, Any] = json.loads((ROOT / "docs/calibration.json").read_text(encoding="utf-8"))
    return found


def test_the_tables_are_those_of_the_published_figures(data: dict[str, Any]) -> None:
    """Written by the report, not by hand."""
    from benchmarks.calibration.report import BEGIN, END, measured  # noqa: PLC0415 - matplotlib is slow to come

    assert measured(data) == PAGE.partition(BEGIN)[2].partition(END)[0].strip()


def test_a_small_fault_ends_as_the_table_says(data: dict[str, Any]) -> None:
    """The sentence about errors of 0.5 % repeats its row."""
    row = data["policy on faults"]["errors 0.1 → 0.5 %"]
    said = re.search(r"stable model's: (\d+) % rolled back, (\d+) % held, (\d+) % promoted", PAGE)
    assert said is not None
    assert [round(100 * row[name]) for name in ("rolled_back", "held", "promoted")] == [int(n) for n in said.groups()]


def test_so_many_perfect_requests_prove_as_the_page_says() -> None:
    """Looked at after each: of a limit of 1 % the exact number, of a margin of 5 points by the decision itself."""
    said = re.search(r'prove "< 1 %" after (\d+) requests; a margin of 5 points\n  takes (\d+)', PAGE)
    assert said is not None
    limit, margin = (int(number) for number in said.groups())
    enough = [within_limit_log_e(0, requests, 0.01) >= math.log(20) for requests in (limit - 1, limit)]
    assert [False, True] == enough
    guardrail = Guardrail(metric="error_rate", limit=0.01, margin=0.05)
    plan = plan_with(guardrail, stages=(5, 100), stage_seconds=1800, min_stage_seconds=0)

    def perfect(second: int) -> Look:
        return look(second, {"error_rate": counts(0, 1)}, {"error_rate": counts(0, 19)}, stage=5)

    looks = [perfect(second) for second in range(margin)]
    assert [Verdict.CONTINUE, Verdict.PROMOTE] == [run(plan, looks[:-1]).verdict, run(plan, looks).verdict]


def test_a_look_costs_less_than_one_test_of_a_thousand_values() -> None:
    """Ten metrics of two candidates, folded in and judged, beside scipy's Welch on as many raw samples: a twelfth."""
    ours = measure(10**6, number=3)
    assert ours["update_ms"] + ours["judge_ms"] < scipy_on_samples(1000)["welch_ms"] / 2


def test_the_row_of_every_world_is_what_was_flown() -> None:
    """Written by the report from the published rows."""
    rows = worlds.rows_of((ROOT / "docs/worlds.jsonl").read_text(encoding="utf-8"))
    assert worlds.measured(rows) == PAGE.partition(worlds.BEGIN)[2].partition(worlds.END)[0].strip()
