"""What served at a time, by the ledger of version 0.1.0: an A/B test, a canary that was promoted, one sent home."""

import gzip
from datetime import UTC, datetime

import pytest

from firstflight.acts.served import served_at, story_of
from firstflight.domain.errors import NotFoundError
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.ledger.record import Record
from tests.conftest import ROOT

MODEL = "financial-predictor"
OLD = ROOT / "tests" / "unit" / "ledger" / "testdata" / "0.1.0.jsonl.gz"
BASELINE, LIGHTWEIGHT = "sha256:3d43b108", "sha256:c382960e"


@pytest.fixture(scope="module")
def ledger() -> MemoryRecordStore:
    """That ledger, each record at its time."""
    with gzip.open(OLD, "rt", encoding="utf-8") as lines:
        records = [Record.model_validate_json(line) for line in lines]
    times = iter([record.at for record in records])
    store = MemoryRecordStore(lambda: next(times))
    for record in records:
        store.append(record.stream, record.kind, record.body, actor=record.actor)
    return store


def at(minute: int, second: int) -> datetime:
    """That moment of the hour in which it happened."""
    return datetime(2026, 11, 30, 4, minute, second, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "shares"),
    [
        (at(8, 45), [(BASELINE, 100)]),
        (at(9, 0), [(BASELINE, 80), (LIGHTWEIGHT, 20)]),
        (at(9, 28), [(BASELINE, 100)]),
        (at(10, 2), [(BASELINE, 75), (LIGHTWEIGHT, 25)]),
        (at(10, 40), [(LIGHTWEIGHT, 100)]),
        (at(10, 50), [(LIGHTWEIGHT, 100)]),
        (at(11, 36), [(LIGHTWEIGHT, 95), ("sha256:44136d15", 5)]),
        (at(59, 59), [(LIGHTWEIGHT, 100)]),
    ],
)
def test_who_had_traffic(ledger: MemoryRecordStore, when: datetime, shares: list[tuple[str, int]]) -> None:
    """By digest, in every phase: first champion, A/B test, each stage, the bake, promoted, gone home."""
    assert shares == [(one.version.digest[:15], one.share) for one in served_at(ledger, MODEL, when)]


def test_on_what_evidence_and_who_approved(ledger: MemoryRecordStore) -> None:
    """The promoted version by its canary: how many checks, what the last said, who said yes; the first by nothing."""
    [promoted] = served_at(ledger, MODEL, at(59, 59))
    assert (f"{MODEL}-r2", 45) == (promoted.rollout, promoted.checks)
    assert "check at 100 %" in promoted.evidence[0]
    assert ["2026-11-30 04:10:23 UTC: demo approved the 50 % stage: answered by --approve auto (demo)"] == list(
        promoted.approvals
    )
    [first] = served_at(ledger, MODEL, at(8, 45))
    assert (None, 0, (), ()) == (first.rollout, first.checks, first.evidence, first.approvals)


def test_before_the_first_record_nobody_knows(ledger: MemoryRecordStore) -> None:
    """What the ledger does not tell is not guessed."""
    with pytest.raises(NotFoundError, match="does not say what served"):
        served_at(ledger, MODEL, at(0, 0))


def test_a_story_is_told_by_time(ledger: MemoryRecordStore) -> None:
    """A rollout's records with its checks among them; of no rollout there is none."""
    story = story_of(ledger, f"{MODEL}-r3")
    assert ["rollout.started", "rollout.rolled_back"] == [story[0].kind, story[-1].kind]
    assert 2 == sum(record.kind == "check" for record in story)
    assert sorted(record.at for record in story) == [record.at for record in story]
    with pytest.raises(NotFoundError, match="no rollout nosuch"):
        story_of(ledger, "nosuch")
