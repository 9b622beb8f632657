"""Telling the stack's Prefect server what it can run."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

import firstflight
from firstflight.domain.errors import ProcessFailedError
from firstflight.orchestrator import basic
from firstflight.settings import Settings
from firstflight.stack.environment import environment

_VARIABLE = "firstflight_deployed"
_RUN_SECONDS = 180
_ANSWER_SECONDS = 30


def deploy(settings: Settings) -> bool:
    """Create or update the project's deployments, then its automations; return whether there was anything to do.

    Nothing is done for a project without prefect.yaml, or when the server has already been told of exactly this
    code: the server itself keeps its digest, so that both are lost or kept together.

    Raises:
        ProcessFailedError: Prefect refused; the message holds its last words.
    """
    if not (settings.project / "prefect.yaml").exists():
        return False
    digest = _digest(settings.project)
    url, auth = f"{settings.local_prefect_api}/variables", basic(settings.prefect_auth)
    with httpx.Client(auth=auth, timeout=_ANSWER_SECONDS, trust_env=False) as prefect:
        known = prefect.get(f"{url}/name/{_VARIABLE}")
        if known.is_success and known.json()["value"] == digest:
            return False
        if (settings.project / "deployments" / "register.py").exists():
            _run(settings, "-m", "deployments.register")
        else:
            _run(settings, "-m", "prefect", "--no-prompt", "deploy", "--all")
        told = {"name": _VARIABLE, "value": digest}
        kept = (
            prefect.patch(f"{url}/name/{_VARIABLE}", json=told)
            if known.is_success
            else prefect.post(f"{url}/", json=told)
        )
        kept.raise_for_status()
    return True


def _digest(project: Path) -> str:
    """Return the digest of all that deployments are made of: forms come from the code of flows and plans.

    Runs are started by this interpreter: in a checkout that was moved it is another.
    """
    digest = hashlib.sha256(sys.executable.encode())
    for path in sorted(_sources(project)):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _sources(project: Path) -> Iterator[Path]:
    yield project / "prefect.yaml"
    for folder in (project / "flows", project / "tasks", project / "deployments", Path(firstflight.__file__).parent):
        yield from folder.rglob("*.py")


def _run(settings: Settings, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=settings.project,
        env={**os.environ, **environment(settings)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    if done.returncode:
        last_words = "\n".join(done.stdout.splitlines()[-15:])
        raise ProcessFailedError(f"`python {' '.join(words)}` ended with {done.returncode}:\n{last_words}")
