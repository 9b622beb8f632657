"""The parts of the local stack: what runs, where it answers, how it shows that it is well."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import httpx
import psutil

from firstflight.domain.errors import FirstflightError, StackError
from firstflight.guard.heartbeat import seconds_since
from firstflight.orchestrator import Orchestrator
from firstflight.serving.local import gateway
from firstflight.settings import Settings, trusted
from firstflight.stack import apart, postgres
from firstflight.stack.environment import environment, password, without_secrets
from firstflight.supervision.program import Program
from firstflight.supervision.supervisor import Supervisor

WORK_POOL = "local"
GUARD_ROUNDS = 10
"""A guard that has missed so many rounds is not well."""
BEHIND = ("nice", "-n", "5")
"""What may wait goes behind what answers clients: on a busy machine flows would starve the model servers."""
_ANSWER_SECONDS = 5


@dataclass(frozen=True)
class Part:
    """One supervised part; `needs` names those that must be well before its program is made and started."""

    name: str
    program: Callable[[], Program]
    is_well: Callable[[], bool]
    address: str | None = None
    needs: tuple[str, ...] = ()


def parts(settings: Settings, supervisor: Supervisor) -> tuple[Part, ...]:
    """Return every part, in the order in which they start; PostgreSQL is none when a server of one's own is set."""
    database = () if settings.database_url else (_postgres(settings),)
    stored = tuple(part.name for part in database)
    return (
        *database,
        _prefect(settings, supervisor, stored),
        _mlflow(settings, supervisor, stored),
        _gateway(settings),
        _collector(settings, supervisor, stored),
        _outcomes(settings, supervisor, stored),
        _exporter(settings, stored),
        _guard(settings, supervisor),
        _worker(settings, supervisor),
    )


def _postgres(settings: Settings) -> Part:
    return Part(
        name=postgres.NAME,
        program=lambda: postgres.program(settings),
        is_well=lambda: postgres.answers(settings),
        address=f"socket in {settings.home / postgres.NAME}",
    )


def _prefect(settings: Settings, supervisor: Supervisor, stored: tuple[str, ...]) -> Part:
    port = settings.ports.prefect
    return Part(
        name="prefect",
        program=lambda: apart.set_apart(settings, supervisor, "prefect", port, partial(_prefect_program, settings)),
        is_well=lambda: _answers(f"http://127.0.0.1:{port}/api/health"),
        address=f"http://127.0.0.1:{port}",
        needs=stored,
    )


