"""What the stack takes of the disk is part of `status`."""

import json
import os
from pathlib import Path

import pytest

from firstflight.cli import stack
from firstflight.settings import Settings


def test_what_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are linked are one; what is not there takes nothing; of a database that is away nothing is known."""
    settings = Settings(home=tmp_path, database_url="postgresql://x@127.0.0.1:9/any")  # type: ignore[arg-type]  # pydantic wraps it
    packages = tmp_path / "serving" / "environments"
    packages.mkdir(parents=True)
    (packages / "one").write_bytes(b"x" * 2**20)
    os.link(packages / "one", packages / "again")
    (packages / "lib64").symlink_to(tmp_path)

    stack._show(settings, (), as_json=True)

    told = json.loads(capsys.readouterr().out)["disk"]
    assert 2**20 <= told["environments"] < 1.5 * 2**20
    assert (None, 0, 0, str(tmp_path)) == tuple(told[name] for name in ("database", "logs", "artifacts", "place"))
    assert 0 < told["free"]
    stack._show(settings, (), as_json=False)
    assert "disk: logs 0 MiB, models 0 MiB, environments 1 MiB" in " ".join(capsys.readouterr().out.split())
