"""The local stack as its user meets it, with every part real."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import psycopg
import pytest

from firstflight.domain.errors import StackError
from firstflight.orchestrator import basic
from firstflight.settings import Settings
from firstflight.stack import apart
from firstflight.stack.environment import environment
from firstflight.stack.local import down, status, up
from firstflight.supervision import accounts
from firstflight.supervision.processes import is_alive
from firstflight.supervision.supervisor import Supervisor

pytestmark = pytest.mark.local

PARTS = ("postgres", "prefect", "mlflow", "gateway", "collector", "outcomes", "exporter", "guard", "worker")
PREFECT_YAML = """
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: "{{ $FIRSTFLIGHT_PROJECT }}"
deployments:
  - name: greet
    entrypoint: flows.greet.greet
    work_pool: {name: local}
"""
FLOW = '''
from prefect import flow

@flow
def greet(name: str = "world") -> str:
    """Greet."""
    return f"hello {name}"
'''


@pytest.fixture(scope="module")
def own(make_stack: Callable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack of this module alone, with a project of one small flow: its parts are killed here."""
    project = tmp_path_factory.mktemp("project")
    (project / "flows").mkdir()
    (project / "flows" / "__init__.py").touch()
    (project / "flows" / "greet.py").write_text(FLOW)
    (project / "prefect.yaml").write_text(PREFECT_YAML)
    with make_stack(project) as settings:
        yield settings


def wait(true: Callable[[], bool], seconds: float = 180) -> None:
    """Poll until something is true; fail past the deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def processes(settings: Settings) -> dict[str, int | None]:
    """Return the process id of every part."""
    return {part.name: part.pid for part in status(settings)}


def command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the `firstflight` command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "firstflight.cli.main", *words],
        env={**os.environ, **environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )


def prefect(settings: Settings, path: str, body: object) -> object:
    """Ask Prefect's API."""
    auth = basic(settings.prefect_auth)
    answer = httpx.post(f"{settings.local_prefect_api}/{path}", json=body, auth=auth, timeout=30)
    answer.raise_for_status()
    return answer.json()


def runs(settings: Settings) -> list[str]:
    """Return the states of all flow runs."""
    return [run["state"]["type"] for run in prefect(settings, "flow_runs/filter", {})]  # type: ignore[attr-defined, index]  # JSON


def test_every_part_is_up(own: Settings) -> None:
    """After `up` returns, all parts run and answer."""
    found = status(own)

    assert {part.name for part in found} == set(PARTS)
    assert [part for part in found if not part.up] == []


@pytest.mark.parametrize("port", ["prefect", "mlflow"])
def test_every_page_answers(own: Settings, port: str) -> None:
    """Both pages are there for a browser."""
    page = httpx.get(f"http://127.0.0.1:{getattr(own.ports, port)}/", follow_redirects=True, timeout=30)

    assert page.is_success
    assert "<html" in page.text.lower()


def test_prometheus_is_told_of_every_source_and_of_the_guard(own: Settings) -> None:
    """The exporter reaches all that it asks, before there is anything to tell; the guard goes its rounds."""
    exporter, guard = (
        httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=120).text
        for port in (own.ports.exporter, own.ports.guard)
    )

    sources = dict(re.findall(r'^firstflight_source_up\{source="(\w+)"\} (\S+)$', exporter, re.MULTILINE))
    assert dict.fromkeys(("ledger", "router", "predictions", "outcomes", "truths", "disk"), "1.0") == sources
    assert "firstflight_guard_round_timestamp_seconds " in guard


def test_the_gateway_refuses_what_nobody_serves(own: Settings) -> None:
    """Envoy answers clients, before any model is served."""
    answer = httpx.post(f"{own.gateway_url}/v2/models/nobody/infer", json={})

    assert answer.status_code == 404


