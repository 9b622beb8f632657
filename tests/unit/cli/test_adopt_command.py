"""`firstflight adopt` and `deploy`, as people and programs meet them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firstflight.acts.adopt import python_of
from tests.unit.cli.place import Place

Run = Callable[..., tuple[int, str, str]]
TRUSTED = ("--variant", "gbm", "--trust-code", "--as", "ann")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A registry in memory, and MLflow's models: churn 8 lacks much, 9 is not there."""
    return Place(tmp_path, monkeypatch)


def test_it_says_what_it_registered_and_what_is_next(place: Place, firstflight: Run) -> None:
    """The version, its alias, and how to serve it; for programs too."""
    code, out, err = firstflight("adopt", "models:/churn/7", *TRUSTED)
    assert 0 == code, err
    for words in ("churn:1 (gbm) is registered", "it is the champion of churn", "`firstflight deploy churn 1`"):
        assert words in " ".join(out.split())
    code, out, _ = firstflight("adopt", "models:/churn@best", *TRUSTED, "--json")
    assert ("challenger", 2) == (json.loads(out)["alias"], json.loads(out)["version"]["number"])
    assert "ann" == place.twin.registry.tags(place.twin.registry.get("churn", 2))["code_trusted_by"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("models:/churn/8", *TRUSTED), 1, ["infer_signature", "input_example="]),
        (("models:/churn/7", "--variant", "gbm"), 1, ["--trust-code --as NAME"]),
        (("models:/churn/7", "--variant", "gbm", "--trust-code"), 2, ["--as NAME"]),
        (("models:/churn/9", *TRUSTED), 3, ["no model at models:/churn/9"]),
        (("models:/Churn_Model/7", *TRUSTED), 2, ["Churn_Model", "--model"]),
        (("models:/m-0123456789abcdef0123456789abcdef", *TRUSTED), 2, ["--model NAME"]),
        (("runs:/0123/model", *TRUSTED), 2, ["--model NAME"]),
        (("models:/churn/7", "--variant", "g b m"), 2, ["g b m", "--variant"]),
    ],
)
def test_a_refusal_says_what_to_do(
    place: Place, firstflight: Run, words: tuple[str, ...], code: int, said: list[str]
) -> None:
    """By exit code and in words, and nothing is registered."""
    found, out, err = firstflight("adopt", *words)
    assert code == found, out + err
    told = " ".join((out + err).replace("│", " ").split())
    assert [] == [each for each in said if each not in told]
    assert () == place.twin.registry.versions("churn")


def test_versions_are_served_and_the_champion_answers(place: Place, firstflight: Run) -> None:
    """The route is opened once; a version that is not there is told."""
    place.adopted()
    place.twin.registry.set_alias(place.twin.registry.get("churn", 1), "champion")
    code, out, err = firstflight("deploy", "churn", "1", "2")
    assert (0, True) == (code, "churn is answered by its champion, logistic-predictor-v1" in out), err
    assert {"logistic-predictor-v1", "gbm-predictor-v2"} <= place.twin.world.backend.served()
    assert 3 == firstflight("deploy", "churn", "5")[0]
    code, out, _ = firstflight("deploy", "churn", "2", "--json")
    assert {"served": ["gbm-predictor-v2"], "opened_to": None} == json.loads(out)


def test_the_servers_python_is_asked_of_it() -> None:
    """Not of the one that runs this; where there is none, nobody knows."""
    assert f"{sys.version_info.major}.{sys.version_info.minor}" == python_of(Path(sys.executable))
    assert python_of(Path("/nowhere/python")) is None
