"""Settings of a stack that does not run, and a supervisor that runs nothing yet."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.settings import Settings
from firstflight.stack.local import down
from firstflight.supervision.supervisor import Supervisor


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings with a home and a project of their own; whatever was started or made there is gone afterwards."""
    monkeypatch.delenv("FIRSTFLIGHT_DATABASE_URL", raising=False)
    home = Path(tempfile.mkdtemp(prefix="ff-"))
    (home / "project").mkdir()
    made = Settings(home=home / "home", project=home / "project")
    yield made
    down(made)
    place = made.home / "postgres"
    if place.is_symlink():
        shutil.rmtree(place.readlink(), ignore_errors=True)
    shutil.rmtree(home)


@pytest.fixture
def supervisor(settings: Settings) -> Supervisor:
    """The supervisor of `settings`."""
    return Supervisor(settings.supervisor_folder)
