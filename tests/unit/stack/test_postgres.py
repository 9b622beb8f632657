"""The stack's PostgreSQL, with the real server."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from firstflight.domain.errors import StackError
from firstflight.ledger.sql import SqlRecordStore
from firstflight.observation import days
from firstflight.observation.database import Database
from firstflight.settings import Settings
from firstflight.stack import apart, postgres, retention
from firstflight.stack.home import private_home
from firstflight.supervision import accounts
from firstflight.supervision.supervisor import Supervisor
from tests.manifests.objects import build, of_kind
from tests.unit.acts.test_ledger_view import HOME
from tests.unit.rollout.test_machine import started
from tests.unit.stack.conftest import own_settings


@pytest.fixture(scope="module")
def server() -> Iterator[Settings]:
    """Settings whose server runs, with its databases, for parts of one user; who stops it starts it again."""
    with own_settings() as settings, pytest.MonkeyPatch.context() as patch:
        patch.setattr(apart, "are_apart", lambda _settings: False)
        private_home(settings)
        Supervisor(settings.supervisor_folder).start([postgres.program(settings)])
        await_answer(settings)
        postgres.create_databases(settings)
        yield settings


def await_answer(settings: Settings) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + 120
    while not postgres.answers(settings):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_three_databases_are_there(server: Settings) -> None:
    """Making them twice is no error. A service enters its own alone, and as nobody who may do more there."""
    postgres.create_databases(server)

    assert 2**20 < (postgres.size(server) or 0)
    for name in postgres.DATABASES:
        for other in postgres.DATABASES:
            url = server.database(name).replace(f"/{name}?", f"/{other}?")
            if other == name:
                with psycopg.connect(url) as connection:
                    query = "select current_user, rolsuper from pg_roles where rolname = current_user"
                    assert (name, False) == connection.execute(query).fetchone()
            else:
                with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                    psycopg.connect(url)


def test_what_a_home_made_earlier_holds_is_handed_over(server: Settings) -> None:
    """There all belonged to `postgres`: Prefect and MLflow must be able to change their tables as before."""
    with psycopg.connect(server.database("prefect", owner=True), autocommit=True) as connection:
        connection.execute("create extension if not exists pg_trgm")
        connection.execute("create type state as enum ('a')")
        connection.execute("create table run (id serial primary key, at bigint generated always as identity, of state)")
        connection.execute("create index by_name on run using gin ((id::text) gin_trgm_ops)")
        connection.execute("create sequence alone")
        connection.execute("create view seen as select id from run")
        connection.execute("create function f() returns int language sql as 'select 1'")

    postgres.create_databases(server)

    with psycopg.connect(server.database("prefect"), autocommit=True) as connection:
        connection.execute("create extension if not exists pg_trgm")
        connection.execute("alter type state add value 'b'")
        connection.execute("alter table run add column more int")
        connection.execute("insert into run (of) values ('b')")
        connection.execute("alter sequence alone restart")
        connection.execute("create or replace view seen as select id, more from run")
        connection.execute("drop function f()")
        connection.execute("create table another (id serial)")


def test_days_go_once_no_open_rollout_needs_them(server: Settings) -> None:
    """Counted back from when what is open began, and by the owner alone; days to come are there; the ledger stays."""
    kept = server.model_copy(update={"retention_days": 3})
    ledger = SqlRecordStore(server.database("firstflight"))
    retention.retain(kept)
    now = ledger.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with Database(server.database("firstflight", owner=True)).connection() as connection:
        [today, *ahead] = days.partitions(connection, "scored")
        assert days.AHEAD == len(ahead)
        connection.execute(f"drop table {today.name}")
        for number in (12, 5):
            days._make(connection, "scored", midnight - timedelta(days=number))
        begun = ("rollout/m", 1, now - timedelta(days=10), "rollout.started", "run-1", Jsonb(started().body))
        connection.execute("insert into ledger values (%s, %s, %s, %s, %s, %s)", begun)

        with psycopg.connect(server.database("firstflight")) as service:
            for part in ("scored", ahead[0].name):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), service.transaction():
                    service.execute(f"drop table {part}")
        assert () == retention.retain(kept)
        ledger.append("rollout/m", "rollout.rolled_back", HOME, actor="run-1")
        gone = tuple(f"scored_{midnight - timedelta(days=number):%Y%m%d}" for number in (12, 5))
        assert gone == retention.retain(kept)
        assert (midnight, 2) == (days.partitions(connection, "scored")[0].since, ledger.head("rollout/m"))


def test_it_listens_on_no_port_and_lets_nobody_else_in(server: Settings) -> None:
    """One socket in a private folder is the only door."""
    place = (server.home / "postgres").resolve()

    with psycopg.connect(server.database("firstflight", owner=True)) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert connection.execute("show port").fetchone() == ("5432",)
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / ".s.PGSQL.5432").stat().st_mode & 0o777 == 0o700


def test_no_other_user_gets_in(server: Settings) -> None:
    """Not even who may open the socket: as root, the account that the server itself runs as."""
    place = (server.home / "postgres").resolve()
    for name in ("postgres", os.environ.get("USER") or "root", "nobody"):
        refused = ask_as_nobody(place, name)
        assert "refused" == refused, refused
    with psycopg.connect(server.database("firstflight", owner=True)) as connection:
        rules = connection.execute("select type, auth_method from pg_hba_file_rules where error is null").fetchall()
    assert [("local", "peer")] == rules


def ask_as_nobody(place: Path, user: str) -> str:
    """Return `let in`, or `refused` with whatever else was said, of a process of another account that asks."""
    if os.getuid() != 0:
        pytest.skip("only root can ask as somebody else")
    # Without the wheel's client, which `nobody` cannot read: the first message of the protocol, and the answer's type.
    words = (
        "import socket, struct, sys; "
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
        f"body = struct.pack('!I', 196608) + b'user\\0{user}\\0database\\0postgres\\0\\0'; "
        "s.sendall(struct.pack('!I', len(body) + 4) + body); got = s.recv(4096); "
        "print('refused' if got[:1] == b'E' and b'28000' in got else got)"
    )
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", words, str(place / ".s.PGSQL.5432")],
        user="nobody",
        group=pwd.getpwnam("nobody").pw_gid,
        extra_groups=[],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


def test_a_home_that_let_all_in_is_closed(server: Settings) -> None:
    """One made by an earlier version says `trust` in its data; the next start no longer asks it."""
    supervisor = Supervisor(server.supervisor_folder)
    place = (server.home / "postgres").resolve()
    supervisor.stop()
    (place / "data" / "pg_hba.conf").write_text("local all all trust\n")
    supervisor.start([postgres.program(server)])
    await_answer(server)
    with psycopg.connect(server.database("firstflight", owner=True)) as connection:
        assert connection.execute("select auth_method from pg_hba_file_rules").fetchall() == [("peer",)]


def test_a_lock_of_somebody_elses_process_does_not_keep_it_from_starting(server: Settings) -> None:
    """After a crash and a reboot the number in postmaster.pid may belong to any program: here, to this test."""
    supervisor = Supervisor(server.supervisor_folder)
    with psycopg.connect(server.database("firstflight", owner=True), autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    supervisor.stop()
    lock = (server.home / "postgres").resolve() / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1\n5432\n")

    supervisor.start([postgres.program(server)])

    await_answer(server)
    with psycopg.connect(server.database("firstflight", owner=True)) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


def test_an_interrupted_initdb_is_begun_anew(settings: Settings, supervisor: Supervisor) -> None:
    """Half a data folder is never taken for a whole one."""
    private_home(settings)
    postgres.program(settings)
    place = (settings.home / "postgres").resolve()
    (place / "data").rename(place / "data.new")
    (place / "data.new" / "global" / "pg_control").unlink()

    supervisor.start([postgres.program(settings)])

    await_answer(settings)


def test_data_of_another_version_is_refused(settings: Settings) -> None:
    """The error names both versions; the data is left alone."""
    private_home(settings)
    postgres.program(settings)
    ((settings.home / "postgres").resolve() / "data" / "PG_VERSION").write_text("17\n")

    with pytest.raises(StackError, match="written by PostgreSQL 17, installed is 18"):
        postgres.program(settings)


def test_lost_data_is_not_replaced_in_silence(settings: Settings, tmp_path: Path) -> None:
    """A link that points nowhere means that data was lost: the person decides."""
    private_home(settings)
    (settings.home / "postgres").symlink_to(tmp_path / "gone")

    with pytest.raises(StackError, match="which is gone"):
        postgres.program(settings)


def test_a_server_that_refuses_does_not_leak_its_password(settings: Settings) -> None:
    """The error tells what failed, never how to get in."""
    own = settings.model_copy(
        update={"database_url": type(settings)(database_url="postgresql://ada:hidden@127.0.0.1:1/any").database_url}  # type: ignore[arg-type]  # pydantic wraps it
    )

    assert not postgres.answers(own)
    with pytest.raises(StackError, match="cannot create databases") as caught:
        postgres.create_databases(own)
    assert "hidden" not in str(caught.value)


def test_a_server_of_ones_own_gets_the_three_databases(server: Settings) -> None:
    """A URL to any database of a server is enough."""
    place = (server.home / "postgres").resolve()
    with psycopg.connect(server.database("mlflow", owner=True), autocommit=True) as connection:
        connection.execute("drop database firstflight")
    own = Settings(home=server.home, database_url=f"postgresql://postgres@/postgres?host={place}")  # type: ignore[arg-type]  # pydantic wraps it

    postgres.create_databases(own)

    with psycopg.connect(own.database("firstflight")) as connection:
        assert connection.info.dbname == "firstflight"


def test_a_clusters_server_gets_the_same_roles(settings: Settings, supervisor: Supervisor) -> None:
    """By the script that its image runs once; then our tables are made by their owner, and used by the service."""
    private_home(settings)
    supervisor.start([postgres.program(settings)])
    await_answer(settings)
    script = of_kind(build("overlays/local"), "ConfigMap")["postgresql-databases"]["data"]["databases.sh"]
    roles = ("owner", "firstflight", "prefect", "mlflow")
    environment = {
        "PATH": f"{postgres._binaries(None)}:/usr/bin:/bin",
        "PGHOST": str((settings.home / "postgres").resolve()),
        "POSTGRES_USER": "postgres",
        **{f"{name.upper()}_PASSWORD": f"it's {name}'s" for name in roles},
    }
    subprocess.run(["bash", "-ceu", script], env=environment, check=True)
    owner = settings.database("firstflight").replace("//firstflight@", "//firstflight_owner@")
    postgres.migrate(owner)
    store = SqlRecordStore(settings.database("firstflight"))
    assert 1 == store.append("s", "any", {}, actor="a").number
    with (
        psycopg.connect(settings.database("firstflight")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("alter table ledger disable trigger all")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(settings.database("mlflow").replace("/mlflow?", "/prefect?"))
    with psycopg.connect(settings.database("prefect", owner=True)) as connection:
        made = connection.execute("select rolname from pg_authid where rolpassword like 'SCRAM%'").fetchall()
    assert {"firstflight_owner", "firstflight", "prefect", "mlflow"} == {name for (name,) in made}


def test_parts_that_are_users_of_their_own_get_in_by_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each into its own database, as its service; nobody else comes near, and root itself needs no password."""
    if os.getuid() != 0:
        pytest.skip("only root can ask as somebody else")
    monkeypatch.setattr(apart, "are_apart", lambda _settings: True)
    with own_settings() as settings:
        private_home(settings)
        program = postgres.program(settings)
        Supervisor(settings.supervisor_folder).start([program])
        await_answer(settings)
        for _ in range(2):
            postgres.create_databases(settings)
        for name, service in apart.SERVICES.items():
            url = apart.database(settings, name)
            for reset in ("reset all", "reset role"):  # as asyncpg does between two uses
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(reset)
                    assert (service,) == connection.execute("select current_user").fetchone()
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(url.replace(apart.password(settings, name), "wrong"))
            other = "prefect" if service != "prefect" else "mlflow"
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(url.replace(f"/{service}?", f"/{other}?"))
            with psycopg.connect(settings.database(service)) as connection:
                assert (service,) == connection.execute("select current_user").fetchone()
        socket = (settings.home / "postgres").resolve() / ".s.PGSQL.5432"
        assert 0o600 == (settings.home / "database-secret").stat().st_mode & 0o777
        for group, comes_near in ((apart.GROUP, True), (apart.GROUP + 1, False)):
            looked = accounts.can_run(apart.USERS["mlflow"], group, ("/usr/bin/test", "-w", str(socket)))
            assert comes_near == looked
        data = ("/usr/bin/test", "-r", str(socket.with_name("data") / "PG_VERSION"))
        assert not accounts.can_run(apart.USERS["mlflow"], apart.GROUP, data)
        assert program.command == postgres.program(settings).command
