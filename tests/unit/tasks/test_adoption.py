"""What the form `adopt` does: the same act as the command, by whoever filled it in."""

from pathlib import Path

import pytest

import tasks.adoption
from firstflight.domain.errors import AdoptionRefusedError
from firstflight.domain.plans import AdoptPlan
from firstflight.settings import Settings
from firstflight.world import World
from tests.mlflow_bench import MODEL, python_function
from tests.unit.acts.twin import Twin

PLAN = AdoptPlan(address=f"models:/{MODEL}/7", variant="gbm", by="ann", trust_code=True)


@pytest.fixture(autouse=True)
def _here(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def world(_settings: Settings) -> World:
        return twin.world

    def fetched(_uri: str, _address: str, folder: Path) -> Path:
        return python_function(folder / "model", python="3.11.1")

    monkeypatch.setattr(tasks.adoption, "open_world", world)
    monkeypatch.setattr("firstflight.registry.mlflow_files.fetch_model", fetched)
    monkeypatch.setattr("firstflight.acts.adopt.python_of", lambda _: "3.11")


def test_a_model_is_adopted_by_who_says_so(twin: Twin) -> None:
    """Its version keeps who that was, and where it came from; tried again it is the same."""
    adopted = tasks.adoption.adopt.fn(PLAN)
    assert (MODEL, "gbm", "champion") == (adopted.version.model, adopted.version.variant, adopted.alias)
    tags = twin.registry.tags(adopted.version)
    told = {"adopted_by": "ann", "code_trusted_by": "ann", "adopted_from": PLAN.address}
    assert told == {name: value for name, value in tags.items() if name in told}
    assert adopted == tasks.adoption.adopt.fn(PLAN)


def test_what_it_lacks_is_the_end_of_the_run(twin: Twin) -> None:
    """A refusal, which is not tried again; nothing is registered."""
    with pytest.raises(AdoptionRefusedError, match="brings code of its own"):
        tasks.adoption.adopt.fn(PLAN.model_copy(update={"trust_code": False}))
    assert () == twin.registry.versions(MODEL)
