"""A PostgreSQL of the tests' own, which may be killed and started again."""

import time
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.postgres_bench import Server, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this folder."""
    with running_server(tmp_path_factory.mktemp("observation")) as running:
        yield running


@pytest.fixture
def url(server: Server) -> str:
    """Address of tables that nobody used before: a schema of its own, made when no collector is left."""
    name = f"t{uuid.uuid4().hex}"
    deadline = time.monotonic() + 120
    with psycopg.connect(server.owner, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        while connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone() is not None:
            assert time.monotonic() < deadline, "an earlier test's collector does not leave"
            time.sleep(0.02)
    return f"{server.owner}&options=-csearch_path%3D{name}"
