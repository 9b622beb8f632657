"""The files and the program of one model server."""

import json
import sys
from pathlib import Path

import pytest

import firstflight
from firstflight.domain.versions import ModelVersion
from firstflight.serving.local.model_server import library, program, server_settings
from firstflight.serving.local.servers import PORTS_PER_SLOT, ServerPorts
from firstflight.settings import Settings
from firstflight.supervision import accounts

PORTS = ServerPorts(4820, 4821, 4822)
VERSION = ModelVersion(model="direction", variant="baseline", number=3, digest="sha256:" + 64 * "0")


def test_the_server_is_closed_and_has_no_workers() -> None:
    """What MLServer leaves open or broken by default is set."""
    settings = server_settings("baseline-predictor-v3", PORTS)
    assert {
        "host": "127.0.0.1",
        "parallel_workers": 0,
        "debug": False,
        "gzip_enabled": False,
    }.items() <= settings.items()


def test_the_library_folder_holds_this_package_alone(tmp_path: Path) -> None:
    """What is installed beside the package here must not reach the model servers; a moved checkout is followed."""
    settings = Settings(home=tmp_path)
    folder = library(settings)
    assert ["firstflight"] == [entry.name for entry in folder.iterdir()]
    (folder / "firstflight").unlink()
    (folder / "firstflight").symlink_to("/nowhere")
    library(settings)
    assert Path(firstflight.__file__).parent == (folder / "firstflight").resolve()


def test_the_artifact_is_not_searched_for_models(tmp_path: Path) -> None:
    """MLServer loads every model-settings.json below its folder, and an artifact could hold one."""
    artifact = tmp_path / "models" / "a" / "artifact"
    artifact.mkdir(parents=True)
    made = program(Settings(home=tmp_path), "shadow-predictor-v3", VERSION, artifact, PORTS, Path(sys.executable))
    assert not artifact.is_relative_to(made.directory)
    described = json.loads((made.directory / "model-settings.json").read_bytes())
    assert ("direction", "shadow-predictor-v3") == (described["name"], described["parameters"]["extra"]["served_name"])


def test_root_has_a_server_be_a_user_of_its_own_when_that_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slot another, which reads its files and writes into its own folder alone; else it runs as before."""
    settings, there = Settings(home=tmp_path / "home"), tmp_path / "there"
    artifact = there / "models" / "a" / "artifact"
    artifact.mkdir(mode=0o700, parents=True)
    settings.home.mkdir()
    (settings.home / "serving").symlink_to(there)
    owners: list[tuple[object, ...]] = []
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setattr("os.chown", lambda *asked: owners.append(asked))
    second = ServerPorts(*(settings.ports.servers + PORTS_PER_SLOT + step for step in range(3)))
    asked = (settings, "shadow-predictor-v3", VERSION, settings.home / "serving/models/a/artifact", second)
    for reaches in (False, True):
        monkeypatch.setattr(accounts, "can_run", lambda *_, reaches=reaches: reaches)
        made = program(*asked, Path(sys.executable))
        as_before = (sys.executable, "-m", "firstflight.serving.runtime.server", str(there / "models/a/server"))
        user = accounts.SERVERS + 1
        assert (accounts.as_user(user, accounts.SERVERS, as_before) if reaches else as_before) == made.command
    assert [(there / "models/a/scratch", user, accounts.SERVERS)] == owners
    assert 0o755 == artifact.stat().st_mode & 0o777
    assert 0o644 == (there / "models/a/server/settings.json").stat().st_mode & 0o777
