"""What watch-health does before its rounds must not keep it from them."""

from typing import Any

import pytest

from firstflight.domain.errors import StoreUnavailableError
from firstflight.orchestrator import Orchestrator
from tasks.guarding import how_ended, tidy
from tests.unit.acts.twin import Twin


def test_tidying_fails_without_a_word_too_many(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away: the rounds that follow need it least of all."""

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("the database does not answer")

    nowhere = Orchestrator("http://127.0.0.1:9/api")
    assert [] == tidy(twin.world, nowhere)
    monkeypatch.setattr(twin.world.ledger, "streams", away)
    assert [] == tidy(twin.world, nowhere)


@pytest.mark.parametrize("driver", ["hook of 1", "drill", "5f3c9a52-9a3f-4d35-9f61-8f8f5a3b5a11"])
def test_who_is_no_run_or_cannot_be_asked_for_may_still_act(driver: str) -> None:
    """Silence of Prefect's is no end of a run."""
    assert how_ended(Orchestrator("http://127.0.0.1:9/api"), driver) is None
