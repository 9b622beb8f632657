"""The real local stack, for tests that need one: random ports, a home of its own, ended for certain."""

import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import psutil
import pytest

from firstflight.serving import open_backend
from firstflight.serving.local.model_server import program_name
from firstflight.serving.local.servers import SERVER_PORTS, is_free
from firstflight.settings import Ports, Settings
from firstflight.stack.local import up
from firstflight.supervision.program import ProgramState
from firstflight.supervision.supervisor import Supervisor

ROOT = Path(__file__).parents[1]
# Ends when its standard input does: closed by the fixture, or by the death of the test process, however it died.
WATCHER = """
import shutil, sys
from pathlib import Path
from firstflight.settings import Settings
from firstflight.stack.local import down
sys.stdin.read()
home = Path(sys.argv[1])
down(Settings(home=home))
for link in filter(Path.is_symlink, home.iterdir()):
    shutil.rmtree(link.readlink())
shutil.rmtree(home)
"""

# How long an example takes is the machine's affair, not the code's. The same code is tried with the same examples, lest
# somebody's change fail for another's; `pytest --hypothesis-profile explore` looks for new ones.
for name, same in (("firstflight", True), ("explore", False)):
    hypothesis.settings.register_profile(
        name, deadline=None, derandomize=same, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
hypothesis.settings.load_profile("firstflight")

StackMaker = Callable[[Path], AbstractContextManager[Settings]]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while modules are imported, nor among them ever after: it took a quarter of that time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End with the shared stack: from its first test on it takes its part of the machine."""
    items.sort(key=lambda item: "stack" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say beside a failure on the shared stack how its parts are: nobody can look when it is gone."""
    report = yield
    settings = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(settings, Settings):
        report.sections.append(("the shared stack", told_by_parts(settings)))
    return report


def told_by_parts(settings: Settings) -> str:
    """Return how the stack's machine and programs are, and the end of the log of each model server that is not ready.

    Such a one is asked first where it is.
    """
    supervisor, backend = Supervisor(settings.supervisor_folder), open_backend(settings)
    states = supervisor.states()
    said = [f"load {os.getloadavg()}, {psutil.virtual_memory().available >> 20:,} MiB free"]
    said += [f"{name}: {state.state}, {process_of(state)}" for name, state in states.items()]
    for name in sorted(backend.served()):
        if program_name(name) in states and not backend.is_ready(name):
            supervisor.signal(program_name(name), "USR1")
            time.sleep(1)
            lines = supervisor.log(program_name(name)).read_text(errors="replace").splitlines()
            said += [f"{name} is not ready:", *lines[-40:]]
    for name in ("worker", "prefect", "guard"):
        said += [f"{name} says at last:", *supervisor.log(name).read_text(errors="replace").splitlines()[-25:]]
    return "\n".join(said)


def process_of(state: ProgramState) -> str:
    """Return what the system knows of a program's process."""
    try:
        process = psutil.Process(state.pid or 0)
        return f"{process.status()}, {process.cpu_times()}, {process.num_fds()} files"
    except psutil.Error as error:
        return str(error)


@pytest.fixture(scope="session")
def make_stack() -> StackMaker:
    """A maker of stacks: give it the project whose flows to deploy; each has its own home and ports."""

    @contextmanager
    def make(project: Path) -> Iterator[Settings]:
        home = Path(tempfile.mkdtemp(prefix="ff-"))  # short, so that sockets lie in it as they do for a user
        here = Settings(project=ROOT)
        settings = Settings(home=home, project=project, ports=free_ports(), serving_python=here.serving_python)
        path = os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))
        watcher = subprocess.Popen(
            [sys.executable, "-c", WATCHER, str(home)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        with watcher:
            up(settings)
            yield settings
        assert watcher.returncode == 0

    return make


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which the stack's flows import too, as they do from a checkout: no test writes into that."""
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="session")
def stack(make_stack: StackMaker, modules: Path) -> Iterator[Settings]:
    """The settings of a running local stack with this project's deployments, shared by all tests of the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(modules), os.environ.get("PYTHONPATH")))))
        for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):  # they would win over the stack's own addresses
            patch.delenv(variable, raising=False)
        with make_stack(ROOT) as settings:
            yield settings


def free_ports() -> Ports:
    """Return ports nobody listens on, below those that the system hands out by itself."""
    chosen = random.Random()  # two test runs on one machine must not choose alike; no secret
    while True:
        first = chosen.randrange(20_000, 32_000)
        if all(is_free(port) for port in range(first, first + 6 + SERVER_PORTS)):
            return Ports(
                prefect=first,
                mlflow=first + 1,
                gateway=first + 2,
                outcomes=first + 3,
                exporter=first + 4,
                guard=first + 5,
                servers=first + 6,
            )
