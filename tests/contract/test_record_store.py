"""What every RecordStore promises, and what the one in PostgreSQL promises besides."""

import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstflight.domain.errors import CheckpointError, HeadMovedError, LedgerError, StackError, StoreUnavailableError
from firstflight.ledger import RecordStore, SealedStore, open_store, open_tree, sql
from firstflight.ledger.checkpoint import Checkpoint, Signer, opened
from firstflight.ledger.memory import MemoryRecordStore, MemoryTree
from firstflight.ledger.sql import SqlRecordStore
from firstflight.ledger.sql_tree import SqlTree
from firstflight.ledger.tree import Head
from firstflight.ledger.verify import Claim, verify
from firstflight.stack import postgres
from tests.manifests.objects import build, of_kind
from tests.postgres_bench import Server, running_server

BODIES = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do not hurt it."""
    with running_server(tmp_path_factory.mktemp("ledger")) as running:
        yield running


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that do."""
    with running_server(tmp_path_factory.mktemp("another")) as running:
        yield running


@pytest.fixture
def fragile(another: Server) -> Server:
    """That server with a table made anew, which may be dropped; it may be killed too."""
    with psycopg.connect(another.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS ledger, ledger_leaf, ledger_head")
    postgres.migrate(another.owner)
    return another


@pytest.fixture(params=["memory", "postgresql"])
def store(request: pytest.FixtureRequest) -> RecordStore:
    """Each implementation in turn."""
    if request.param == "memory":
        return MemoryRecordStore()
    return SqlRecordStore(request.getfixturevalue("server").url)


@pytest.fixture
def tree(store: RecordStore, request: pytest.FixtureRequest) -> SealedStore:
    """The tree above that store."""
    if isinstance(store, MemoryRecordStore):
        return MemoryTree(store)
    return open_tree(request.getfixturevalue("server").settings)


@pytest.fixture
def stream() -> str:
    """A stream nobody else writes to."""
    return f"rollout/{uuid.uuid4().hex}"


def test_what_is_appended_can_be_read(store: RecordStore, stream: str) -> None:
    """An appended record comes back as it was returned, dated between the call and its end."""
    before = datetime.now(UTC)
    record = store.append(stream, "traffic.set", {"weights": {"a": 5, "b": 95}, "rate": 0.1}, actor="run-1")
    assert (record,) == store.read(stream)
    assert (stream, 1, "traffic.set", "run-1") == (record.stream, record.number, record.kind, record.actor)
    assert {"weights": {"a": 5, "b": 95}, "rate": 0.1} == record.body
    assert before - timedelta(seconds=1) <= record.at <= datetime.now(UTC) + timedelta(seconds=1)
    assert timedelta(0) == record.at.utcoffset()


def test_numbers_have_no_gaps_and_streams_do_not_mix(store: RecordStore, stream: str) -> None:
    """Records are numbered from 1 in each stream."""
    for count in (1, 2, 3):
        assert count == store.append(stream, "check", {}, actor="a").number
        assert count == store.append(f"{stream}-other", "check", {}, actor="a").number
    assert 3 == store.head(stream)
    assert [1, 2, 3] == [record.number for record in store.read(stream)]


def test_an_unknown_stream_is_empty(store: RecordStore, stream: str) -> None:
    """A stream nobody wrote to has head 0, no records and no name."""
    assert 0 == store.head(stream)
    assert () == store.read(stream)
    assert () == store.streams(stream)


def test_read_goes_on_after_a_number(store: RecordStore, stream: str) -> None:
    """Reading after n returns what follows n."""
    for _ in range(4):
        store.append(stream, "check", {}, actor="a")
    assert [3, 4] == [record.number for record in store.read(stream, after=2)]
    assert () == store.read(stream, after=4)
    assert () == store.read(stream, after=99)


def test_a_tail_begins_at_the_last_record_of_its_kind(store: RecordStore, stream: str) -> None:
    """Or at the last before a number; where there is none of that kind, it is empty."""
    assert () == store.tail(stream, "begun")
    for kind in ("begun", "check", "begun", "check", "check"):
        store.append(stream, kind, {}, actor="a")
    for before, numbers in ((None, [3, 4, 5]), (4, [3, 4, 5]), (3, [1, 2, 3, 4, 5]), (1, []), (0, [])):
        assert numbers == [record.number for record in store.tail(stream, "begun", before)]
    assert () == store.tail(stream, "ended")


def test_streams_are_found_by_prefix_and_sorted(store: RecordStore, stream: str) -> None:
    """A prefix is taken literally: no character in it is a wildcard."""
    names = [f"{stream}/{name}" for name in ("b", "B", "a_1", "a%", "ä", "a")]
    for name in [*names, names[0]]:
        store.append(name, "check", {}, actor="a")
    assert tuple(sorted(names)) == store.streams(f"{stream}/")
    assert (f"{stream}/a%",) == store.streams(f"{stream}/a%")
    assert (f"{stream}/a_1",) == store.streams(f"{stream}/a_")


def test_a_moved_head_is_refused(store: RecordStore, stream: str) -> None:
    """With `expect`, only the writer that knows the last record appends; the refusal names both heads."""
    store.append(stream, "started", {}, actor="a", expect=0)
    with pytest.raises(HeadMovedError, match="ends at record 1, the writer expected 0"):
        store.append(stream, "started", {}, actor="b", expect=0)
    with pytest.raises(HeadMovedError, match="expected 2"):
        store.append(stream, "started", {}, actor="b", expect=2)
    assert ["a"] == [record.actor for record in store.read(stream)]
    assert 2 == store.append(stream, "ended", {}, actor="a", expect=1).number


def test_of_many_threads_that_expect_the_same_head_one_appends(store: RecordStore, stream: str) -> None:
    """Compare-and-append has one winner each time, however many race for it."""
    rounds, racers = 5, 12
    barrier = threading.Barrier(racers)

    def race(racer: int) -> list[int]:
        won = []
        for expected in range(rounds):
            barrier.wait(timeout=60)
            try:
                won.append(store.append(stream, "started", {}, actor=f"racer-{racer}", expect=expected).number)
            except HeadMovedError:
                continue
        return won

    with ThreadPoolExecutor(racers) as pool:
        wins = sorted(number for won in pool.map(race, range(racers)) for number in won)
    assert [1, 2, 3, 4, 5] == wins
    assert rounds == store.head(stream)


def test_many_threads_append_without_gaps(store: RecordStore, stream: str) -> None:
    """Writers without `expect` get a number each, all different, none left out, in the order of their time."""
    writers, each = 8, 10

    def write(writer: int) -> list[int]:
        return [store.append(stream, "check", {"n": n}, actor=f"w{writer}").number for n in range(each)]

    with ThreadPoolExecutor(writers) as pool:
        numbers = [number for numbers in pool.map(write, range(writers)) for number in numbers]
    records = store.read(stream)
    assert list(range(1, writers * each + 1)) == sorted(numbers)
    assert list(range(1, writers * each + 1)) == [record.number for record in records]
    assert sorted(record.at for record in records) == [record.at for record in records]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_any_json_comes_back_as_it_went_in(store: RecordStore, body: dict[str, object]) -> None:
    """Whatever JSON can say survives, NUL, lone surrogates, huge integers and every float included."""
    stream = f"json/{uuid.uuid4().hex}"
    assert body == store.append(stream, "any", body, actor="a").body
    [record] = store.read(stream)
    assert body == record.body


@pytest.mark.parametrize(
    "body",
    [{"x": float("nan")}, {"x": float("inf")}, {"x": (1, 2)}, {"x": datetime.now(UTC)}, {1: "x"}, {"x": {"y": {2}}}],
    ids=["nan", "infinity", "tuple", "datetime", "number as key", "set"],
)
def test_what_json_would_change_or_lose_is_refused(store: RecordStore, stream: str, body: dict[str, object]) -> None:
    """A body that would not come back equal is refused, and nothing is written."""
    with pytest.raises(LedgerError, match="body must"):
        store.append(stream, "any", body, actor="a")
    assert 0 == store.head(stream)


@pytest.mark.parametrize("text", ["", "a\0b", "\ud800"], ids=["empty", "NUL", "lone surrogate"])
def test_text_that_cannot_be_kept_is_refused(store: RecordStore, stream: str, text: str) -> None:
    """Stream, kind and actor must be text that every store can hold."""
    for words in ((text, "kind", "actor"), (stream, text, "actor"), (stream, "kind", text)):
        with pytest.raises(LedgerError, match="of a record must be text"):
            store.append(words[0], words[1], {}, actor=words[2])
    assert 0 == store.head(stream)


def test_a_reader_cannot_change_what_is_kept(store: RecordStore, stream: str) -> None:
    """Bodies handed in and out are copies."""
    given_body = {"list": [1]}
    record = store.append(stream, "any", given_body, actor="a")
    given_body["list"].append(2)
    record.body["list"].append(3)
    store.read(stream)[0].body["list"].append(4)
    assert {"list": [1]} == store.read(stream)[0].body


def test_what_is_sealed_has_its_place_in_order(store: RecordStore, tree: SealedStore, stream: str) -> None:
    """Every record once, a stream's in their order, and a head that is their root; nothing new makes no new head."""
    before = store.append(stream, "first", {"n": 1.0}, actor="a")
    store.append(f"{stream}-other", "first", {"text": "ä\u2028"}, actor="a")
    head = tree.seal(None)
    store.append(stream, "second", {"huge": 10**40}, actor="b")
    assert 1 == tree.waiting()
    newer = tree.seal(None)
    assert head is not None
    assert newer is not None
    assert (0, newer, 1) == (tree.waiting(), tree.seal(None), newer.size - head.size)
    assert newer == tree.heads()[-1]
    entries = list(tree.entries())
    mine = [entry for entry in entries if entry.stream.startswith(stream)]
    assert {(stream, 1), (f"{stream}-other", 1)} == {(entry.stream, entry.number) for entry in mine[:2]}
    assert (stream, 2) == (mine[2].stream, mine[2].number)
    at = before.at.isoformat(timespec="microseconds")
    leaf = f'{{"actor":"a","at":"{at}","body":"{{\\"n\\":1.0}}","kind":"first","number":1,"stream":"{stream}"}}'
    assert leaf.encode() in {entry.leaf for entry in mine}
    claims = [Claim(each.size, each.root, "head") for each in tree.heads()]
    found = verify(entries, claims)
    assert (None, newer.size, newer.root.hex()) == (found.fault, found.covered, found.root)


def test_a_key_signs_what_was_there_before_it_and_goes_on_from_there(
    store: RecordStore, tree: SealedStore, stream: str
) -> None:
    """The head that nobody had signed is signed though nothing is new, and after it only what is new."""
    store.append(stream, "first", {}, actor="a")
    bare, signer = tree.seal(None), Signer.new()
    signed = tree.seal(signer)
    assert bare is not None
    assert signed is not None
    assert (bare.size, bare.root, None) == (signed.size, signed.root, bare.note)
    assert (signer.name, signed.size, signed.root) == told(signed, signer)
    assert (signed, signed) == (tree.seal(signer), tree.heads()[-1])
    store.append(stream, "second", {}, actor="a")
    last = tree.seal(signer)
    assert last is not None
    assert (signer.name, signed.size + 1, last.root) == told(last, signer)


def told(head: Head, signer: Signer) -> tuple[str, int, bytes]:
    """What the signed note of `head` says."""
    assert head.note is not None
    found = opened(head.note, [signer.public])
    return found.origin, found.size, found.root


def test_what_was_kept_elsewhere_is_not_signed_a_second_time(
    store: RecordStore, tree: SealedStore, stream: str
) -> None:
    """A ledger that is shorter than its last kept checkpoint, or another, is not sealed: it is a copy, or forged."""
    store.append(stream, "first", {}, actor="a")
    signer = Signer.new()
    with pytest.raises(CheckpointError, match="last signed one is of none"):
        tree.seal(signer, Checkpoint(signer.name, 1, bytes(32)))
    head = tree.seal(signer)
    assert head is not None
    assert head == tree.seal(signer, Checkpoint(signer.name, head.size, head.root))
    for kept in (Checkpoint(signer.name, head.size + 1, head.root), Checkpoint(signer.name, head.size, bytes(32))):
        with pytest.raises(CheckpointError, match="cut off, or restored"):
            tree.seal(signer, kept)


def test_many_sealers_at_once_make_one_tree(store: RecordStore, tree: SealedStore, stream: str) -> None:
    """While four append: every record has one place, and no stream is out of order."""

    def write(writer: int) -> None:
        for _ in range(10):
            store.append(f"{stream}/{writer % 2}", "any", {}, actor=f"w{writer}")
            tree.seal(None)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    tree.seal(None)
    found = verify(tree.entries(), [Claim(each.size, each.root, "head") for each in tree.heads()])
    assert (None, found.records) == (found.fault, found.covered)
    assert 40 == sum(entry.stream.startswith(stream) for entry in tree.entries())


def test_the_switch_opens_the_database_of_the_place(server: Server, stream: str) -> None:
    """`open_store` reads and writes the database that the settings name."""
    record = open_store(server.settings).append(stream, "any", {}, actor="a")
    assert (record,) == SqlRecordStore(server.url).read(stream)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET kind = 'lie'",
        "DELETE FROM ledger",
        "TRUNCATE ledger",
        "SET session_replication_role = replica; DELETE FROM ledger",
        "INSERT INTO ledger SELECT * FROM ledger ON CONFLICT (stream, number) DO UPDATE SET kind = 'lie'",
    ],
    ids=["update", "delete", "truncate", "as a replica", "upsert"],
)
def test_the_table_refuses_to_be_changed(server: Server, stream: str, statement: str) -> None:
    """What is written stays, even for the owner of the table."""
    store = SqlRecordStore(server.url)
    record = store.append(stream, "truth", {}, actor="a")
    with psycopg.connect(server.owner) as connection, pytest.raises(psycopg.Error, match="the ledger only grows"):
        connection.execute(statement)
    assert (record,) == store.read(stream)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger DISABLE TRIGGER ledger_only_grows",
        "DROP TRIGGER ledger_only_grows ON ledger",
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TABLE ledger",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
        "UPDATE ledger SET kind = 'lie'",
        "DELETE FROM ledger",
        "TRUNCATE ledger",
        "DELETE FROM ledger_leaf",
        "UPDATE ledger_head SET note = NULL",
    ],
)
def test_a_service_may_not_change_what_keeps_the_table_so(server: Server, stream: str, statement: str) -> None:
    """Its role adds and reads records, and is not the one that made the table: that could have dropped the trigger."""
    store = SqlRecordStore(server.url)
    record = store.append(stream, "truth", {}, actor="a")
    with psycopg.connect(server.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())
    assert (record,) == store.read(stream)