def test_everything_listens_on_loopback_alone(own: Settings) -> None:
    """No part can be reached from another machine."""
    listening = [
        connection.laddr.ip
        for process in Supervisor(own.supervisor_folder).processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert set(listening) == {"127.0.0.1"}


def test_state_is_private(own: Settings) -> None:
    """Nothing at the top of the home is open to others, where its links lead neither, but to its own part."""
    for path in (own.home, *own.home.iterdir()):
        about = path.stat()
        of_a_part = path.is_symlink() and about.st_gid in {accounts.GATEWAY, accounts.SERVERS, apart.GROUP}
        assert about.st_mode & (0o007 if of_a_part else 0o077) == 0, path


def test_parts_that_root_starts_are_users_of_their_own(own: Settings) -> None:
    """Where those reach Python; else they are whoever starts the stack."""
    found = {name: psutil.Process(processes(own)[name]).uids().effective for name in apart.USERS}
    assert (apart.USERS if apart.are_apart(own) else dict.fromkeys(apart.USERS, os.getuid())) == found


def test_the_worker_runs_what_was_deployed(own: Settings) -> None:
    """A run of the project's deployment completes."""
    found = prefect(own, "deployments/filter", {})
    prefect(own, f"deployments/{found[0]['id']}/create_flow_run", {})  # type: ignore[index]  # JSON

    wait(lambda: runs(own) == ["COMPLETED"])


def test_a_second_up_changes_nothing(own: Settings) -> None:
    """Processes stay the same, and it is quick."""
    before, began = processes(own), time.monotonic()

    up(own)

    assert before == processes(own)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("part", ["gateway", "postgres", "mlflow", "guard"])
def test_a_killed_part_comes_back(own: Settings, part: str) -> None:
    """A part that dies is started again and answers, without anybody's help; what it left behind is gone."""
    before = processes(own)[part]
    assert before is not None
    left_behind = psutil.Process(before).children(recursive=True)

    os.kill(before, signal.SIGKILL)

    wait(lambda: processes(own)[part] not in (None, before))
    wait(lambda: not any(is_alive(child) for child in left_behind))
    wait(lambda: all(found.up for found in status(own)))


def test_a_taken_port_is_refused(own: Settings) -> None:
    """The error names the port, its setting and who holds it; what runs is left alone."""
    before = processes(own)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        ports = own.ports.model_copy(update={"gateway": port})

        with pytest.raises(StackError, match=rf"port {port} \(FIRSTFLIGHT_PORT_GATEWAY\).*{os.getpid()}"):
            up(own.model_copy(update={"ports": ports}))
    assert before == processes(own)


def test_status_speaks_to_machines(own: Settings) -> None:
    """One JSON object, and an exit code that says whether all is well."""
    done = command(own, "status", "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["up"]
    assert {part["name"] for part in told["parts"]} == set(PARTS)


def test_status_names_what_is_down(own: Settings) -> None:
    """Exit code 3 while a part does not answer."""
    worker = processes(own)["worker"]
    assert worker is not None
    os.kill(worker, signal.SIGKILL)

    done = command(own, "status", "--json")

    assert done.returncode == 3
    assert [part["name"] for part in json.loads(done.stdout)["parts"] if not part["up"]] == ["worker"]
    wait(lambda: all(found.up for found in status(own)))


def test_down_leaves_nothing_running_and_loses_nothing(own: Settings) -> None:
    """After down no process is left; after the next up the earlier run and a row written before are there."""
    with psycopg.connect(own.database("firstflight", owner=True)) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('still here')")
    supervisor = Supervisor(own.supervisor_folder)
    before = supervisor.processes()
    assert len(before) > len(PARTS)

    down(own)

    assert supervisor.processes() == []
    assert [process for process in before if is_alive(process)] == []
    assert not any(part.up for part in status(own))
    up(own)
    assert runs(own) == ["COMPLETED"]
    with psycopg.connect(own.database("firstflight", owner=True)) as connection:
        assert connection.execute("select word from kept").fetchone() == ("still here",)


def test_down_works_after_the_supervisor_was_killed(own: Settings) -> None:
    """Orphans are found and ended; the stack comes up again from what they left."""
    supervisor = Supervisor(own.supervisor_folder)
    daemon = psutil.Process(int((own.supervisor_folder / "supervisord.pid").read_text()))
    daemon.kill()
    wait(lambda: not supervisor.running())

    down(own)
    assert supervisor.processes() == []

    up(own)
    assert runs(own) == ["COMPLETED"]
