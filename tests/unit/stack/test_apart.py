"""Parts that root starts as users of their own, and what is theirs; in the whole stack: tests/e2e/test_stack.py."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.domain.errors import StackError
from firstflight.settings import Ports, Settings
from firstflight.stack import apart, sign_in
from firstflight.stack.parts import parts
from firstflight.supervision import accounts
from firstflight.supervision.program import Program
from firstflight.supervision.supervisor import Supervisor

TOKEN = "0123456789abcdef"  # noqa: S105 - the test's own


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Root's home, whose parts can be users of their own, below a folder that those may pass through."""
    if os.getuid() != 0:
        pytest.skip("only root can start somebody else's program")
    made = Path(tempfile.mkdtemp(prefix="ff-"))
    made.chmod(0o711)
    (made / "home").mkdir(mode=0o700)
    monkeypatch.setattr(accounts, "ROOTS_FOLDER", made / "shared")
    monkeypatch.setattr(apart, "are_apart", lambda _settings: True)
    monkeypatch.delenv("FIRSTFLIGHT_DATABASE_URL", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    yield made / "home"
    shutil.rmtree(made)


def programs(settings: Settings) -> dict[str, Program]:
    """Return the programs of those parts, of a supervisor that runs nothing."""
    supervisor = Supervisor(settings.supervisor_folder)
    return {part.name: part.program() for part in parts(settings, supervisor) if part.name in apart.USERS}


def test_each_is_a_user_of_its_own_with_a_folder_and_a_password_of_its_own(home: Path) -> None:
    """No two share one; a second start finds the same, so that nothing is started anew."""
    settings = Settings(home=home, outcomes_host="127.0.0.1")
    made = programs(settings)
    assert made == programs(settings)
    for name, user in apart.USERS.items():
        program = made[name]
        assert accounts.as_user(user, apart.GROUP, ()) == program.command[: len(accounts.as_user(user, 0, ()))]
        assert (user, 0o700) == (program.directory.stat().st_uid, program.directory.stat().st_mode & 0o777)
        known = " ".join(program.environment.values())
        theirs = {other for other in apart.USERS if apart.password(settings, other) in known}
        assert {name} == theirs
        assert {str(program.directory)} == {program.environment[one] for one in ("HOME", "TMPDIR")}


def test_where_they_are_not_they_are_root_s_and_know_no_password(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was theirs is root's meanwhile; whoever starts the stack as another user has them as before, too."""
    settings = Settings(home=home)
    before = programs(settings)
    monkeypatch.setattr(apart, "are_apart", lambda _settings: False)
    made = programs(settings)
    assert not [program for program in made.values() if str(accounts.become.__file__) in program.command]
    assert {0} == {program.directory.stat().st_uid for program in before.values()}
    assert {home} == {program.directory for program in made.values()}
    assert "postgresql+psycopg://mlflow@/mlflow?" in made["mlflow"].environment["MLFLOW_BACKEND_STORE_URI"]
    assert home / "prefect" / "page" == sign_in.folder(settings)
    monkeypatch.setattr(apart, "are_apart", lambda _settings: True)
    assert before == programs(settings)


def test_a_port_that_is_root_s_alone_stays_root_s(home: Path) -> None:
    """Below 1024 nobody else may listen."""
    made = programs(Settings(home=home, ports=Ports(mlflow=443)))
    assert (home, False) == (made["mlflow"].directory, (home / "mlflow").is_symlink())
    assert home != made["prefect"].directory


def test_the_door_for_truths_is_told_what_a_file_of_root_s_says(home: Path) -> None:
    """It could not read it; a file that is not there is said as such."""
    file = home / "token"
    settings = Settings(home=home, outcomes_token_file=file)
    with pytest.raises(StackError, match="outcomes_token_file cannot be read"):
        programs(settings)
    file.write_text(TOKEN)
    known = programs(settings)["outcomes"].environment
    assert (TOKEN, None) == (known["FIRSTFLIGHT_OUTCOMES_TOKEN"], known.get("FIRSTFLIGHT_OUTCOMES_TOKEN_FILE"))
    assert str(home) not in " ".join(value for name, value in known.items() if name.startswith("FIRSTFLIGHT_HOME"))


def test_the_page_is_written_as_who_owns_its_folder(home: Path) -> None:
    """Who got into Prefect's server may have put a link there: root writes nothing where it leads."""
    settings = Settings(home=home)
    sign_in.make_password(settings)
    folder = programs(settings)["prefect"].directory
    assert sign_in.folder(settings).resolve() == folder / "page"
    (folder / "page" / "v1").mkdir(parents=True)
    for path in (folder / "page", folder / "page" / "v1"):
        os.chown(path, apart.USERS["prefect"], apart.GROUP)
    sign_in.door(settings, "/v2/runs")
    page = folder / "page" / "v1" / "sign-in.html"
    assert apart.USERS["prefect"] == page.stat().st_uid
    page.unlink()
    page.symlink_to(home / "of-root")
    with pytest.raises(StackError, match=r"cannot write .*sign-in\.html: .*Permission denied"):
        sign_in.door(settings, "/v2/runs")
    assert not (home / "of-root").exists()


@pytest.mark.parametrize(
    ("user", "reaches", "own", "expected"),
    [
        (0, True, None, True),
        (0, False, None, False),
        (1000, True, None, False),
        (0, True, "postgresql://ada@db/any", False),
    ],
)
def test_they_can_be_where_root_starts_them_and_they_reach_python(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, own: str | None, *, reaches: bool, expected: bool
) -> None:
    """Nothing changes for whoever is not root, or has a database of one's own."""
    monkeypatch.setattr("os.getuid", lambda: user)
    monkeypatch.setattr(apart, "_reach", lambda *_: reaches)
    monkeypatch.delenv("FIRSTFLIGHT_DATABASE_URL", raising=False)
    assert expected == apart.are_apart(Settings(home=tmp_path, database_url=own))  # type: ignore[arg-type]
