"""What Prometheus is told by the exporter: of whom, by which names, and nothing of what is away."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.errors import BackendUnavailableError, StoreUnavailableError
from firstflight.domain.samples import Window
from firstflight.observation.scored import Scored
from firstflight.observation.waiting import Labels
from firstflight.observation.waiting import Waiting as WaitingOf
from firstflight.rollout.machine import BEGINS, stream
from firstflight.serving.runtime import latency
from firstflight.telemetry import truths
from firstflight.telemetry.catalogue import OF_OURS, OF_SERVERS, Described, described
from firstflight.telemetry.exporter import Exporter, sources
from firstflight.telemetry.following import Followed
from firstflight.telemetry.rollouts import Rollouts
from firstflight.telemetry.truths import Waiting, Worths, complete
from firstflight.workloads.market.exports import EXPORTS
from firstflight.workloads.market.workload import WORKLOAD as MARKET
from tests.unit.acts.twin import MODEL, Twin, begun, drive, in_first_stage

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def samples(metrics: Iterable[Metric]) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples by name and labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for metric in metrics:
        for sample in metric.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def asked(rollouts: Rollouts) -> dict[str, dict[tuple[str, ...], float]]:
    """Return what is told of rollouts after one more reading."""
    rollouts.read()
    return samples(rollouts.told())


def test_an_open_rollout_is_told_with_the_split_the_router_reports(twin: Twin) -> None:
    """Where it stands, since when, what is declared and what is observed; no look, no verdict."""
    rollout = in_first_stage(twin)
    rollouts = Rollouts(twin.world)
    told = asked(rollouts)

    assert {"observing": 1.0} == {
        phase: value for (_, phase), value in told["firstflight_rollout_phase"].items() if value
    }
    assert rollout.stage_started_at is not None
    since = told["firstflight_rollout_phase_start_timestamp_seconds"]
    assert {(MODEL,): rollout.stage_started_at.timestamp()} == since
    assert {(MODEL,): 10.0} == told["firstflight_rollout_stage_percent"]
    split = {(MODEL, rollout.candidate.served_name): 10.0, (MODEL, rollout.arms.stable.served_name): 90.0}
    assert split == told["firstflight_rollout_declared_percent"]
    assert {"firstflight_router_percent": split} == samples(rollouts.routed())
    assert "firstflight_rollout_verdict" not in told


def test_the_last_look_is_told_with_its_evidence(twin: Twin) -> None:
    """A candidate that fails is rolled back; evidence of harm has reached its threshold, and the harm is counted."""
    rollout = begun(twin)
    twin.clients.failing = {rollout.candidate.served_name: 0.5}
    ended = drive(twin.world, rollout)
    told = asked(Rollouts(twin.world))

    assert 1.0 == told["firstflight_rollout_verdict"][MODEL, "ROLL_BACK"]
    harm = (MODEL, "error_rate", "harm")
    assert told["firstflight_guardrail_log_evidence"][harm] >= told["firstflight_guardrail_log_threshold"][harm]
    assert {(MODEL,): 0.0} == told["firstflight_rollout_stable_failing"]
    assert {(MODEL, "rolled back"): 1.0} == told["firstflight_rollouts_total"]
    assert {(MODEL, "ROLL_BACK"): 1.0} == told["firstflight_rollbacks_total"]
    assert 0 < told["firstflight_rollout_harmed_requests"][MODEL,]
    assert ended.ended_at is not None
    assert ended.ended_at.timestamp() == told["firstflight_rollout_phase_start_timestamp_seconds"][MODEL,]


def test_ends_are_counted_once_however_often_they_are_read(twin: Twin) -> None:
    """A person's order, then a promotion: read as they come, or all at once, they are the same."""
    follower = Rollouts(twin.world)
    in_first_stage(twin)
    assert "firstflight_rollouts_total" not in asked(follower)
    bring_model_home(twin.world, MODEL, actor="ada", reason="a hunch")
    first = asked(follower)
    drive(twin.world, begun(twin, "run-2"))

    assert {(MODEL, "person"): 1.0} == first["firstflight_rollbacks_total"]
    ends = {(MODEL, "rolled back"): 1.0, (MODEL, "promoted"): 1.0}
    assert (
        ends
        == asked(follower)["firstflight_rollouts_total"]
        == asked(Rollouts(twin.world))["firstflight_rollouts_total"]
    )