def test_a_backup_can_be_restored(server: Server, stream: str, tmp_path: Path) -> None:
    """What the cluster's CronJob runs each night; then an empty database is filled from it, rights and trigger too."""
    store = SqlRecordStore(server.url)
    records = [store.append(stream, "truth", {"number": number}, actor="a") for number in range(3)]
    job = of_kind(build("base"), "CronJob")["backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    environment = {
        "PATH": f"{postgres._binaries(None)}:/usr/bin:/bin",
        "BACKUPS": str(tmp_path),
        "FIRSTFLIGHT": server.owner,
        "MLFLOW": server.settings.database("mlflow", "postgresql+psycopg"),
        "PREFECT": server.settings.database("prefect", "postgresql+asyncpg"),
    }
    for number in range(15):
        (tmp_path / f"firstflight-2026010{number:02}.dump").touch()
    subprocess.run(job["containers"][0]["command"], env=environment, check=True)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert {"firstflight": 14, "mlflow": 1, "prefect": 1} == Counter(name.partition("-")[0] for name in kept)
    with psycopg.connect(server.owner, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    newest = tmp_path / [name for name in kept if name.startswith("firstflight-")][-1]
    place = server.owner.replace("/firstflight?", "/restored?")
    command = ["pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={place}", newest]
    subprocess.run(command, env=environment, check=True)
    restored = SqlRecordStore(server.url.replace("/firstflight?", "/restored?"))
    assert tuple(records) == restored.read(stream)
    assert 4 == restored.append(stream, "truth", {}, actor="a").number
    with psycopg.connect(place) as connection, pytest.raises(psycopg.Error, match="the ledger only grows"):
        connection.execute("DELETE FROM ledger")


def test_what_is_open_is_known_by_as_many_rows_after_ten_thousand_records(fragile: Server) -> None:
    """Rows are counted, not time: those of the rollouts before it, and of their checks, are not read.

    The table of an earlier version, which has no index of names, is brought up to date.
    """
    read = []
    with psycopg.connect(fragile.owner, autocommit=True) as connection:
        connection.execute("DROP INDEX ledger_by_name")
        postgres.migrate(fragile.owner)
        for rollouts in (1, 2000):  # of five records each
            connection.execute(
                "INSERT INTO ledger SELECT CASE WHEN n %% 5 < 3 THEN 'rollout/m' ELSE 'checks/r' || n END, n, now(),"
                " CASE n %% 5 WHEN 0 THEN 'rollout.started' ELSE 'any' END, 'a', '{}'"
                " FROM generate_series(5 * %s, 5 * %s - 1) AS n",
                (1 if rollouts == 1 else 2, rollouts + 1),
            )
            connection.execute("ANALYZE ledger")
            connection.execute("SET enable_seqscan = off")  # of ten rows the planner would read all
            asked = (
                (sql._STREAMS, ["rollout/"] * 3),
                (sql._TAIL, ("rollout/m", "rollout/m", "rollout.started", 2**62)),
            )
            read.append([_rows_read(connection, query, values) for query, values in asked])
        assert ("rollout/m",) == SqlRecordStore(fragile.url).streams("rollout/")
    assert [[1, 6], [1, 6]] == read  # the three of the last rollout, once to find where it began


def _rows_read(connection: psycopg.Connection, query: LiteralString, values: Sequence[object]) -> int:
    """How many rows of the ledger a query reads, those included that it does not use."""
    [([told],)] = connection.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + query, values).fetchall()
    plans, rows = [told["Plan"]], 0.0
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        if plan.get("Relation Name") == "ledger":
            rows += plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    return round(rows)


