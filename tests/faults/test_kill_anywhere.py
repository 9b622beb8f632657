"""Forty SIGKILLs on the real local stack: drivers at their transitions, flows, and every part around a rollout.

A sample of `benchmarks/faults`, which kills five hundred times and writes docs/reliability.md.
"""

from pathlib import Path

import pytest

from benchmarks.faults.audit import Summary, summarise
from benchmarks.faults.bench import play_all
from benchmarks.faults.clients import live_traffic
from benchmarks.faults.ground import Lane
from benchmarks.faults.results import Results
from benchmarks.faults.scenarios import sample
from firstflight.ledger import open_store
from firstflight.settings import Settings

pytestmark = [pytest.mark.local, pytest.mark.faults]


@pytest.fixture(scope="module")
def killed(impatient: Settings, lanes: tuple[Lane, ...], tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """What forty kills added up to."""
    folder: Path = tmp_path_factory.mktemp("kills")
    results = Results(folder / "results.jsonl")
    models = tuple(lane.model for lane in lanes)
    with live_traffic(impatient, models, folder / "clients-control.jsonl", rate=10.0):
        play_all(impatient, lanes, sample(seed=7), results)
    return summarise(results, open_store(impatient), models, folder)


def test_each_kill_is_got_over_within_a_minute(killed: Summary) -> None:
    """Back at the stable model, or on in the stage it was in; nothing had to be given up."""
    assert () == killed.given_up
    assert killed.points == killed.in_time
    assert killed.points >= 38, "a doom that nobody crossed is no kill"


def test_no_stage_is_doubled_or_skipped_and_no_record_lost(killed: Summary) -> None:
    """Every rollout's ladder is a beginning of its plan's, each stage once; numbers follow each other."""
    assert () == killed.faults


def test_clients_do_not_notice_the_death_of_any_control_part(killed: Summary) -> None:
    """Not one request failed."""
    assert {} == killed.control.why
    assert killed.control.requests > 500


def test_nobody_is_answered_by_a_candidate_after_its_rollback(killed: Summary) -> None:
    """Home is home, whoever else was killed."""
    assert killed.rolled_back >= 2
    assert killed.home_requests > 10, "nobody asked, so nobody was answered"
    assert 0 == killed.after_home


def test_what_is_resumed_goes_on_to_its_end(killed: Summary) -> None:
    """Attempts that died dozens of times, and a rollout around which every part died, are promoted."""
    assert killed.phases["promoted"] >= 2
