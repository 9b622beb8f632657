"""Declared splits, reported splits and servers, held against each other."""

from pathlib import Path

import pytest

from firstflight.domain.findings import Status
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.local.diagnosis import Serving, diagnose, read_serving, serving_findings
from firstflight.settings import Settings
from tests.conftest import free_ports

SPLIT = TrafficSplit(stable="a-v1", weights={"a-v2": 10, "a-v1": 90}, shadow="a-shadow")
READY = {"a-v1": True, "a-v2": True, "a-shadow": True}


def unwell(serving: Serving) -> dict[str, str]:
    """Return ids of what is not well, by subject."""
    return {one.subject: one.id for one in serving_findings(serving) if one.status is not Status.PASS}


def test_all_is_well() -> None:
    """What is declared is reported, and every share has a ready server; so has the shadow."""
    assert {} == unwell(Serving({"a": SPLIT}, {"a": SPLIT}, READY))


def test_a_split_that_differs() -> None:
    """The gateway carries out something else than its files say."""
    assert {"route a": "split-differs"} == unwell(Serving({"a": SPLIT}, {"a": TrafficSplit.all_to("a-v1")}, READY))


def test_a_share_without_a_ready_server() -> None:
    """Candidate or shadow: whoever gets requests must be ready; weight 0 asks nobody."""
    for name in READY:
        assert {"route a": "model-server-down"} == unwell(Serving({"a": SPLIT}, {"a": SPLIT}, {**READY, name: False}))
    stable = TrafficSplit(stable="a-v1", weights={"a-v2": 0, "a-v1": 100})
    assert {} == unwell(Serving({"a": stable}, {"a": stable}, {"a-v1": True}))


def test_a_route_that_was_closed_is_well() -> None:
    """After a drill nobody is to answer on its route; a crash of the same server is not that, nor is a share."""
    one, half = TrafficSplit.all_to("a-v1"), TrafficSplit.canary("a-v1", "a-v2", 50)
    closed = Serving({"a": one}, {"a": one}, {"a-v1": False}, stopped=frozenset({"a-v1"}))
    assert {} == unwell(closed)
    assert ["closed: a-v1 was stopped on purpose"] == [finding.found for finding in serving_findings(closed)]
    assert {"route a": "model-server-down"} == unwell(Serving({"a": one}, {"a": one}, {"a-v1": False}))
    evicted = Serving({"a": half}, {"a": half}, {"a-v1": True, "a-v2": False}, stopped=frozenset({"a-v2"}))
    assert {"route a": "model-server-down"} == unwell(evicted)


def test_a_server_without_traffic_is_a_warning() -> None:
    """Nobody asks it, so nothing fails."""
    one = TrafficSplit.all_to("a-v1")
    found = unwell(Serving({"a": one}, {"a": one}, {"a-v1": True, "a-v9": False}))
    assert {"model servers without traffic": "model-server-idle-down"} == found


def test_what_is_judged_is_asked_for_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor's would be evidence; a route of one model alone is asked, here where nobody answers."""
    splits = {"a": SPLIT, "b": TrafficSplit.all_to("b-v1")}
    serving = Serving(splits, splits, {**READY, "b-v1": True})
    monkeypatch.setattr("firstflight.serving.local.diagnosis.read_serving", lambda _: serving)
    found = {one.subject: one for one in diagnose(Settings(ports=free_ports()))}
    assert (Status.PASS, True) == (
        found["a prediction of a"].status,
        "not asked for" in found["a prediction of a"].found,
    )
    assert Status.FAIL is found["a prediction of b"].status


def test_a_stack_that_never_was(tmp_path: Path) -> None:
    """Looking at a home that does not exist makes nothing there."""
    home = tmp_path / "home"
    found = unwell(read_serving(Settings(home=home)))
    assert {"gateway": "gateway-unreachable", "routes": "split-none"} == found
    assert not home.exists()
