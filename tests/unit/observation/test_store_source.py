"""Windows stay exact while several processes write, and survive what PostgreSQL may do."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from firstflight.domain.errors import InvalidDataError
from firstflight.domain.samples import Counts, NoData, Sample, Window
from firstflight.observation.history import Activity, History
from firstflight.observation.log_file import Position
from firstflight.observation.records import Outcome, Prediction
from firstflight.observation.store import PredictionStore
from firstflight.observation.store_source import StoreSource
from firstflight.observation.waiting import labels
from firstflight.workloads.scores import PROBABILITY

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def asked(**changes: Any) -> Prediction:
    """One healthy request about a unit of its own, with `changes`."""
    rid = uuid.uuid4().hex
    fields: dict[str, Any] = {"rid": rid, "listener": "main", "route": "m", "unit": rid, "assigned": "a", "served": "a"}
    return Prediction(**(fields | {"prediction": 0.7, "code": 200, "us": 1000, "at": NOW} | changes))


def test_an_answered_window_never_changes(url: str) -> None:
    """While outcomes come from several threads, consecutive windows miss and repeat nothing, and stay as they were."""
    store, source = PredictionStore(url), StoreSource(url, PROBABILITY)
    batches = [[asked() for _ in range(20)] for _ in range(40)]
    answered: list[tuple[Window, Sample, int]] = []
    done = threading.Event()

    def look(since: datetime) -> datetime:
        found = source.watermark("m")
        assert found is not None
        window = Window(since=since, until=found.until)
        requests = source.assignments("m", window).get("a", 0)
        answered.append((window, source.samples("m", "a", window)["accuracy"], requests))
        return window.until

    def watch(since: datetime) -> datetime:
        while not done.is_set():
            since = look(since)
        return since

    def post(batch: list[Prediction]) -> None:
        store.add_outcomes([Outcome(one.rid, one.unit or "", one.rid, 1.0, 0.0, NOW) for one in batch])

    with store.collecting() as collection, ThreadPoolExecutor(4) as pool:
        assert collection is not None
        watching = pool.submit(watch, collection.add([], Position()))
        posts = []
        for number, batch in enumerate(batches):
            collection.add(batch, Position("f", number))
            posts.append(pool.submit(post, batch))
        for posted in posts:
            posted.result()
        collection.add([], Position("f", len(batches)))
        done.set()
        since = look(watching.result())
        with psycopg.connect(url) as connection:  # every block is closed by then
            connection.execute("UPDATE ingestion SET stamp = stamp + interval '10 seconds'")
        collection.add([], Position("f", len(batches)))
        look(since)
    assert 800 == sum(requests for _, _, requests in answered)
    assert 800 == sum(sample.exposures for _, sample, _ in answered if isinstance(sample, Counts))
    for window, sample, requests in answered:
        again = source.samples("m", "a", window)["accuracy"]
        assert isinstance(sample, Counts) == isinstance(again, Counts)
        if isinstance(sample, Counts):
            assert sample == again
        assert requests == source.assignments("m", window).get("a", 0)


def test_tables_are_made_once_by_whoever_comes_first(url: str) -> None:
    """Several processes may meet an empty database at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        watermarks = list(pool.map(lambda _: StoreSource(url, PROBABILITY).watermark("m"), range(8)))
    assert [None] * 8 == watermarks


def test_stamps_follow_each_other_when_the_clock_goes_back(url: str) -> None:
    """A clock that was set back does not put new rows into windows that were answered."""
    store, source = PredictionStore(url), StoreSource(url, PROBABILITY)
    with store.collecting() as collection:
        assert collection is not None
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE ingestion SET stamp = stamp + interval '1 hour'")
        first = collection.add([asked()], Position())
        second = collection.add([asked()], Position())
    assert first < second
    assert {"a": 1} == dict(source.assignments("m", Window(since=first, until=second)))


def test_history_by_the_time_of_the_request(url: str) -> None:
    """Each bin tells what each model did in it, empty ones included."""
    store = PredictionStore(url)
    minute = [datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(60)]
    with store.collecting() as collection:
        assert collection is not None
        collection.add(
            [
                asked(at=minute[0], us=100_000),
                asked(at=minute[1], us=300_000),
                asked(at=minute[9], code=500),
                asked(at=minute[9], assigned="b", served="a"),
                asked(at=minute[9], listener="mirror", assigned=None, served="s", us=None, code=0),
                asked(at=minute[25], us=250_000),
                asked(at=minute[30]),
            ],
            Position(),
        )
    bins = History(url).timeline("m", minute[0], minute[30], 10)
    assert [minute[0], minute[10], minute[20]] == [one.at for one in bins]
    assert [{"a", "b", "s"}, set(), {"a"}] == [set(one.models) for one in bins]
    assert Activity(requests=3, failed=1, p50=100.0, p95=280.0, shadow=False) == bins[0].models["a"]
    assert (1, 1, False) == (bins[0].models["b"].requests, bins[0].models["b"].failed, bins[0].models["b"].shadow)
    assert Activity(requests=1, failed=1, p50=None, p95=None, shadow=True) == bins[0].models["s"]


