"""Faults made to happen to real processes."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.domain.errors import ProcessFailedError
from firstflight.drill.injectors import FullDisk, Kill

WRITER = """
import sys
for line in sys.stdin:
    try:
        with open(sys.argv[1], "w") as file:
            file.write("a lease")
        print("written", flush=True)
    except OSError as error:
        print(type(error).__name__, error.errno, flush=True)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes a file whenever it is told to."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "lease")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def written(process: subprocess.Popen[str]) -> str:
    """Let the process write and return what it says of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    print("write", file=process.stdin, flush=True)
    return process.stdout.readline().strip()


def test_a_full_disk_lets_its_process_live_and_write_nothing(process: subprocess.Popen[str]) -> None:
    """Writes worked before; afterwards each is an error of the system (EFBIG), and the process goes on."""
    assert "written" == written(process)
    FullDisk(lambda: process.pid).strike()
    assert "OSError 27" == written(process)
    assert "OSError 27" == written(process)
    assert process.poll() is None


def test_there_is_no_disk_to_fill_for_a_process_that_has_ended() -> None:
    """Its number may be another process's by now."""
    with pytest.raises(ProcessFailedError, match="has ended"):
        FullDisk(lambda: None).strike()


def test_a_kill_that_comes_too_late_does_no_harm(process: subprocess.Popen[str]) -> None:
    """The process died between the question and the signal."""
    process.kill()
    process.wait(120)
    Kill(lambda: process.pid).strike()


def test_a_kill_strikes_once(process: subprocess.Popen[str]) -> None:
    """Its successor is left alone."""
    asked: list[int] = []
    kill = Kill(lambda: asked.append(1) or process.pid)
    kill.strike()
    assert -signal.SIGKILL == process.wait(120)
    kill.again()
    assert [1] == asked


def test_a_kill_that_lasts_asks_for_the_successor_and_spares_what_is_down() -> None:
    """Between two lives of a program there is nothing to kill."""
    asked: list[int] = []
    kill = Kill(lambda: asked.append(1), lasts=True)  # type: ignore[func-returns-value]  # None: it is down
    kill.strike()
    kill.again()
    assert [1, 1] == asked