def test_a_service_waits_for_tables_that_nobody_has_made_yet(fragile: Server) -> None:
    """As for an outage, told who makes them; what it wrote before is none of its business."""
    store = SqlRecordStore(fragile.url)
    with psycopg.connect(fragile.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE ledger")
    with pytest.raises(StoreUnavailableError, match="`firstflight up` does"):
        store.head("s")
    postgres.migrate(fragile.owner)
    assert 1 == store.append("s", "first", {}, actor="a").number


def test_many_first_callers_make_one_table(fragile: Server) -> None:
    """Processes that meet an empty database at the same moment all succeed."""
    with psycopg.connect(fragile.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE ledger")
    writers = 12
    barrier = threading.Barrier(writers)

    def write(writer: int) -> int:
        barrier.wait(timeout=60)
        return SqlRecordStore(fragile.owner).append("s", "any", {}, actor=f"w{writer}").number

    with ThreadPoolExecutor(writers) as pool:
        assert list(range(1, writers + 1)) == sorted(pool.map(write, range(writers)))


def test_no_server_is_an_outage_and_the_password_stays_secret(tmp_path: Path) -> None:
    """Every call says that the database did not answer, and nothing tells the password of the address."""
    store = SqlRecordStore(f"postgresql://someone:hunter2-secret@/firstflight?host={tmp_path}")
    calls: list[Callable[[], object]] = [
        lambda: store.append("s", "k", {}, actor="a"),
        lambda: store.read("s"),
        lambda: store.head("s"),
        lambda: store.streams("s"),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="did not answer") as caught:
            call()
        assert "hunter2-secret" not in str(caught.value) + repr(store) + repr(caught.value.__cause__)


def test_a_connection_killed_in_mid_append_is_an_outage(server: Server, stream: str) -> None:
    """A call whose connection dies while it waits raises, writes nothing, and the next call succeeds."""
    store = SqlRecordStore(server.url)
    store.append(stream, "first", {}, actor="a")
    with psycopg.connect(server.owner, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN; LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        call = pool.submit(store.append, stream, "second", {}, actor="a")
        waiting = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'ledger'::regclass"
        deadline = time.monotonic() + 120
        while not other.execute(waiting).fetchall():
            assert time.monotonic() < deadline, "the append never waited for the lock"
            time.sleep(0.02)
        with pytest.raises(StoreUnavailableError):
            call.result(timeout=120)
        other.execute("ROLLBACK")
    assert 2 == store.append(stream, "third", {}, actor="a").number


def test_a_full_disk_is_an_outage_and_loses_nothing(server: Server, stream: str) -> None:
    """The server refuses to write with the code of a full disk: an outage, no record, and no gap once there is room."""
    store = SqlRecordStore(server.url)
    store.append(stream, "first", {}, actor="a")
    with psycopg.connect(server.owner, autocommit=True) as connection:
        connection.execute("""
            CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER no_room BEFORE INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION no_room();
        """)
        try:
            with pytest.raises(StoreUnavailableError, match="No space left on device"):
                store.append(stream, "second", {}, actor="a")
            assert 1 == store.head(stream)
        finally:
            connection.execute("DROP TRIGGER no_room ON ledger; DROP FUNCTION no_room")
    assert 2 == store.append(stream, "second", {}, actor="a").number


def test_a_read_only_database_is_an_outage(server: Server, stream: str) -> None:
    """As after a failover: what is there can be read, a record is not taken now, and is once the primary is back."""
    store = SqlRecordStore(server.url)
    store.append(stream, "first", {}, actor="a")
    standby = SqlRecordStore(f"{server.url}&options=-cdefault_transaction_read_only%3Don")
    assert 1 == standby.head(stream)
    with pytest.raises(StoreUnavailableError, match="read-only transaction"):
        standby.append(stream, "second", {}, actor="a")
    assert 2 == store.append(stream, "second", {}, actor="a").number


def test_a_record_that_is_no_object_hides_no_others(server: Server, stream: str) -> None:
    """A stranger wrote it: it is given as what it is, between those before and after."""
    store = SqlRecordStore(server.url)
    store.append(stream, "first", {}, actor="a")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("INSERT INTO ledger VALUES (%s, 2, now(), 'odd', 'b', '[1]')", (stream,))
    store.append(stream, "third", {}, actor="a")
    assert [{}, {"unreadable": [1]}, {}] == [record.body for record in store.read(stream)]


def test_a_database_that_was_made_anew_gets_its_table(fragile: Server) -> None:
    """The server came back empty, as after a restore: the same store makes its table again at the second call."""
    store = SqlRecordStore(fragile.owner)
    store.append("s", "first", {}, actor="a")
    with psycopg.connect(fragile.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE ledger")
    with pytest.raises(LedgerError, match="does not exist"):
        store.head("s")
    assert 1 == store.append("s", "first", {}, actor="a").number


def test_a_database_whose_rights_are_wrong_is_not_an_outage(server: Server) -> None:
    """A refusal for good is no outage: asking again would not help."""
    with psycopg.connect(server.owner, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("GRANT CONNECT ON DATABASE firstflight TO reader")
        connection.execute("GRANT SELECT ON ledger TO reader")
    store = SqlRecordStore(server.owner.replace("postgres@", "reader@"))
    store.read("s")
    with pytest.raises(LedgerError, match="permission denied"):
        store.append("s", "any", {}, actor="a")


def test_what_was_acknowledged_survives_a_killed_server(fragile: Server, stream: str) -> None:
    """After SIGKILL of the server under load, every acknowledged record is there and no number is missing."""
    store = SqlRecordStore(fragile.url)
    acknowledged: list[int] = []

    def write(writer: int) -> str:
        try:
            while True:
                acknowledged.append(store.append(stream, "any", {"writer": writer}, actor="a").number)
        except StoreUnavailableError:
            return "outage"

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, writer) for writer in range(4)]
        deadline = time.monotonic() + 120
        while len(acknowledged) < 40:
            assert time.monotonic() < deadline, "the writers did not get going"
            time.sleep(0.01)
        fragile.kill()
        assert ["outage"] * 4 == [writer.result(timeout=120) for writer in writers]
    fragile.start()
    kept = [record.number for record in store.read(stream)]
    assert list(range(1, len(kept) + 1)) == kept
    assert set(acknowledged) <= set(kept)


APPENDING = """
import sys
from firstflight.ledger.sql import SqlRecordStore
from firstflight.ledger.sql_tree import SqlTree
store, tree = SqlRecordStore(sys.argv[1]), SqlTree(sys.argv[1])
while True:
    print(store.append(sys.argv[2], "any", {}, actor=sys.argv[3]).number, flush=True)
    tree.seal(None)
"""


def test_writers_that_are_killed_lose_and_double_nothing(server: Server, stream: str) -> None:
    """Four processes append and seal, one after the other is killed: what they had finished has its one place."""
    command = [sys.executable, "-c", APPENDING, server.url, stream]
    writers = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(4)]
    finished: set[int] = set()
    try:
        for n, writer in enumerate(writers):
            assert writer.stdout is not None
            finished |= {int(writer.stdout.readline()) for _ in range(3 + 2 * n)}
            writer.kill()
            rest = writer.stdout.read()
            finished |= {int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")}
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    store, tree = SqlRecordStore(server.url), SqlTree(server.url)
    tree.seal(None)
    kept = [record.number for record in store.read(stream)]
    assert list(range(1, len(kept) + 1)) == kept
    assert finished <= set(kept)
    assert kept == [entry.number for entry in tree.entries() if entry.stream == stream]
    found = verify(tree.entries(), [Claim(each.size, each.root, "head") for each in tree.heads()])
    assert (None, found.records) == (found.fault, found.covered)


def test_an_old_ledger_is_taken_in_once(fragile: Server) -> None:
    """Its records get their places, and a record says how many, with which root; a migration that died is repeated."""
    with psycopg.connect(fragile.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE ledger_leaf, ledger_head")
    store = SqlRecordStore(fragile.owner)
    for number in range(5):
        store.append(f"rollout/{number % 2}", "old", {"n": number}, actor="a")
    with psycopg.connect(fragile.owner, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN; LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
        call = pool.submit(postgres.migrate, fragile.owner)
        waiting = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'ledger'::regclass"
        deadline = time.monotonic() + 120
        while not other.execute(waiting).fetchall():
            assert time.monotonic() < deadline, "the migration never waited for the lock"
            time.sleep(0.02)
        with pytest.raises(StackError):
            call.result(timeout=120)
        other.execute("ROLLBACK")
    for _ in range(2):
        postgres.migrate(fragile.owner)
    tree = SqlTree(fragile.url)
    [record], [head] = store.read("ledger"), tree.heads()
    assert ("ledger.taken_in", {"records": 5, "root": head.root.hex()}) == (record.kind, record.body)
    assert 1 == tree.waiting()
    assert [0, 1, 2, 3, 4] == [entry.index for entry in tree.entries()]


def test_an_owner_who_changes_the_tables_is_found_out(fragile: Server) -> None:
    """Triggers stop no owner: the changed record is named, and the key signs nothing above a changed head."""
    store, tree, signer = SqlRecordStore(fragile.url), SqlTree(fragile.url), Signer.new()
    for number in range(4):
        store.append("s", "any", {"n": number}, actor="a")
    head = tree.seal(signer)
    assert head is not None
    with psycopg.connect(fragile.owner, autocommit=True) as owner:
        owner.execute("ALTER TABLE ledger DISABLE TRIGGER USER; UPDATE ledger SET actor = 'b' WHERE number = 3")
        owner.execute("ALTER TABLE ledger_head DISABLE TRIGGER USER; UPDATE ledger_head SET size = 2, peaks = root")
    found = verify(tree.entries(), [Claim(head.size, head.root, "kept")]).fault
    assert found is not None
    assert (2, 2) == (found.first, found.last)
    assert "record 3 of s is not what was sealed" in found.what
    with pytest.raises(CheckpointError, match="is not the one that was signed"):
        tree.seal(signer)


def test_nobody_seals_where_no_tree_was_made(fragile: Server) -> None:
    """As for an outage, told who makes its tables; records are appended as ever."""
    with psycopg.connect(fragile.owner, autocommit=True) as connection:
        connection.execute("DROP TABLE ledger_leaf, ledger_head")
    assert 1 == SqlRecordStore(fragile.url).append("s", "first", {}, actor="a").number
    with pytest.raises(StoreUnavailableError, match="`firstflight up` does"):
        SqlTree(fragile.url).seal(None)
