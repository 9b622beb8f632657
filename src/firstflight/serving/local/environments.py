"""A Python environment of its own for each set of requirements that MLflow models bring, made by uv.

Two models with clashing requirements stay apart, and neither meets the shared serving environment. Each holds what the
model's `requirements.txt` names and MLServer, and is kept as long as something served needs it.
"""

import hashlib
import logging
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from firstflight.domain.errors import ModelNotReadyError
from firstflight.domain.versions import MLFLOW_FILE
from firstflight.settings import Local
from firstflight.supervision.files import locked, replace

log = logging.getLogger(__name__)

REQUIREMENTS = "requirements.txt"
_BESIDE = (REQUIREMENTS, "constraints.txt")
_CLAIM = "environment"
"""Which environment a served name needs: a file below its folder."""
PINNED = (
    *("mlserver", "fastapi", "starlette", "starlette-exporter", "uvicorn", "uvloop", "gevent", "geventhttpclient"),
    *("tritonclient", "py-grpc-prometheus", "aiokafka", "python-multipart", "python-rapidjson"),
)
"""What only the server needs is that of its lock; what a model may need too, such as numpy, is left to the resolver."""
LONGEST_BUILD = 900.0
_LINES = 15


def is_apart(artifact: Path) -> bool:
    """Whether `artifact` is served from an environment of its own."""
    return (artifact / MLFLOW_FILE).is_file()


class Environments:
    """Environments below `home`, shared by all processes: built beside, put there in one step, one at a time each."""

    def __init__(self, settings: Local) -> None:
        """Name the folders; nothing is made yet."""
        self._shared = settings.serving_python
        self._project = settings.project
        self._models = settings.home / "serving" / "models"
        self._folder = settings.home / "serving" / "environments"

    def python(self, name: str, artifact: Path) -> Path:
        """Return the interpreter that serves `artifact` as `name`: the shared one, or for an MLflow model one apart.

        That is made when it is missing, which takes as long as its packages take to come.

        Raises:
            ModelNotReadyError: It cannot be made; the message ends with the installer's last lines.
        """
        if not is_apart(artifact):
            return self._shared
        wanted = [*self._server(), *_mlflow(artifact)]
        beside = [(artifact / file).read_bytes() for file in _BESIDE if (artifact / file).is_file()]
        if not beside:
            raise ModelNotReadyError(
                f"{name}: {artifact} holds no {REQUIREMENTS}; save the model with MLflow 2 or newer, which writes it"
            )
        key = hashlib.sha256(repr((wanted, beside, self._version())).encode()).hexdigest()[:16]
        replace(self._models / name / _CLAIM, key)  # before it is looked for: from now on nobody removes it
        with locked(self._folder / f"{key}.lock"):
            if not (self._folder / key).is_dir():
                self._make(name, key, artifact, wanted)
        return self._folder / key / "bin" / "python"

    def clean(self) -> None:
        """Remove the environments that nothing served needs."""
        for folder in list(self._folder.glob("*/")) if self._folder.is_dir() else []:
            key = folder.name.removeprefix(".")
            if key in self._claimed():
                continue
            with locked(self._folder / f"{key}.lock"):
                if key not in self._claimed():
                    shutil.rmtree(folder, ignore_errors=True)

    def _claimed(self) -> set[str]:
        return {file.read_text(encoding="utf-8") for file in self._models.glob(f"*/{_CLAIM}")}

    def _server(self) -> Iterator[str]:
        """Yield the lock's pins of what only the server needs."""
        lock = self._project / "requirements" / "serving.txt"
        if not lock.is_file():
            raise ModelNotReadyError(f"no {lock}, which says which MLServer to serve with; set FIRSTFLIGHT_PROJECT")
        for name, pin in re.findall(r"^([a-z0-9-]+)==([^ \n]+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
            if name in PINNED:
                yield f"{name}=={pin}"

    def _version(self) -> str:
        """Return which Python the shared environment has."""
        asked = (str(self._shared), "-c", "import sys; print(sys.version)")
        try:
            return subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise ModelNotReadyError(
                f"no serving environment at {self._shared}: {error}; run `make install`"
            ) from error

    def _make(self, name: str, key: str, artifact: Path, wanted: list[str]) -> None:
        begin, fresh = time.monotonic(), self._folder / f".{key}"
        shutil.rmtree(fresh, ignore_errors=True)
        log.info("making the environment of %s: its requirements and MLServer; later versions share it", name)
        uv = self._uv(name)
        self._run(name, [uv, "venv", "--quiet", "--relocatable", "--python", self._shared, fresh])
        pins = self._folder / f"{key}.txt"
        replace(pins, "\n".join(wanted) + "\n")
        # Wheels alone: to build a package runs code of somebody's whom nobody has named.
        install: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--no-build",
            "--python",
            fresh / "bin" / "python",
        ]
        self._run(name, [*install, "--requirements", artifact / REQUIREMENTS, "--requirements", pins])
        fresh.rename(self._folder / key)
        log.info("made the environment of %s in %.0f s", name, time.monotonic() - begin)

    def _uv(self, name: str) -> Path:
        on_path = shutil.which("uv")
        known = [
            *([Path(on_path)] if on_path else []),
            self._project / ".uv/bin/uv",
            Path(sys.executable).with_name("uv"),
        ]
        for uv in known:
            if uv.is_file():
                return uv
        raise ModelNotReadyError(
            f"{name}: no uv to make its environment with, neither on the PATH nor at {known[-2]}; `make install` "
            "puts one there, https://docs.astral.sh/uv says how to install it for all"
        )

    def _run(self, name: str, command: list[str | Path]) -> None:
        try:
            subprocess.run(
                command,
                cwd=self._folder,
                check=True,
                timeout=LONGEST_BUILD,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except subprocess.CalledProcessError as error:
            lines = "\n".join(error.stdout.splitlines()[-_LINES:])
            raise ModelNotReadyError(
                f"{name}: its environment cannot be made; mend its {REQUIREMENTS} and register it anew. The installer "
                f"said:\n{lines}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise ModelNotReadyError(
                f"{name}: its environment was not made within {LONGEST_BUILD:.0f} s; is the package index slow?"
            ) from error


def _mlflow(artifact: Path) -> Iterator[str]:
    """Yield MLflow, by which every such model is loaded, where its requirements do not name it."""
    named = (artifact / REQUIREMENTS).read_text(encoding="utf-8") if (artifact / REQUIREMENTS).is_file() else ""
    if not re.search(r"^mlflow(-skinny)?\b", named, re.MULTILINE):
        version = (yaml.safe_load((artifact / MLFLOW_FILE).read_bytes()) or {}).get("mlflow_version")
        yield f"mlflow-skinny=={version}" if version else "mlflow-skinny"
