"""A PostgreSQL of the tests' own, which may be killed and started again."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstflight.settings import Settings
from firstflight.stack import postgres


class Server:
    """One server in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, database_url=None)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of our own database, as the services reach it."""
        return self.settings.database("firstflight")

    @property
    def owner(self) -> str:
        """The same, as whoever owns its tables."""
        return self.settings.database("firstflight", owner=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = postgres.program(self.settings)
        deadline = time.monotonic() + 120
        while not postgres.answers(self.settings):
            assert time.monotonic() < deadline, "PostgreSQL did not answer within two minutes"
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


@contextmanager
def running_server(home: Path) -> Iterator[Server]:
    """Run a server of its own below `home`, and leave nothing of it."""
    server = Server(home)
    try:
        server.start()
        yield server
    finally:
        server.stop()