def test_a_rollout_whose_beginning_cannot_be_read_is_told_nothing_of(twin: Twin) -> None:
    """What follows it is no rollout before it."""
    drive(twin.world, begun(twin))
    twin.ledger.append(stream(MODEL), BEGINS, {"rollout": "?"}, actor="a stranger")

    assert "firstflight_rollout_phase" not in asked(Rollouts(twin.world))


def test_what_is_away_takes_its_metrics_with_it_and_no_others(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Nothing is 0 that is not known: ledger, database and router each say that they are away; the log, once."""
    in_first_stage(twin)

    def away(*_: object) -> Any:
        raise StoreUnavailableError("no answer")

    def no_router(_: str) -> None:
        raise BackendUnavailableError("no answer")

    monkeypatch.setattr(truths, "labels", away)
    monkeypatch.setattr("firstflight.observation.database.Database.connection", away)
    told = Exporter(sources(twin.world, "", tmp_path))
    up = {"ledger": 1, "router": 1, "predictions": 0, "outcomes": 0, "truths": 0, "disk": 1}
    assert {(name,): value for name, value in up.items()} == samples(told.collect())["firstflight_source_up"]

    monkeypatch.setattr(twin.ledger, "streams", away)
    assert samples(told.collect()).keys() >= {"firstflight_router_percent"}

    monkeypatch.setattr(twin.backend, "get_traffic", no_router)
    found = samples(told.collect())
    assert [True] * 5 == ["tells nothing" in text for text in said(caplog)]
    assert {("disk",): 1.0} == {name: value for name, value in found["firstflight_source_up"].items() if value}
    assert {"firstflight_source_up", "firstflight_disk_free_bytes", "firstflight_disk_size_bytes"} == found.keys()


class Stored:
    """Scored answers of a store, told as they are put in."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Scored]] = []

    def put(self, name: str, prediction: float, truth: float, payoff: float | None) -> None:
        """Store one."""
        self.rows.append((name, Scored(NOW + timedelta(seconds=len(self.rows) + 1), prediction, truth, payoff)))

    def now(self) -> datetime:
        """Return the stamp of the last."""
        return NOW + timedelta(seconds=len(self.rows))

    def after(self, route: str, name: str, at: datetime) -> Iterator[Scored]:
        """Yield those after `at`."""
        assert route == MODEL
        yield from (row for of, row in self.rows if of == name and row.at > at)


def test_worths_are_counted_by_the_names_of_the_workload(twin: Twin) -> None:
    """From when the exporter began, each answer once; a profit nobody knows is none, and a loss does not lessen."""
    rollout = begun(twin)
    name, stored = rollout.candidate.served_name, Stored()
    stored.put(name, 0.9, 1.0, 9.0)  # before it began
    worths = Worths(stored)  # type: ignore[arg-type]  # the two calls it makes
    assert {(MODEL, name): 0.0, (MODEL, rollout.arms.stable.served_name): 0.0} == samples(
        worths.told({MODEL: rollout})
    )["firstflight_scored_answers_total"]
    stored.put(name, 0.9, 1.0, 0.015)
    stored.put(name, 0.9, 0.0, -0.03)
    stored.put(name, 0.1, 0.0, None)
    stored.put("a-stranger", 0.1, 0.0, None)
    for _ in range(2):
        told = samples(worths.told({MODEL: rollout}))

    arm = (MODEL, name)
    assert 3.0 == told["firstflight_scored_answers_total"][arm]
    assert {(*arm, "1"): 2.0, (*arm, "0"): 1.0} == told["financial_prediction_accuracy_total"]
    assert {arm: pytest.approx(0.015)} == told["simulated_trading_profit_gained_dollars_total"]
    assert {arm: pytest.approx(0.03)} == told["simulated_trading_profit_lost_dollars_total"]
    buckets = {labels[-1]: value for labels, value in told["simulated_trading_profit_dollars_bucket"].items()}
    assert (0.0, 1.0, 1.0, 2.0, 2.0) == tuple(buckets[edge] for edge in ("-0.05", "-0.02", "0.01", "0.02", "+Inf"))


def test_a_workload_that_cannot_be_imported_hides_nothing_else(twin: Twin) -> None:
    """Its answers are counted; what they are worth, its own code alone could say."""
    rollout = begun(twin)
    strange = rollout.model_copy(update={"plan": rollout.plan.model_copy(update={"workload": "nowhere:WORKLOAD"})})
    assert {"firstflight_scored_answers_total"} == samples(Worths(Stored()).told({MODEL: strange})).keys()  # type: ignore[arg-type]  # as above


def test_code_of_a_workload_that_fails_hides_no_other_source(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What has no score, or one that is no number, has no worth; whatever else is raised is in the log."""
    rollout, stored = begun(twin), Stored()

    def score(prediction: Any, *_: object) -> dict[str, float]:
        return {"accuracy": math.nan, "profit": 1 / prediction}

    worths = Worths(stored)  # type: ignore[arg-type]  # as above
    exporter = Exporter([("outcomes", lambda: worths.told({MODEL: rollout})), ("disk", lambda: ())])
    monkeypatch.setattr(truths, "find", lambda _: replace(MARKET, score=score))
    list(exporter.collect())
    for answer in (math.inf, 0.0, 4.0):
        stored.put(rollout.candidate.served_name, answer, 1.0, None)
    told = samples(exporter.collect())
    assert "financial_prediction_accuracy_total" not in told
    assert [0.25] == list(told["simulated_trading_profit_gained_dollars_total"].values())

    stored.put(rollout.candidate.served_name, "a word", 1.0, None)  # type: ignore[arg-type]  # what a model may answer
    up = samples(exporter.collect())["firstflight_source_up"]
    assert {("outcomes",): 0.0, ("disk",): 1.0} == up
    assert ["outcomes tells nothing"] == said(caplog)
    assert {1.0} == set(samples(exporter.collect())["firstflight_source_up"].values())


def test_truths_are_looked_at_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes ten seconds is not taken again for two hundred; what has no truth yet has no delay."""
    now, looks = [0.0], []

    def looked(_url: str, days: float) -> Labels:
        looks.append(now[0])
        now[0] += 10
        one = WaitingOf(route=MODEL, answers=9, waiting=3, oldest_waiting=NOW, delay_p50=None, delay_p95=2.0)
        return Labels(days=days, models=(one,), told={"new": 6})

    monkeypatch.setattr(truths, "labels", looked)
    waiting = Waiting("", lambda: now[0])
    for now[0] in (1.0, 100.0, 200.0, 202.0):
        told = samples(waiting.told())

    assert [1.0, 202.0] == looks
    assert {("new",): 6.0} == told["firstflight_truths_total"]
    assert {(MODEL,): 3.0} == told["firstflight_predictions_waiting"]
    assert {(MODEL,): NOW.timestamp()} == told["firstflight_predictions_waiting_since_timestamp_seconds"]
    assert {(MODEL, "0.95"): 2.0} == told["firstflight_truth_delay_seconds"]


def test_before_anything_is_stored_nothing_is_complete() -> None:
    """And then up to the collector's last word."""

    class Source:
        window: Window | None = None

        def watermark(self, _route: str) -> Window | None:
            return self.window

    source = Source()
    assert {} == samples(complete(source))  # type: ignore[arg-type]  # the one call it makes
    source.window = Window(since=NOW, until=NOW + timedelta(seconds=5))
    told = samples(complete(source))  # type: ignore[arg-type]  # as above
    assert {(): NOW.timestamp() + 5} == told["firstflight_predictions_complete_timestamp_seconds"]


def test_prometheus_and_openmetrics_can_read_it(twin: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both texts say the same, end as they must, and hold no two samples of one name and labels."""
    in_first_stage(twin)
    stored = Stored()
    monkeypatch.setattr(truths, "labels", lambda _url, days: Labels(days=days, models=(), told={}))
    monkeypatch.setattr("firstflight.telemetry.exporter.ScoredAnswers", lambda _url: stored)
    registry = CollectorRegistry()
    registry.register(Exporter(sources(twin.world, "postgresql:///nowhere?host=/nowhere", tmp_path)))
    families = list(text_string_to_metric_families(openmetrics(registry).decode()))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]

    assert len(lines) == len({line.rpartition(" ")[0] for line in lines})
    names = {one.name for one in OF_OURS} | {one.name for each in EXPORTS for one in described(each)}
    assert {family.name for family in families} <= names
    assert "firstflight_rollout_phase" in {family.name for family in families}


def every() -> list[Described]:
    """Return every metric there is."""
    return [*OF_OURS, *(one for each in EXPORTS for one in described(each))]


def test_names_keep_the_conventions() -> None:
    """Snake case, `_total` left to the counters, one metric a name; the names of the plan are kept."""
    names = [one.name for one in every()]
    assert len(names) == len(set(names))
    assert [] == [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z]", name) or name.endswith("_total")]
    series = {name for one in every() for name in one.series}
    assert {"financial_prediction_accuracy_total", "simulated_trading_profit_dollars_bucket"} <= series


def test_what_model_servers_count_is_what_the_catalogue_says() -> None:
    """They run in another environment, which has no catalogue."""
    [described_one] = OF_SERVERS
    [counted] = latency.SECONDS.describe()
    assert (described_one.name, described_one.kind, described_one.told) == (
        counted.name,
        counted.type,
        counted.documentation,
    )
    assert set(described_one.labels) == {"model", "variant", "result"}


def test_an_odd_id_is_no_exemplar() -> None:
    """What a client sends stands beside a count, if it is a plain word, and in no label."""
    registry = CollectorRegistry()
    registry.register(latency.SECONDS)
    latency.begin("m", "v")
    before = len(openmetrics(registry).splitlines())
    for number in range(10_000):
        latency.observe("m", "v", "answered", 0.003, f"{number}\ud800")
    latency.observe("m", "v", "answered", 0.003, "order-7")
    latency.observe("m", "v", "answered", 0.003, "x" * 101)
    text = openmetrics(registry).decode()

    assert before == len(text.splitlines())
    assert ["order-7"] == re.findall(r'model="m".*# \{request_id="([^"]*)"\}', text)


def test_a_thousand_rollouts_of_a_model_are_no_more_series_than_one(twin: Twin) -> None:
    """Versions and runs come and go; what is told is about the last one."""
    drive(twin.world, begun(twin))
    one = Followed()
    records = twin.ledger.read(stream(MODEL))
    one.read(records)
    for again in range(1, 1000):
        one.read(replace_number(record, again * len(records)) for record in records)

    assert (1, 1000) == (len(one.ends), sum(one.ends.values()))
    assert one.rollout is not None
    assert one.rollout.final


def replace_number(record: Any, by: int) -> Any:
    """Return `record` further on in its stream."""
    return record.model_copy(update={"number": record.number + by})


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the exporter said: others say less or more by the level that an earlier test has set."""
    return [record.getMessage() for record in caplog.records if record.name == Exporter.__module__]