def _prefect_program(settings: Settings, own: Path | None) -> Program:
    port = settings.ports.prefect
    return Program(
        name="prefect",
        command=_behind(own, *_python("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)),
        directory=settings.home,
        environment={
            **without_secrets(settings),
            **password(settings, "PREFECT_SERVER_API_AUTH_STRING"),
            # The page asks the API under the name by which it was opened.
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
            "PREFECT_UI_STATIC_DIRECTORY": str(own / "page" if own else settings.home / "prefect" / "page"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": _database(settings, "prefect", own, "postgresql+asyncpg"),
            **({"PREFECT_HOME": str(own)} if own else {}),
        },
    )


def _mlflow(settings: Settings, supervisor: Supervisor, stored: tuple[str, ...]) -> Part:
    port = settings.ports.mlflow
    return Part(
        name="mlflow",
        program=lambda: apart.set_apart(settings, supervisor, "mlflow", port, partial(_mlflow_program, settings)),
        is_well=lambda: _answers(f"http://127.0.0.1:{port}/health"),
        address=f"http://127.0.0.1:{port}",
        needs=stored,
    )


def _mlflow_program(settings: Settings, own: Path | None) -> Program:
    port = settings.ports.mlflow
    return Program(
        name="mlflow",
        command=_behind(
            own,
            *_python("firstflight.stack.reclaim"),
            str(port),
            *(*_python("mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        ),
        directory=settings.home,
        environment={
            **without_secrets(settings),
            "MLFLOW_BACKEND_STORE_URI": _database(settings, "mlflow", own, "postgresql+psycopg"),
            "MLFLOW_ARTIFACTS_DESTINATION": str(own or settings.home / "mlflow"),
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port},localhost:{port}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nine processes of 245 MB that only serve GenAI
        },
    )


def _gateway(settings: Settings) -> Part:
    return Part(
        name="gateway",
        program=lambda: gateway.program(settings),
        is_well=gateway.Gateway(settings).is_well,
        address=settings.gateway_url,
    )


def _collector(settings: Settings, supervisor: Supervisor, stored: tuple[str, ...]) -> Part:
    return Part(
        name="collector",
        program=lambda: Program(
            name="collector",
            command=_python("firstflight.stack.collector"),
            directory=settings.home,
            environment=without_secrets(settings, "FIRSTFLIGHT_DATABASE_URL"),
        ),
        is_well=lambda: _runs(supervisor, "collector"),
        needs=stored,
    )


def _outcomes(settings: Settings, supervisor: Supervisor, stored: tuple[str, ...]) -> Part:
    address = f"http://{settings.outcomes_host}:{settings.ports.outcomes}"
    return Part(
        name="outcomes",
        program=lambda: apart.set_apart(
            settings, supervisor, "outcomes", settings.ports.outcomes, partial(_outcomes_program, settings)
        ),
        is_well=lambda: _answers(f"{address}/health"),
        address=f"{address}/outcomes",
        needs=stored,
    )


def _outcomes_program(settings: Settings, own: Path | None) -> Program:
    known = without_secrets(settings, "FIRSTFLIGHT_DATABASE_URL", "FIRSTFLIGHT_OUTCOMES_TOKEN")
    if own:  # it reads no file but its own, so it is told what those say
        known["FIRSTFLIGHT_HOME"] = known["FIRSTFLIGHT_PROJECT"] = str(own)
        known["FIRSTFLIGHT_DATABASE_URL"] = apart.database(settings, "outcomes")
        if known.pop("FIRSTFLIGHT_OUTCOMES_TOKEN_FILE", None):
            known["FIRSTFLIGHT_OUTCOMES_TOKEN"] = _token(settings)
    return Program(
        name="outcomes",
        command=_python("firstflight.stack.outcomes"),
        directory=settings.home,
        environment=known,
    )


def _token(settings: Settings) -> str:
    try:
        secret = settings.outcomes_secret
    except OSError as error:
        raise StackError(f"outcomes_token_file cannot be read: {error}") from error
    return secret.get_secret_value() if secret else ""


def _exporter(settings: Settings, stored: tuple[str, ...]) -> Part:
    port = settings.ports.exporter
    return Part(
        name="exporter",
        program=lambda: Program(
            name="exporter",
            command=(*BEHIND, *_python("firstflight.telemetry.exporter")),
            directory=settings.home,
            environment=without_secrets(settings, "FIRSTFLIGHT_DATABASE_URL"),
        ),
        is_well=lambda: _answers(f"http://127.0.0.1:{port}/health"),
        address=f"http://127.0.0.1:{port}/metrics",
        needs=stored,
    )


def _guard(settings: Settings, supervisor: Supervisor) -> Part:
    return Part(
        name="guard",
        program=lambda: Program(
            name="guard",
            command=_python("firstflight.cli.guard"),
            directory=settings.home,
            environment=environment(settings),
        ),
        is_well=lambda: _runs(supervisor, "guard") and _goes_rounds(settings),
        needs=("gateway",),
    )


def _goes_rounds(settings: Settings) -> bool:
    age = seconds_since(settings.home)
    return age is not None and age < GUARD_ROUNDS * settings.guard_seconds


def _worker(settings: Settings, supervisor: Supervisor) -> Part:
    return Part(
        name="worker",
        program=lambda: _worker_program(settings),
        is_well=lambda: _worker_is_online(settings, supervisor),
        needs=("prefect",),
    )


def _worker_program(settings: Settings) -> Program:
    scratch = settings.home / "tmp"  # in the system's, Prefect's folder of runs belongs to whoever came first
    scratch.mkdir(mode=0o700, exist_ok=True)
    start = ("worker", "start", "--pool", WORK_POOL, "--type", "process", "--name", "local")
    return Program(
        name="worker",
        command=(*BEHIND, *_python("prefect"), *start, "--install-policy", "never"),
        directory=settings.project,
        environment={**environment(settings), "TMPDIR": str(scratch)},
        priority=900,
    )


def _behind(own: Path | None, *command: str) -> tuple[str, ...]:
    """Return `command` behind what answers clients; a user of its own is given whole paths."""
    return (shutil.which("nice") or "/usr/bin/nice", *BEHIND[1:], *command) if own else (*BEHIND, *command)


def _database(settings: Settings, name: Literal["prefect", "mlflow"], own: Path | None, scheme: str) -> str:
    return apart.database(settings, name, scheme) if own else settings.database(name, scheme)


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=_ANSWER_SECONDS, trust_env=False, verify=trusted()).is_success
    except (httpx.RequestError, httpx.InvalidURL):
        return False


def _runs(supervisor: Supervisor, name: str) -> bool:
    state = supervisor.states().get(name)
    return state is not None and state.state == "running"


def _worker_is_online(settings: Settings, supervisor: Supervisor) -> bool:
    """Return whether the worker that runs now has reported to the server: an earlier one's report does not count."""
    state = supervisor.states().get("worker")
    if state is None or state.pid is None:
        return False
    try:
        started = psutil.Process(state.pid).create_time()
        pool = Orchestrator(settings.local_prefect_api, settings.prefect_auth).pool(WORK_POOL)
    except (psutil.NoSuchProcess, FirstflightError):
        return False
    workers = pool.workers if pool else ()
    return any(worker.seen is not None and worker.seen.timestamp() >= started for worker in workers)
