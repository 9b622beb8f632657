"""How much room there is for model servers is part of `status`."""

import json
from pathlib import Path

import pytest

from firstflight.cli import stack
from firstflight.domain.versions import ModelVersion
from firstflight.serving.local.servers import SLOTS, ServerTable
from firstflight.settings import Settings
from firstflight.stack.local import slots

VERSION = ModelVersion(model="m", variant="baseline", number=1, digest=f"sha256:{1:064x}")


def test_the_places_that_are_taken_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """None, one, and all: then it says what makes room."""
    settings = Settings(home=tmp_path)
    assert (0, SLOTS) == slots(settings)
    (tmp_path / "serving").mkdir()
    table = ServerTable(tmp_path / "serving", settings.ports.servers)
    table.claim("baseline-predictor-v1", VERSION)
    stack._show(settings, (), as_json=True)
    assert {"used": 1, "of": SLOTS} == json.loads(capsys.readouterr().out)["slots"]
    server = table.read()["baseline-predictor-v1"]
    full = {f"v{number}": server.model_copy(update={"slot": number}).model_dump(mode="json") for number in range(SLOTS)}
    (tmp_path / "serving" / "servers.json").write_text(json.dumps(full))
    stack._show(settings, (), as_json=False)
    told = " ".join(capsys.readouterr().out.split())
    assert f"model servers: {SLOTS} of {SLOTS} places are taken; no room: `firstflight undeploy --old MODEL`" in told
