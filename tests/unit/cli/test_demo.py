"""Where the demo tells its story: in the home that every other command looks at, never over somebody's own stack."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firstflight.cli.demo import make_room
from firstflight.domain.errors import StackError
from firstflight.settings import Settings
from tests.unit.cli.doubles import flow_run
from tests.unit.cli.place import Place


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a home that does not exist yet."""
    return Settings(home=tmp_path / "home")


def test_a_demo_uses_the_home_that_every_command_uses(settings: Settings) -> None:
    """What it leaves behind is found without setting anything."""
    make_room(settings)

    assert settings.home.stat().st_mode & 0o777 == 0o700


def test_an_earlier_demo_is_moved_aside_whole(settings: Settings) -> None:
    """The next one starts from nothing; nothing is deleted."""
    make_room(settings)
    (settings.home / "reports").mkdir()

    make_room(settings)

    assert not (settings.home / "reports").exists()
    [aside] = [path for path in settings.home.parent.iterdir() if path != settings.home]
    assert aside.name.startswith(f"{settings.home.name}-20")
    assert (aside / "reports").exists()


def test_a_stack_of_one_s_own_is_refused_and_left_as_it_is(settings: Settings) -> None:
    """A home that no demo made is somebody's work: the error says how to tell the story beside it."""
    (settings.home / "mlflow").mkdir(parents=True)

    with pytest.raises(StackError, match=rf"FIRSTFLIGHT_HOME={settings.home}-demo firstflight demo"):
        make_room(settings)

    assert [settings.home / "mlflow"] == list(settings.home.iterdir())


@pytest.mark.parametrize(("state", "times"), [("RolledBack", 1), ("KeptChampion", 4)])
def test_an_end_that_records_have_told_is_summed_up_once(
    firstflight: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    times: int,
) -> None:
    """Where no record tells it, as of a champion that is kept, what became of each of the three runs is said."""
    place = Place(tmp_path, monkeypatch)
    place.went_home()
    place.prefect.states[:] = [flow_run(name=state).model_copy(update={"message": "complaints"})]
    code, told, _ = firstflight("demo", "--approve", "auto")
    assert (0, times) == (code, told.count("complaints"))
