"""The key that signs: made once, private, and refused when it is not."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from firstflight.domain.errors import CheckpointError
from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.keys import signer
from firstflight.settings import Settings


def test_the_first_use_makes_a_private_key(tmp_path: Path) -> None:
    """And every later one finds it."""
    settings = Settings(home=tmp_path)
    first = signer(settings)
    assert first == signer(settings)
    assert 0o600 == settings.ledger_key_file.stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    """What they can copy proves nothing any more."""
    settings = Settings(home=tmp_path)
    signer(settings)
    settings.ledger_key_file.chmod(mode)
    with pytest.raises(CheckpointError, match=f"chmod 600 {settings.ledger_key_file}"):
        signer(settings)


def test_a_secret_wins_and_a_cluster_without_one_signs_nothing(tmp_path: Path) -> None:
    """In a cluster no key is made: each process would make another."""
    key = Signer.new()
    given = Settings(home=tmp_path, backend="seldon", ledger_key=SecretStr(key.secret()))
    assert key == signer(given)
    assert signer(Settings(home=tmp_path, backend="seldon")) is None
    assert [] == list(tmp_path.iterdir())
