"""The command as a process would run it, without the process; and the ledger it finds."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from firstflight.cli.main import main
from tests.unit.cli.doubles import Ledger


@pytest.fixture
def firstflight(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in a pipe of 80 columns; return its exit code and what it wrote to either stream."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main([*words])
        except SystemExit as left:
            code = left.code
        return int(code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger whose clock goes on by itself."""
    return Ledger(lambda: datetime.now(UTC))
