"""Who is to bring traffic home must be up in a moment, on a machine in trouble."""

from pathlib import Path

import pytest

from firstflight.domain.errors import RegistryUnavailableError
from firstflight.domain.versions import ModelVersion
from firstflight.registry.deferred import DeferredRegistry

VERSION = ModelVersion(model="m", variant="v", number=1, digest=f"sha256:{1:064x}")


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
