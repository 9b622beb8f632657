"""Supervision, with a real supervisord and real processes."""

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from firstflight.domain.errors import ProcessFailedError, StackError
from firstflight.supervision.processes import is_alive
from firstflight.supervision.program import Program, ProgramState
from firstflight.supervision.supervisor import Supervisor

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
LEAVES_A_CHILD = "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """A supervisor that does not run yet; nothing of it is left afterwards."""
    made = Supervisor(tmp_path / "supervisor")
    yield made
    made.stop()
    assert made.processes() == []


def alive(pid: int) -> bool:
    """Return whether a process has this number and is more than a zombie its new parent has not noticed yet."""
    return psutil.pid_exists(pid) and is_alive(psutil.Process(pid))


def program(name: str, *command: str, **changes: object) -> Program:
    """Return a program that sleeps, or the given command."""
    return Program(name=name, command=command or SLEEP, directory=Path("/"), **changes)  # type: ignore[arg-type]


def wait(true: Callable[[], bool], seconds: float = 20) -> None:
    """Poll until something is true; fail past the deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pid(supervisor: Supervisor, name: str) -> int:
    """Return the program's process id, waiting for one."""
    wait(lambda: supervisor.states()[name].pid is not None)
    found = supervisor.states()[name].pid
    assert found is not None
    return found


def replaced(supervisor: Supervisor, name: str, former: int) -> bool:
    """Return whether the program runs in another process than `former`."""
    return supervisor.states()[name].pid not in (None, former)


def test_before_start_nothing_runs(supervisor: Supervisor) -> None:
    """A supervisor that was never started has no states, and stopping it is no error."""
    assert not supervisor.running()
    assert supervisor.states() == {}
    supervisor.stop()


def test_programs_run_after_start(supervisor: Supervisor) -> None:
    """Each program given to start has a living process."""
    supervisor.start([program("one"), program("two")])

    assert supervisor.running()
    assert all(psutil.pid_exists(pid(supervisor, name)) for name in ("one", "two"))


def test_starting_twice_changes_nothing(supervisor: Supervisor) -> None:
    """A second start leaves what runs alone."""
    supervisor.start([program("one")])
    before = pid(supervisor, "one")

    supervisor.start([program("one")])

    assert before == pid(supervisor, "one")


def test_a_killed_program_comes_back(supervisor: Supervisor) -> None:
    """A program that dies is started again."""
    supervisor.start([program("one")])
    before = pid(supervisor, "one")

    os.kill(before, signal.SIGKILL)

    wait(lambda: replaced(supervisor, "one", before))


def test_a_program_that_ends_at_once_backs_off(supervisor: Supervisor) -> None:
    """A program that cannot run is tried again ever more slowly, whatever its exit code."""
    supervisor.start([program("one", "true")])

    wait(lambda: supervisor.states()["one"].state == "backoff")


def test_adding_starts_a_program_once(supervisor: Supervisor) -> None:
    """The same definition again is no restart; another one is."""
    supervisor.start([])
    supervisor.add(program("one"))
    before = pid(supervisor, "one")
    supervisor.add(program("one"))
    assert before == pid(supervisor, "one")

    supervisor.add(program("one", environment={"CHANGED": "yes"}))

    wait(lambda: replaced(supervisor, "one", before))
    assert not alive(before)


def test_removing_ends_a_program(supervisor: Supervisor) -> None:
    """Removing waits until the process is gone; an unknown name is no error."""
    supervisor.start([program("one")])
    before = pid(supervisor, "one")

    supervisor.remove("one")
    supervisor.remove("one")

    assert supervisor.states() == {}
    assert not alive(before)


def test_restarting_gives_a_new_process(supervisor: Supervisor) -> None:
    """Restart ends the former process first."""
    supervisor.start([program("one")])
    before = pid(supervisor, "one")

    supervisor.restart("one")

    assert not alive(before)
    wait(lambda: replaced(supervisor, "one", before))


def test_restarting_an_unknown_program_is_an_error(supervisor: Supervisor) -> None:
    """The error names what was asked for."""
    supervisor.start([])

    with pytest.raises(ProcessFailedError, match="nobody"):
        supervisor.restart("nobody")


def test_adding_needs_a_running_supervisor(supervisor: Supervisor) -> None:
    """Without supervisord the error says who does not answer."""
    with pytest.raises(ProcessFailedError, match="does not answer"):
        supervisor.add(program("one"))


def test_added_programs_come_back_with_the_next_start(supervisor: Supervisor) -> None:
    """A definition stays until it is removed."""
    supervisor.start([])
    supervisor.add(program("one"))
    supervisor.stop()
    assert supervisor.states() == {}

    supervisor.start([])

    assert {"one"} == supervisor.states().keys()


