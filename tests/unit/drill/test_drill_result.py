"""What people and machines read of a drill."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
import typer
from rich.console import Console

from firstflight.cli.drill import _names, table
from firstflight.drill.faults import FaultName, alone, faults
from firstflight.drill.result import HEADERS, Clients, Drill, Result, headline, markdown, row
from firstflight.drill.timeline import Timeline

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = faults(guard_seconds=3.0)
KEPT = Result(
    fault=KNOWN["errors"],
    rollout="m-drill-r1",
    times=Timeline(
        struck=BEGAN,
        detected=BEGAN + timedelta(seconds=2),
        decided=BEGAN + timedelta(seconds=2.5),
        quiet=BEGAN + timedelta(seconds=2.75),
        verified=BEGAN + timedelta(seconds=4),
    ),
    by="guard",
    way="eviction",
    reasons=("5 of 5 failed",),
    proof="the router reports stable 100 %",
    candidate_requests=40,
    candidate_failed=38,
    clients=Clients(asked=90, failed=38),
)
BROKEN = Result(fault=KNOWN["gateway"], broken=("nobody decided",))
DRILL = Drill(
    id="drill-1",
    model="m",
    route="m-drill",
    began_at=BEGAN,
    ended_at=BEGAN + timedelta(seconds=61),
    actor="ada",
    results=(KEPT, BROKEN),
)


def test_every_fault_is_told_in_the_order_of_the_command() -> None:
    """The names that can be asked for are those that are known, shared ones last."""
    assert get_args(FaultName) == tuple(KNOWN)
    assert ("gateway",) == tuple(name for name, fault in KNOWN.items() if fault.shared)


def test_a_lost_lease_is_promised_with_the_guards_own_pace() -> None:
    """A guard that goes its rounds more slowly promises less."""
    assert 13.0 == KNOWN["driver"].promise.decided
    assert 27.0 == faults(guard_seconds=10.0)["disk"].promise.decided


def test_nobody_asks_for_the_shared_fault_by_saying_nothing() -> None:
    """Only `all` and its own name take every route's requests."""
    assert alone() == _names(None)
    assert "gateway" not in alone()
    assert get_args(FaultName) == _names(["all"])
    assert ("errors", "gateway") == _names(["gateway", "errors", "gateway"])


def test_an_unknown_fault_is_refused_with_those_that_exist() -> None:
    """A typing error breaks nothing."""
    with pytest.raises(typer.BadParameter, match="no such fault: eror; there are errors, latency"):
        _names(["eror"])


def test_a_row_tells_every_leg() -> None:
    """Seconds between the moments, the promise beside them, and who acted by which way."""
    cells = ("errors", "yes", "2.0", "0.5", "0.2", "1.2", "4.0", "5+5", "guard, by eviction", "38 of 40")
    assert cells == row(KEPT)
    assert len(HEADERS) == len(cells)


def test_what_is_unknown_is_a_dash() -> None:
    """A fault that never came home has no times, and is not kept."""
    assert ("gateway", "NO", "–", "–", "–", "–", "–", "10+5", "–", "–") == row(BROKEN)
    assert "1 of 2 faults came home as promised, 61 s in all" == headline(DRILL)
    assert not DRILL.kept


def test_a_drill_of_nothing_has_kept_nothing() -> None:
    """No fault was asked for, so none came home."""
    assert not DRILL.model_copy(update={"results": ()}).kept


def test_the_page_says_what_was_done_and_what_it_stands_for() -> None:
    """Markdown with the table and a section for each fault."""
    page = markdown(DRILL)
    assert "| errors | yes | 2.0 | 0.5 | 0.2 | 1.2 | 4.0 | 5+5 | guard, by eviction | 38 of 40 |" in page
    assert "- **not kept**: nobody decided" in page
    assert f"- stands for: {KNOWN['gateway'].simulates}" in page
    assert "90 asked, 38 failed" in page


def test_the_table_fits_into_a_terminal() -> None:
    """No cell is cut off at 80 columns."""
    longest = KEPT.model_copy(update={"candidate_requests": 1042, "candidate_failed": 142})
    console = Console(width=80)
    with console.capture() as told:
        console.print(table(DRILL.model_copy(update={"results": (longest, BROKEN)})))
    assert "…" not in told.get()
    assert "142 of 1042" in told.get()
    assert {"guard,", "eviction"} <= set(told.get().split())


def test_the_evidence_comes_back_from_json() -> None:
    """What the ledger keeps is what was measured."""
    assert DRILL == Drill.model_validate_json(DRILL.model_dump_json())
