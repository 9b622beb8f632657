"""The collector against a real PostgreSQL: nothing lost, nothing doubled, whoever dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from firstflight.domain.errors import StoreRefusedError, StoreUnavailableError
from firstflight.domain.samples import Counts, Moments
from firstflight.observation.collector import advance, collect
from firstflight.observation.log_file import Position
from firstflight.observation.records import Outcome
from firstflight.observation.store import PredictionStore
from firstflight.observation.store_source import StoreSource
from firstflight.settings import Settings
from firstflight.workloads.scores import PROBABILITY
from tests.postgres_bench import Server

# The collector as its module runs it, with the database of the test.
COLLECTOR = """
import logging, sys
from pathlib import Path
from firstflight.observation import collector
from firstflight.observation.store import PredictionStore
logging.basicConfig(level=logging.INFO)
collector.TICK_SECONDS = 0.02
collector._OUTAGE_SECONDS = 0.1
collector.collect(Path(sys.argv[1]), PredictionStore(sys.argv[2]))
"""


WITHOUT_TRUTHS = "DROP TABLE unit_outcome, telling; DROP FUNCTION tell_outcomes; DROP INDEX prediction_by_asked"
"""What brings a store back to before truths were told by unit."""


class Gateway:
    """Writes a log at a steady pace from a thread, and rotates it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self._file = path.open("a", buffering=1)
        self._end = threading.Event()
        self._alone = threading.Lock()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._file.close()

    def rotate(self, name: str) -> None:
        """Rename the log, go on in a new one."""
        with self._alone:
            self.path.rename(self.path.with_name(f"{self.path.name}.{name}"))
            self._file.close()
            self._file = self.path.open("a", buffering=1)

    def _run(self) -> None:
        while not self._end.wait(0.002):
            with self._alone:
                self._file.write(entry(self.written))
            self.written += 1


def entry(number: int, **changes: Any) -> str:
    """One line of the access log."""
    fields = {"ts": f"{1_790_000_000 + number / 100:.6f}", "rid": f"r{number}", "unit": f"u{number}", "route": "m"}
    fields |= {"listener": "main", "assigned": ":a-predictor-v1_1:", "served": "a-predictor-v1", "pred": "0.5"}
    return json.dumps({**fields, "code": 200, "flags": "-", "attempts": 1, "us": 1000, **changes}) + "\n"


