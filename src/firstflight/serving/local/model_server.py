"""One MLServer for one served name: its files and its program."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import firstflight
from firstflight.domain.versions import ModelVersion
from firstflight.serving.limits import MOST_BYTES
from firstflight.serving.local.environments import is_apart
from firstflight.serving.local.servers import PORTS_PER_SLOT, ServerPorts
from firstflight.serving.runtime import PREDICTOR
from firstflight.settings import Local
from firstflight.supervision import accounts
from firstflight.supervision.files import replace
from firstflight.supervision.program import Program

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_NEEDED = "import firstflight.serving.runtime.server"
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def program_name(name: str) -> str:
    """Return the name of the supervised program that serves `name`."""
    return f"model.{name}"


def server_settings(name: str, ports: ServerPorts) -> dict[str, object]:
    """Return MLServer's settings.json.

    `parallel_workers` 1, its default, does not start with a current uvloop (MLServer issue 2286); it also
    listens on every interface, compresses and logs each request unless told otherwise.
    """
    return {
        "server_name": name,
        "host": "127.0.0.1",
        "http_port": ports.rest,
        "grpc_port": ports.grpc,
        "metrics_port": ports.metrics,
        "grpc_max_message_length": MOST_BYTES,
        "parallel_workers": 0,
        "debug": False,
        "gzip_enabled": False,
    }


def model_settings(name: str, version: ModelVersion, artifact: Path) -> dict[str, object]:
    """Return MLServer's model-settings.json: every version of a model answers to the model's name."""
    return {
        "name": version.model,
        "implementation": PREDICTOR,
        "platform": "mlflow" if is_apart(artifact) else "onnx",
        "parameters": {
            "uri": str(artifact),
            "version": str(version.number),
            "extra": {"served_name": name, "variant": version.variant, "digest": version.digest},
        },
    }


def program(
    settings: Local, name: str, version: ModelVersion, artifact: Path, ports: ServerPorts, python: Path
) -> Program:
    """Write the files of a server below the artifact's parent and return its program, run by `python`.

    MLServer reads every model-settings.json below its folder, so that folder holds no artifact. Where root starts it,
    it is a user of its own, if that can reach its Python and this library.
    """
    serving = settings.home / "serving"
    artifact, python = (
        serving.resolve() / path.relative_to(serving) if path.is_relative_to(serving) else path
        for path in (artifact, python)
    )
    folder = artifact.with_name("server")
    replace(folder / "settings.json", json.dumps(server_settings(name, ports), indent=1))
    replace(folder / "model-settings.json", json.dumps(model_settings(name, version, artifact), indent=1))
    command: tuple[str, ...] = (str(python), "-m", "firstflight.serving.runtime.server", str(folder))
    environment = {"PYTHONPATH": str(library(settings).resolve()), **ONE_THREAD, **NO_TELEMETRY}
    slot = (ports.rest - settings.ports.servers) // PORTS_PER_SLOT
    if os.getuid() == 0 and serving.is_symlink() and _reaches(serving.resolve(), python, environment, slot):
        scratch = folder.with_name("scratch")
        scratch.mkdir(mode=0o700, exist_ok=True)
        os.chown(scratch, accounts.SERVERS + slot, accounts.SERVERS)
        folder.parent.chmod(0o755)
        for shown in (artifact, folder):
            accounts.show(shown)
        command = accounts.as_user(accounts.SERVERS + slot, accounts.SERVERS, command)
        environment |= {"HOME": str(scratch), "TMPDIR": str(scratch)}
    return Program(name=program_name(name), command=command, directory=folder, environment=environment)


def _reaches(serving: Path, python: Path, environment: Mapping[str, str], slot: int) -> bool:
    """Whether a user of its own could run `python` with what it needs; what of that is ours is shown to it first.

    Who may not enter `serving` sees none of it.
    """
    shown = (serving / "library", serving / "models", serving / "environments")
    for folder in shown:
        if folder.is_dir():
            folder.chmod(0o755)
    if python.is_relative_to(serving):
        accounts.show(python.parents[1])
    asked = (str(python), "-c", _NEEDED)
    return accounts.can_run(accounts.SERVERS + slot, accounts.SERVERS, asked, {"PATH": os.defpath, **environment})


def library(settings: Local) -> Path:
    """Return a folder that holds this very `firstflight` and nothing else.

    On the servers' PYTHONPATH it gives them the code that is running here, without the packages
    installed beside it, which are another environment's.
    """
    folder = settings.home / "serving" / "library"
    link, package = folder / "firstflight", Path(firstflight.__file__).parent
    if not link.is_symlink() or link.readlink() != package:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / ".firstflight.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(package)
        fresh.replace(link)
    return folder