def test_stopping_leaves_no_descendant(supervisor: Supervisor) -> None:
    """Even a child that fled into a session of its own is ended."""
    supervisor.start([program("one", sys.executable, "-c", LEAVES_A_CHILD)])
    wait(lambda: len(supervisor.processes()) == 3)

    supervisor.stop()

    assert supervisor.processes() == []


def test_a_stubborn_program_is_killed(supervisor: Supervisor) -> None:
    """A program that ignores the request to end is killed after its time."""
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    supervisor.start([program("one", sys.executable, "-c", stubborn.replace("; ", ";"), stop_seconds=1)])
    wait(lambda: supervisor.log("one").exists() and "deaf" in supervisor.log("one").read_text())
    before = pid(supervisor, "one")

    supervisor.remove("one")

    assert not alive(before)


def test_orphans_of_a_killed_supervisord_are_ended(supervisor: Supervisor) -> None:
    """Stopping works when supervisord itself is gone."""
    supervisor.start([program("one")])
    before = pid(supervisor, "one")
    kill_supervisord(supervisor)

    supervisor.stop()

    assert not alive(before)


def test_starting_after_a_crash_replaces_orphans(supervisor: Supervisor) -> None:
    """What a killed supervisord left would hold the ports: it is ended first."""
    supervisor.start([program("one")])
    before = pid(supervisor, "one")
    kill_supervisord(supervisor)

    supervisor.start([program("one")])

    assert not alive(before)
    assert before != pid(supervisor, "one")


def kill_supervisord(supervisor: Supervisor) -> None:
    """Kill the daemon alone, as a crash would."""
    daemon = psutil.Process(int((supervisor.folder / "supervisord.pid").read_text()))
    daemon.kill()
    wait(lambda: not supervisor.running())


def test_variables_and_output_arrive_as_given(supervisor: Supervisor) -> None:
    """Percent signs, commas, quotes, blanks and equals signs survive supervisord's configuration."""
    value = """a%b, c="d" =e%s"""
    show = program(
        "one",
        sys.executable,
        "-c",
        "import os, time; print(os.environ['V'], flush=True); time.sleep(600)",
        environment={"V": value},
    )

    supervisor.start([show])

    wait(lambda: supervisor.log("one").exists() and supervisor.log("one").read_text() == f"{value}\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": {"V": """both ' and " quotes"""}}, "value of V"),
        ({"environment": {"V": "two\nlines"}}, "line break"),
        ({"environment": {"V": "%(here)s"}}, "here"),
        ({"directory": Path("/a ;b")}, "directory"),
        ({"name": "Bad Name"}, "Bad Name"),
    ],
)
def test_what_supervisord_cannot_hold_is_refused(
    supervisor: Supervisor, changes: dict[str, object], message: str
) -> None:
    """Nothing is written wrongly in silence."""
    given: dict[str, object] = {"name": "one", "command": SLEEP, "directory": Path("/"), **changes}

    with pytest.raises(ValueError, match=message):
        supervisor.start([Program(**given)])  # type: ignore[arg-type]  # parameters of the test


def test_a_folder_that_reads_as_a_pattern_is_refused(tmp_path: Path) -> None:
    """The daemon would find no program in it."""
    with pytest.raises(StackError, match="cannot read"):
        Supervisor(tmp_path / "home[1]")


def test_only_the_user_can_look_inside(supervisor: Supervisor) -> None:
    """Configuration and logs may hold secrets: no file or folder is open to others."""
    supervisor.start([program("one")])
    pid(supervisor, "one")

    paths = [supervisor.folder, *supervisor.folder.rglob("*")]
    assert [] == [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_long_home_works(tmp_path: Path) -> None:
    """A socket path longer than the system allows is no obstacle."""
    deep = Supervisor(tmp_path / ("long" * 20) / "supervisor")
    deep.start([program("one")])

    assert isinstance(deep.states()["one"], ProgramState)
    deep.stop()
    assert deep.processes() == []


def test_programs_know_nothing_of_the_shell_but_how_the_machine_is(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user's shell holds for other purposes reaches no program; what a program is given does."""
    monkeypatch.setenv("CLOUD_SECRET", "planted")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    writes = "import json, os, pathlib, time; f = pathlib.Path(os.environ['GIVEN']); "
    writes += "g = f.with_suffix('.new'); g.write_text(json.dumps(dict(os.environ))); g.rename(f); time.sleep(600)"
    file = tmp_path / "environment.json"
    supervisor.start([program("told", sys.executable, "-c", writes, environment={"GIVEN": str(file)})])
    wait(file.exists)
    known = json.loads(file.read_text())
    assert "planted" not in known.values()
    assert ("C.UTF-8", "http://proxy:1", str(file)) == (known["LC_ALL"], known["https_proxy"], known["GIVEN"])
    assert {"PATH", "HOME"} <= known.keys()