def test_a_window_that_lost_records_says_nothing(url: str) -> None:
    """Not what is left: the records that are gone may be those of the failures. The next window is whole again."""
    store, source = PredictionStore(url), StoreSource(url, PROBABILITY)
    with store.collecting() as collection:
        assert collection is not None
        begun = collection.add([], Position())
        lost = collection.add([asked(), asked()], Position("f", 1), lost=True)
        whole = collection.add([asked()], Position("f", 2))
    window = Window(since=begun, until=lost)
    for sample in source.samples("m", "a", window).values():
        assert isinstance(sample, NoData)
        assert "gone before they were read" in sample.reason
    assert {} == source.assignments("m", window) == source.units("m", window, begun=begun)
    assert Counts(exposures=1, events=0) == source.samples("m", "a", Window(since=lost, until=whole))["error_rate"]


def test_what_became_of_each_truth_is_told_and_counted(url: str) -> None:
    """Of an unknown request it waits; the same again is no fault, another is refused; a closed block takes no more."""
    store, source = PredictionStore(url), StoreSource(url, PROBABILITY)
    known, closed = asked(unit="k"), asked(unit="k2")

    def told(rid: str, truth: float, block: str = "b", payoff: float | None = None) -> Outcome:
        return Outcome(rid, None, block, truth, payoff, NOW)

    with store.collecting() as collection:
        assert collection is not None
        begun = collection.add([known, closed], Position())
        with psycopg.connect(url) as connection:  # ahead of the clock: no block closes by a busy machine
            connection.execute("UPDATE ingestion SET stamp = stamp + interval '1 hour'")
        first = store.tell([told(known.rid, 1.0), told("later", 1.0), told(known.rid, 1.0), told(known.rid, 0.0)])
        assert ["new", "waiting", "repeated", "contradicting"] == first
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE ingestion SET stamp = stamp + interval '10 s'")
        again = store.tell([told(closed.rid, 0.0), told(known.rid, 1.0), told("later", 1.0, payoff=2.0)])
        assert ["late", "repeated", "contradicting"] == again
        until = collection.add([], Position())
    sample = source.samples("m", "a", Window(since=begun, until=until))["accuracy"]
    assert Counts(exposures=1, events=1) == sample
    units = [Outcome(None, unit, None, truth, None, NOW, route="m") for unit, truth in (("k", 1), ("k", 1), ("k", 2))]
    assert ["new", "repeated", "contradicting"] == store.tell(units)
    assert ["repeated"] == store.tell(units[:1])
    with psycopg.connect(url) as connection:
        counts = dict(connection.execute("SELECT result, count FROM telling").fetchall())
    assert {"new": 2, "waiting": 1, "late": 1, "repeated": 4, "contradicting": 3} == counts


def test_truths_can_be_told_in_plain_sql(url: str) -> None:
    """Whoever has labels in the same database needs no program of ours, and is held to the same rules."""
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        collection.add([asked(rid="r1")], Position())
    query = """
        SELECT result FROM tell_outcomes((
            SELECT jsonb_agg(jsonb_build_object('request', rid, 'truth', label))
            FROM (VALUES ('r1', 1), ('r2', 0)) AS labels (rid, label)))
    """
    with psycopg.connect(url) as connection:
        assert [("new",), ("waiting",)] == connection.execute(query).fetchall()


def test_how_long_truths_take_and_what_waits(url: str) -> None:
    """A shadow's answers wait for the same truths, and those that clients chose are evidence of nothing."""
    now = datetime.now(UTC)
    early, late, by_unit = asked(at=now), asked(at=now), asked(at=now, unit="k~2")
    others = [
        asked(at=now, listener="mirror", rid=early.rid),
        asked(at=now, chosen=True),
        asked(at=now, prediction=None),
    ]
    store = PredictionStore(url)
    with store.collecting() as collection:
        assert collection is not None
        collection.add([early, late, by_unit, *others, asked(at=now, prediction=None)], Position())
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE ingestion SET stamp = stamp + interval '1 hour'")
    unit = Outcome(None, "k", None, 1.0, None, NOW, route="m")
    store.tell([Outcome(early.rid, None, None, 1.0, None, NOW), unit])
    found = labels(url, days=1)
    [model] = found.models
    assert ("m", 3, 1, now) == (model.route, model.answers, model.waiting, model.oldest_waiting)
    assert model.delay_p50 is not None
    assert 3600 <= model.delay_p50 < 3601
    assert {"new": 2} == found.told


def test_a_row_that_the_database_does_not_take_is_named(url: str) -> None:
    """The others are good, and wait for it to be mended: nothing of the batch is stored."""
    store = PredictionStore(url)
    good, bad = (Outcome(rid, None, None, truth, None, NOW) for rid, truth in (("r1", 1.0), ("r2", "\x00")))
    with pytest.raises(InvalidDataError, match="row 1: the database does not take it: unsupported Unicode") as refused:
        store.tell([good, bad])
    assert 1 == len(refused.value.faults)
    assert ["waiting"] == store.tell([good])
