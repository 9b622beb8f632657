"""What Prometheus is told of a guard."""

import logging
import socket

import httpx
import pytest

from firstflight.guard.clock import LeaseClock
from firstflight.guard.figures import GuardFigures, told
from firstflight.guard.guard import Guard
from tests.unit.acts.twin import MODEL, Twin, in_first_stage
from tests.unit.telemetry.test_exporter import samples


def test_rounds_and_leases_are_told(twin: Twin) -> None:
    """How many rounds, how long, when the last one ended; how old the lease is by the guard's own clock."""
    in_first_stage(twin)
    guard = Guard(twin.world, monotonic=lambda: twin.time.now)
    figures = GuardFigures(guard.clock, lambda: twin.time.now, lambda: 1000 + twin.time.now)
    guard.went = figures.went
    assert {
        "firstflight_guard_rounds_total": {(): 0.0},
        "firstflight_guard_homecomings_total": {(): 0.0},
    }.items() <= samples(figures.collect()).items()
    assert "firstflight_guard_round_timestamp_seconds" not in samples(figures.collect())

    begun = twin.time.now
    list(guard.rounds(3.0, 7.0))
    figures.brought_home()
    told = samples(figures.collect())

    assert 2 <= told["firstflight_guard_rounds_total"][()] == told["firstflight_guard_round_seconds_count"][()]
    assert told["firstflight_guard_round_seconds_bucket"]["+Inf",] == told["firstflight_guard_rounds_total"][()]
    assert 1000 + twin.time.now == told["firstflight_guard_round_timestamp_seconds"][()]
    assert {(): 1.0} == told["firstflight_guard_homecomings_total"]
    age = told["firstflight_lease_age_seconds"][MODEL,]
    assert 0 <= age <= twin.time.now - begun + 1
    assert twin.leases.all[MODEL].seconds == age + told["firstflight_lease_left_seconds"][MODEL,]


def test_a_second_guard_watches_though_nobody_can_ask_it(caplog: pytest.LogCaptureFixture) -> None:
    """The first one's port is no reason to leave a rollout alone; it says so, and once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with told(GuardFigures(LeaseClock(30)), "127.0.0.1", port):
        with caplog.at_level(logging.WARNING), told(GuardFigures(LeaseClock(30)), "127.0.0.1", port):
            assert [True] == ["tells no metrics" in record.getMessage() for record in caplog.records]
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=120)
    assert "firstflight_guard_rounds_total 0.0" in answer.text
