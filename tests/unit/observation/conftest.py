"""A PostgreSQL of the tests' own, which may be killed and started again."""

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from firstflight.settings import Settings
from firstflight.stack import postgres


class Server:
    """One server in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = postgres.program(self.settings)
        deadline = time.monotonic() + 30
        while not postgres.answers(self.settings):
            assert time.monotonic() < deadline, "PostgreSQL did not answer within 30 s"
            if self.process is None or self.process.poll() is not None:  # also while a killed server's children leave
                self.process = subprocess.Popen(
                    (*program.command, "-c", "fsync=off"),  # a killed server loses nothing that reached the kernel
                    cwd=program.directory,
                    user=program.user,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                )
            time.sleep(0.05)
        postgres.create_databases(self.settings)

    def kill(self) -> None:
        """End the server as a lack of memory would: without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the server and remove its data."""
        place = (self.settings.home / postgres.NAME).resolve()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=120)
        shutil.rmtree(place)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this folder."""
    running = Server(Settings(home=tmp_path_factory.mktemp("observation"), database_url=None))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def url(server: Server) -> str:
    """Address of tables that nobody used before: a schema of its own, made when no collector is left."""
    address = server.settings.database("firstflight", owner=True)
    name = f"t{uuid.uuid4().hex}"
    deadline = time.monotonic() + 30
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        while connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone() is not None:
            assert time.monotonic() < deadline, "an earlier test's collector does not leave"
            time.sleep(0.02)
    return f"{address}&options=-csearch_path%3D{name}"
