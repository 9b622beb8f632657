"""Who is to bring traffic home must be up in a moment, on a machine in trouble."""

import subprocess
import sys
from pathlib import Path

import pytest

from firstflight.domain.errors import RegistryUnavailableError
from firstflight.domain.versions import ModelVersion
from firstflight.registry.deferred import DeferredRegistry

VERSION = ModelVersion(model="m", variant="v", number=1, digest=f"sha256:{1:064x}")


def test_the_guard_starts_without_mlflow() -> None:
    """MLflow's client takes four seconds of a core to import and 130 MB; the guard needs it once, if ever."""
    told = "import sys, firstflight.cli.guard; print({'mlflow', 'pandas', 'torch', 'prefect'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()


def test_what_is_asked_reaches_mlflow(tmp_path: Path) -> None:
    """Each question goes through, and its outage is told as one."""
    (tmp_path / "model.onnx").write_bytes(b"a model")
    registry = DeferredRegistry("http://127.0.0.1:9")
    for ask in (
        lambda: registry.register("m", "v", tmp_path, {}),
        lambda: registry.get("m", 1),
        lambda: registry.set_alias(VERSION, "champion"),
        lambda: registry.versions("m"),
        lambda: registry.tags(VERSION),
        lambda: registry.fetch(VERSION, tmp_path),
    ):
        with pytest.raises(RegistryUnavailableError, match=r"127\.0\.0\.1:9"):
            ask()
