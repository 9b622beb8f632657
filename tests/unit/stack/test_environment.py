"""The environment of the stack's processes."""

import os
from pathlib import Path

import pytest

from firstflight.settings import Ports, Settings
from firstflight.stack.environment import environment


def test_settings_survive_the_journey(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that reads its settings from this environment reads the same ones, secrets included."""
    monkeypatch.setenv("FIRSTFLIGHT_DATABASE_URL", "postgresql://ada:secret@db/any")
    settings = Settings(
        home=tmp_path, project=tmp_path, gateway_profile="seldon", ports=Ports(prefect=1234, servers=99)
    )

    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)

    assert settings == Settings()


def test_clients_find_the_stack_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack's own addresses win over those of whoever starts it, and no proxy stands between."""
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere.example/api")
    monkeypatch.setenv("NO_PROXY", "intranet")

    found = environment(Settings(home=tmp_path, ports=Ports(prefect=1234, mlflow=1235)))

    assert found["PREFECT_API_URL"] == "http://127.0.0.1:1234/api"
    assert found["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:1235"
    assert found["NO_PROXY"] == "127.0.0.1,localhost,intranet"


def test_the_projects_code_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows are imported from the project; what stood on the path stays behind it, once."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("/somewhere", str(tmp_path))))

    path = environment(Settings(project=tmp_path))["PYTHONPATH"].split(os.pathsep)

    assert str(tmp_path) == path[0]
    assert path.count(str(tmp_path)) == 1
    assert path[-1] == "/somewhere"
