"""Records and plans as version 0.1.0 (commit 2aa880c) wrote them are still read, whatever was renamed since.

The ledger is that version's demo: an A/B test, a canary that was approved and promoted, one that was rolled back.
"""

import gzip
import json
from pathlib import Path

import pytest
import yaml

from firstflight.acts.ledger_view import checks, history
from firstflight.decision.verdicts import Verdict
from firstflight.domain.plans import ReleasePlan
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.ledger.record import Record
from firstflight.rollout.machine import Phase

TESTDATA = Path(__file__).parent / "testdata"
MODEL = "financial-predictor"


@pytest.fixture(scope="module")
def ledger() -> MemoryRecordStore:
    """A store that holds the old ledger, record by record."""
    store = MemoryRecordStore()
    with gzip.open(TESTDATA / "0.1.0.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [Record.model_validate_json(line) for line in lines]
    assert 116 == len(records)
    for record in records:
        store.append(record.stream, record.kind, record.body, actor=record.actor)
    return store


def test_each_rollout_is_told_as_it_ended(ledger: MemoryRecordStore) -> None:
    """The fold of the old records says what that version's own history said."""
    told = history(ledger, MODEL)
    assert [Phase.COMPARED, Phase.PROMOTED, Phase.ROLLED_BACK] == [rollout.phase for rollout in told]
    assert [5, 10, 25, 50, 75, 100] == list(told[1].plan.stages)
    assert "lightweight-predictor-v3" == told[1].arms.candidates[0].served_name
    assert "21.4 %" in told[2].reasons[0]


def test_each_check_is_read(ledger: MemoryRecordStore) -> None:
    """Every look and the decision on it, with its reasons."""
    counted = {rollout.id: len(checks(ledger, rollout)) for rollout in history(ledger, MODEL)}
    assert {f"{MODEL}-r1": 16, f"{MODEL}-r2": 45, f"{MODEL}-r3": 2} == counted
    look, decision = checks(ledger, history(ledger, MODEL)[2])[-1]
    assert Verdict.ROLL_BACK == decision.verdict
    assert decision.reasons
    assert look.samples


def test_an_old_plan_is_a_plan() -> None:
    """A release that was written for that version begins today, and says the same."""
    written = yaml.safe_load((TESTDATA / "0.1.0-release.yaml").read_text(encoding="utf-8"))
    plan = ReleasePlan.model_validate(written)
    assert written["canary"] == json.loads(plan.canary.model_dump_json(exclude_defaults=True)) | written["canary"]
    assert [50] == list(plan.canary.approvals)
    assert 0.05 == plan.canary.guardrails[0].margin
