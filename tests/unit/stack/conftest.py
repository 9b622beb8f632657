"""Settings of a stack that does not run, and a supervisor that runs nothing yet."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firstflight.settings import Settings
from firstflight.stack.local import down
from firstflight.supervision.supervisor import Supervisor


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Settings with a home and a project of their own; whatever was started or made there is gone afterwards."""
    with own_settings() as made:
        yield made


@contextmanager
def own_settings() -> Iterator[Settings]:
    """Such settings, for the block."""
    home = Path(tempfile.mkdtemp(prefix="ff-"))
    (home / "project").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FIRSTFLIGHT_DATABASE_URL", raising=False)
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