@contextmanager
def collector(path: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The collector as a process."""
    command = [sys.executable, "-c", COLLECTOR, str(path), url]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def stored(url: str) -> list[str]:
    """Every request that was stored; none while the database is away or new."""
    try:
        with psycopg.connect(url) as connection:
            return [rid for (rid,) in connection.execute("SELECT rid FROM prediction")]
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return []


def wait_until(true: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Poll until `true`, fail with `what` past the deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_a_log_is_stored_with_its_position(tmp_path: Path, url: str) -> None:
    """Rows, position and watermark move together; a new reader goes on where the old one stopped."""
    path = tmp_path / "access.jsonl"
    path.write_text(entry(1) + "broken\n" + entry(2))
    store = PredictionStore(url)
    with store.collecting() as collection:
        assert collection is not None
        chunk = advance(path, collection, Position())
        assert chunk.position == collection.position()
        first = StoreSource(url).watermark("m")
        assert ([], chunk.position) == (
            list((again := advance(path, collection, chunk.position)).lines),
            again.position,
        )
    second = StoreSource(url).watermark("m")
    assert first is not None
    assert second is not None
    assert first.until < second.until
    assert ["r1", "r2"] == sorted(stored(url))
    with psycopg.connect(url) as connection:
        assert [(1,)] == connection.execute("SELECT skipped FROM collector").fetchall()


def test_reading_everything_again_doubles_nothing(tmp_path: Path, url: str) -> None:
    """The position may be lost: the same lines are the same rows, and the first stays."""
    path = tmp_path / "access.jsonl"
    path.write_text("".join(entry(number) for number in range(10)))
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        for _ in range(2):
            advance(path, collection, Position())
    assert 10 == len(stored(url))


def test_only_one_collects(url: str) -> None:
    """A second collector gets no place while the first lives."""
    store = PredictionStore(url)
    with store.collecting() as first, store.collecting() as second:
        assert first is not None
        assert second is None


def test_an_idle_collector_moves_the_watermark(tmp_path: Path, url: str) -> None:
    """Without a log, or without a line, time still becomes known to be without traffic."""
    source = StoreSource(url)
    assert source.watermark("m") is None
    with collector(tmp_path / "access.jsonl", url):
        wait_until(lambda: source.watermark("m") is not None, "no watermark")
        began = source.watermark("m")
        assert began is not None

        def moved() -> bool:
            now = source.watermark("m")
            return now is not None and now.until - began.until > timedelta(seconds=0.2)

        wait_until(moved, "the watermark stands still")


def test_killed_collectors_lose_and_double_nothing(tmp_path: Path, url: str) -> None:
    """Through kill -9 at any time and rotations meanwhile, every line is stored exactly once."""
    path = tmp_path / "access.jsonl"
    with Gateway(path) as gateway:
        for number in range(6):
            before = len(stored(url))
            with collector(path, url) as process:
                wait_until(lambda before=before: len(stored(url)) > before, f"collector {number} stores nothing")  # type: ignore[misc]  # a lambda's default has no type
                process.send_signal(signal.SIGKILL)
            gateway.rotate(f"{number}")
    with collector(path, url):
        wait_until(lambda: len(stored(url)) >= gateway.written, "lines were lost")
    assert {f"r{number}" for number in range(gateway.written)} == set(stored(url))
    assert gateway.written == len(stored(url))


def test_a_killed_database_loses_and_doubles_nothing(tmp_path: Path, url: str, server: Server) -> None:
    """Through two crashes of the database under load, the same collector stores every line exactly once."""
    path = tmp_path / "access.jsonl"
    with collector(path, url), Gateway(path) as gateway:
        for _ in range(2):
            before = len(stored(url))
            wait_until(lambda before=before: len(stored(url)) > before, "nothing is stored")  # type: ignore[misc]  # the same
            server.kill()
            server.start()
        wait_until(lambda: len(stored(url)) > gateway.written - 50, "the collector does not catch up")
        gateway.__exit__()
        wait_until(lambda: len(stored(url)) >= gateway.written, "lines were lost")
    assert {f"r{number}" for number in range(gateway.written)} == set(stored(url))


def test_a_database_that_is_away_is_an_outage(tmp_path: Path) -> None:
    """Who asks a store that is not there gets StoreUnavailableError from every door, at once."""
    url = f"postgresql://postgres@/firstflight?host={tmp_path}"
    with pytest.raises(StoreUnavailableError, match="did not answer"):
        StoreSource(url).watermark("m")
    with pytest.raises(StoreUnavailableError, match="did not answer"):
        PredictionStore(url).add_truths("m", {})
    with pytest.raises(StoreUnavailableError), PredictionStore(url).collecting():
        pytest.fail("entered without a database")


def test_a_database_that_takes_no_rows_is_an_outage_or_a_refusal_of_ours(url: str) -> None:
    """Read-only as after a failover: tried again later. Whatever else psycopg raises has a name of ours."""
    move(url)
    with pytest.raises(StoreUnavailableError, match="read-only transaction"):
        move(f"{url}%20-cdefault_transaction_read_only%3Don")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE ingestion")
    with pytest.raises(StoreRefusedError, match='"ingestion" does not exist'):
        move(url)


def move(url: str) -> None:
    """Say that nothing has come."""
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        collection.add((), Position())


def test_the_module_runs(tmp_path: Path, server: Server) -> None:
    """`python -m firstflight.observation.collector` collects for the stack of its environment and ends when told."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "access.jsonl").write_text(entry(1))
    (tmp_path / "postgres").symlink_to((server.settings.home / "postgres").resolve())
    url = Settings(home=tmp_path, database_url=None).database("firstflight")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "FIRSTFLIGHT_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "firstflight.observation.collector"]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: "r1" in stored(url), "nothing was stored")
        finally:
            process.terminate()
    assert 0 == process.returncode


def test_collectors_of_many_logs_do_not_wait_for_each_other(tmp_path: Path, url: str) -> None:
    """Each model server's log has a place and a position of its own."""
    store = PredictionStore(url)
    for name in ("one", "two"):
        (tmp_path / name).write_text(entry(len(name) + ord(name[0])))
    with store.collecting("one") as one, store.collecting("two") as two, store.collecting("two") as third:
        assert one is not None
        assert two is not None
        assert third is None
        chunks = {"one": advance(tmp_path / "one", one, Position()), "two": advance(tmp_path / "two", two, Position())}
        assert chunks["one"].position == one.position()
        assert chunks["two"].position == two.position()
    assert 2 == len(stored(url))


def test_the_slowest_collector_holds_the_watermark_until_it_is_taken_for_gone(url: str) -> None:
    """A collector whose server was removed must not stop every rollout; what it brings later counts then."""
    store, source = PredictionStore(url), StoreSource(url)
    with store.collecting("gone") as gone, store.collecting("here") as here:
        assert gone is not None
        assert here is not None
        last = gone.add((), Position())
        here.add((), Position())
        held = source.watermark("m")
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE ingestion SET stamp = stamp + interval '61 s'")
        now = here.add((), Position())
        free = source.watermark("m")
        back = gone.add((), Position())
        again = source.watermark("m")
    assert held is not None
    assert free is not None
    assert again is not None
    assert [last, now] == [held.until, free.until]
    assert free.until == again.until < back


def test_a_store_that_knew_no_stages_keeps_its_rows(tmp_path: Path, url: str) -> None:
    """A store made before answers were told apart by stage is brought up to date, and goes on where it was."""
    path = tmp_path / "access.jsonl"
    path.write_text(entry(1))
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        position = advance(path, collection, Position()).position
    with psycopg.connect(url) as connection:
        connection.execute(WITHOUT_TRUTHS + "; DROP TABLE loss")
        connection.execute("DROP INDEX prediction_by_client_rid")
        connection.execute("ALTER TABLE prediction DROP COLUMN client_rid, DROP COLUMN refused")
        connection.execute("CREATE INDEX prediction_by_window ON prediction (route, ingested_at)")
        connection.execute("ALTER TABLE scored DROP COLUMN answered_at")
        connection.execute("DROP INDEX scored_by_block, prediction_by_unit")

    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        assert position == collection.position()
        advance(path, collection, position)
    assert ["r1"] == stored(url)


def test_a_store_that_counted_by_the_clients_names_keeps_its_rows(tmp_path: Path, url: str) -> None:
    """A store made before requests had names of our own is brought up to date; truths find the old rows too."""
    path = tmp_path / "access.jsonl"
    path.write_text(entry(1))
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        position = advance(path, collection, Position()).position
    with psycopg.connect(url) as connection:
        connection.execute(WITHOUT_TRUTHS + "; DROP TABLE loss")
        connection.execute("DROP INDEX prediction_by_client_rid, prediction_by_window")
        connection.execute("ALTER TABLE prediction DROP COLUMN client_rid, DROP COLUMN refused")
        connection.execute("CREATE INDEX prediction_by_window ON prediction (route, ingested_at)")

    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        advance(path, collection, position)
    assert ["r1"] == stored(url)
    outcome = Outcome("r1", "u", "b", 1.0, 0.0, datetime(2026, 1, 1, tzinfo=UTC))
    assert 1 == PredictionStore(url).add_outcomes([outcome])
    with psycopg.connect(url) as connection:
        assert [(1,)] == connection.execute("SELECT count(*) FROM scored").fetchall()


def test_a_store_of_probabilities_keeps_its_rows(tmp_path: Path, url: str) -> None:
    """A store made when answers were numbers is brought up to date: what it knew is scored as before, to the digit."""
    path = tmp_path / "access.jsonl"
    path.write_text(entry(1, pred="0.123456"))
    source = StoreSource(url, PROBABILITY)
    with PredictionStore(url).collecting() as collection:
        assert collection is not None
        advance(path, collection, Position())
        PredictionStore(url).add_outcomes([Outcome("r1", "u", "b", 0.0, 0.1, datetime(2026, 1, 1, tzinfo=UTC))])
        with psycopg.connect(url) as connection:
            for table, column in (
                *(("scored", "prediction"), ("scored", "truth")),
                *(("outcome", "truth"), ("prediction", "prediction")),
            ):
                kind = f"double precision USING {column}::double precision"
                connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}")
            connection.execute(WITHOUT_TRUTHS)
            for column in ("accuracy", "brier", "profit"):
                connection.execute(f"ALTER TABLE scored ADD COLUMN {column} double precision")
            connection.execute("UPDATE ingestion SET stamp = stamp + interval '10 s'")
    store = PredictionStore(url)
    with store.collecting() as collection:
        assert collection is not None
        collection.add((), Position())
    window = source.watermark("m")
    assert window is not None
    samples = source.samples("m", "a-predictor-v1", window)
    assert Counts(exposures=1, events=1) == samples["accuracy"]
    assert Moments(count=1, mean=0.123456**2) == samples["brier"]
    assert Moments(count=1, mean=0.0) == samples["profit"]


def test_a_collector_without_a_place_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several on one host have one name: those that wait would be silent, and an A/B test know no accuracy."""
    looks = iter(range(3))

    class Taken:
        @contextmanager
        def collecting(self, _source: str) -> Iterator[None]:
            yield None

    def tend() -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("firstflight.observation.collector.time.sleep", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        collect(tmp_path / "answers.jsonl", Taken(), source="mlserver-0", tend=tend)  # type: ignore[arg-type]  # a double
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "another process collects as 'mlserver-0'" in said
