"""The stack's home is private."""

import pytest

from firstflight.domain.errors import StackError
from firstflight.settings import Settings
from firstflight.stack.home import private_home


def test_a_missing_home_is_made_private(settings: Settings) -> None:
    """Nobody else may look inside."""
    assert private_home(settings).stat().st_mode & 0o777 == 0o700


def test_an_open_home_is_refused_and_left_as_it_is(settings: Settings) -> None:
    """Its rights may be meant: they are named, not changed."""
    settings.home.mkdir()
    settings.home.chmod(0o755)

    with pytest.raises(StackError, match=r"mode 0755.*chmod 700"):
        private_home(settings)
    assert settings.home.stat().st_mode & 0o777 == 0o755
