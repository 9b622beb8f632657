"""Tables divided by day give the same counts as ones that are not, whatever happens at midnight."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from firstflight.domain.samples import Window
from firstflight.observation import database, days, store_source
from firstflight.observation.database import Database
from firstflight.observation.log_file import Position
from firstflight.observation.memory_source import MemorySource
from firstflight.observation.records import Outcome, Prediction
from firstflight.observation.store import PredictionStore
from firstflight.observation.store_source import StoreSource
from firstflight.workloads.scores import PROBABILITY
from tests.unit.observation.test_store_source import asked

DAY = timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = "UPDATE ingestion SET stamp = greatest(stamp, %s)"
_numbers = itertools.count()


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement."""
    with Database(url).connection() as connection:
        yield connection


def go_to(url: str, moment: datetime) -> None:
    """Have the next stamps come from `moment` on."""
    with connected(url) as connection:
        connection.execute(LATER, (moment,))


def stamp(url: str) -> datetime:
    """The last stamp."""
    with connected(url) as connection:
        [(found,)] = connection.execute("SELECT stamp FROM ingestion").fetchall()
    return found.astimezone(UTC)  # type: ignore[no-any-return]  # psycopg types rows by their shape alone


def midnight_after(moment: datetime) -> datetime:
    """The beginning of the next day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + DAY


def parts(url: str, table: str) -> dict[str, int]:
    """How many rows each part of `table` has that has some."""
    with connected(url) as connection:
        query = sql.SQL("SELECT tableoid::regclass::text, count(*) FROM {} GROUP BY 1").format(sql.Identifier(table))
        rows = connection.execute(query).fetchall()
    return {name.rpartition(".")[2]: count for name, count in rows}


def add(url: str, *predictions: Prediction) -> datetime:
    """Add predictions as the collector does."""
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        return collection.add(predictions, Position())


# What happens: a batch of answers or of truths, some of them told again; then time goes on, perhaps past midnight.
NUMBERS = st.lists(st.integers(0, 5), min_size=2, max_size=8)
EVENT = st.tuples(
    st.sampled_from(("answers", "truths", "truths by unit", "keep")),
    NUMBERS,
    st.sampled_from((0.0, 0.5, 3.0, 43_200.0, 200_000.0)),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENT, min_size=2, max_size=8))
@example(events=[("answers", [0, 1], 0.0), ("truths by unit", [0, 1], 43_200.0), ("answers", [0, 1, 4, 5], 3.0)])
@example(events=[("answers", [0, 1, 4], 0.0), ("truths", [0, 1], 43_200.0), ("truths", [0, 1, 4], 3.0)])
def test_whatever_comes_over_midnight_counts_once(url: str, events: list[tuple[str, list[int], float]]) -> None:
    """In any order, told twice, with days made ahead or not: the counts are those of one table."""
    route = f"m{next(_numbers)}"
    all_asked = [
        asked(rid=f"{route}-{n}", unit=f"u{n % 4}~{n}", route=route, assigned="ab"[n % 2], served="ab"[n % 2])
        for n in range(6)
    ]
    store, source = PredictionStore(url), StoreSource(url, PROBABILITY)
    with connected(url) as connection, store.collecting() as collection:
        assert collection is not None
        midnight = midnight_after(collection.add((), Position()))
        list(days.drop_before(connection, midnight))  # of the example before
        connection.execute(LATER, (midnight - timedelta(seconds=1),))
        now = [collection.add((), Position())]
        memory = MemorySource(lambda: now[0], PROBABILITY)
        begun = since = now[0]
        for what, numbers, seconds in events:
            if what == "answers":
                now[0] = collection.add([all_asked[n] for n in numbers], Position())
                memory.add_predictions(all_asked[n] for n in numbers)
            elif what == "keep":
                days.make_ahead(connection, ahead=1)
            else:
                told = [_told(n, route, by_unit=what == "truths by unit") for n in numbers]
                store.add_outcomes(told)
                [(now[0],)] = connection.execute("SELECT stamp FROM ingestion").fetchall()
                memory.add_outcomes(told)
            connection.execute(LATER, (now[0] + timedelta(seconds=seconds),))
            since, now[0] = now[0], collection.add((), Position())
    for window in (Window(since=begun, until=now[0]), Window(since=since, until=now[0])):
        for name in "ab":
            assert memory.samples(route, name, window) == source.samples(route, name, window)
        assert memory.paired(route, "a", "b", window) == source.paired(route, "a", "b", window)
    window = Window(since=begun, until=now[0])
    assert memory.assignments(route, window) == source.assignments(route, window)
    assert memory.units(route, window, begun=begun) == source.units(route, window, begun=begun)


def _told(n: int, route: str, *, by_unit: bool) -> Outcome:
    if by_unit:
        return Outcome(None, f"u{n % 4}", "b", n % 2, 1.0, NOW, route=route)
    return Outcome(f"{route}-{n}", None, None, n % 2, None, NOW)


def test_tables_of_one_piece_are_divided_without_a_row_lost(url: str) -> None:
    """What an earlier version wrote stays, counts once still, and a migration that was ended half way begins anew."""
    with psycopg.connect(url) as connection:
        connection.execute(database._SCHEMA + database._LOSSES + database._TRUTHS)
        connection.execute(
            "INSERT INTO prediction (rid, client_rid, listener, route, unit, assigned, served, arm, prediction, code,"
            " failed, us, at, ingested_at) SELECT 'k' || n, 'r' || n, 'main', 'm', 'u' || n, 'a', 'a', 'a', '0.7', 200,"
            " false, 1000, clock_timestamp(), clock_timestamp() FROM generate_series(1, 50) n"
        )
        connection.execute(
            "INSERT INTO outcome VALUES ('r1', 'u1', 'b', '1', 0, clock_timestamp(), clock_timestamp());"
            " INSERT INTO scored VALUES ('m', 'a', 'u1', 'b', '0.7', '1', 0, clock_timestamp(), clock_timestamp())"
        )
    with psycopg.connect(url) as connection:
        database.make_tables(connection)
        assert [(True,)] == connection.execute(
            "SELECT relkind = 'p' FROM pg_class WHERE oid = 'scored'::regclass"
        ).fetchall()
        connection.rollback()
    store = PredictionStore(url)
    again = [asked(rid=f"r{n}", key=f"k{n}", unit=f"u{n}") for n in (1, 2)]
    add(url, *again, asked(rid="new"))
    assert ["repeated", "new"] == store.tell([Outcome(rid, None, None, 1, 0.0, NOW) for rid in ("r1", "r2")])
    [(part, rows)] = parts(url, "prediction").items()
    assert ("until", 51) == (part.split("_")[1], rows)
    assert [2, 2] == [sum(parts(url, table).values()) for table in ("outcome", "scored")]


def test_a_day_that_nobody_made_is_made_of_what_came(url: str) -> None:
    """Its rows are there before and after, and those of the next day find a part of their own."""
    add(url, asked())
    far = midnight_after(stamp(url)) + 20 * DAY
    go_to(url, far)
    twice = asked()
    add(url, twice)
    assert {"prediction_rest": 1} == {name: rows for name, rows in parts(url, "prediction").items() if "rest" in name}
    with connected(url) as connection:
        days.make_ahead(connection)
    go_to(url, far + DAY)
    add(url, twice, asked())
    found = parts(url, "prediction")
    assert [1, 1, 1] == list(found.values())
    assert {f"prediction_{far:%Y%m%d}_{far + DAY:%Y%m%d}", f"prediction_{far + DAY:%Y%m%d}"} < set(found)


def test_a_day_is_dropped_whole_when_its_last_row_is_too_old(url: str) -> None:
    """Not before, in every table; a truth of a request that was dropped waits, and harms nobody."""
    old = asked()
    add(url, old)
    with connected(url) as connection:
        days.make_ahead(connection)
    first = midnight_after(stamp(url))
    PredictionStore(url).tell([Outcome(None, "u", None, 1, None, NOW, route="m")])
    go_to(url, first)
    add(url, asked())
    with connected(url) as connection:
        assert [] == list(days.drop_before(connection, first - timedelta(microseconds=1)))
        dropped = list(days.drop_before(connection, first))
    assert list(days.DIVIDED) == [one.table for one in dropped]
    assert {first} == {one.until for one in dropped}
    assert [1] == list(parts(url, "prediction").values())
    assert ["waiting"] == PredictionStore(url).tell([Outcome(old.rid, None, None, 1, None, NOW)])


@pytest.mark.parametrize("query", ["_REQUESTS", "_LATENCY", "_ASSIGNMENTS", "_ON_ROUTE"])
def test_a_look_reads_the_days_of_its_window_alone(url: str, query: str) -> None:
    """However many days are kept."""
    add(url, asked())
    with connected(url) as connection:
        days.make_ahead(connection)
        since = midnight_after(stamp(url)) + DAY
        bounds = {"since": since, "until": since + timedelta(minutes=1), "route": "m", "name": "a", "edges": [1]}
        plan = connection.execute("EXPLAIN " + getattr(store_source, query), bounds).fetchall()
        kept = [one.name for one in days.partitions(connection, "prediction")]
    text = " ".join(line for (line,) in plan)
    assert days.AHEAD + 1 == len(kept)
    assert [f"prediction_{since:%Y%m%d}"] == [name for name in kept if f" {name} " in text], text
