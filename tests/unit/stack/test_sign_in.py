"""The password of the stack's Prefect, and the file that leads to its page signed in."""

import base64
from pathlib import Path
from urllib.parse import unquote

import pytest

from firstflight.domain.errors import StackError
from firstflight.settings import Settings
from firstflight.stack.environment import environment, without_secrets
from firstflight.stack.sign_in import door, folder, make_password


def test_each_home_has_a_password_of_its_own_that_nobody_else_reads(tmp_path: Path) -> None:
    """Made once, private, and long enough not to be guessed."""
    ours, theirs = Settings(home=tmp_path / "ours"), Settings(home=tmp_path / "theirs")
    for settings in (ours, ours, theirs):
        make_password(settings)

    first = ours.prefect_password_file.read_text()
    make_password(ours)
    assert first == ours.prefect_password_file.read_text()
    assert first != theirs.prefect_password_file.read_text()
    assert 0o600 == ours.prefect_password_file.stat().st_mode & 0o777
    assert len(first.strip().removeprefix("firstflight:")) >= 32


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The message says how to get another."""
    settings = Settings(home=tmp_path)
    make_password(settings)
    settings.prefect_password_file.chmod(0o640)
    with pytest.raises(StackError, match="can be read by others: `rm "):
        make_password(settings)


def test_the_password_is_told_to_the_stack_s_own_server_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that speaks to another Prefect sends it nothing of ours; what the shell itself says wins."""
    for variable in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(variable, raising=False)
    settings = Settings(home=tmp_path)
    assert settings.prefect_auth is None
    make_password(settings)
    password = settings.prefect_password_file.read_text().strip()

    assert settings.prefect_auth is not None
    assert password == settings.prefect_auth.get_secret_value()
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example/api")
    assert settings.prefect_auth is None
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ada:hers")
    assert "ada:hers" == settings.prefect_auth.get_secret_value()


def test_programs_know_what_they_need(tmp_path: Path) -> None:
    """Flows know all secrets; a program that asks neither Prefect nor Slack nor the database knows none of them."""
    settings = Settings(
        home=tmp_path,
        slack_token="planted-token",  # type: ignore[arg-type]  # noqa: S106 - pydantic wraps it; no secret
        database_url="postgresql://ada:planted-word@db/any",  # type: ignore[arg-type]
    )
    make_password(settings)
    password = settings.prefect_password_file.read_text().strip()

    told = " ".join(environment(settings).values())
    assert all(secret in told for secret in ("planted-token", "planted-word", password))
    told = " ".join(without_secrets(settings).values())
    assert not any(secret in told for secret in ("planted-token", "planted-word", password))
    known = without_secrets(settings, "FIRSTFLIGHT_DATABASE_URL")
    assert "postgresql://ada:planted-word@db/any" == known["FIRSTFLIGHT_DATABASE_URL"]
    assert not {"FIRSTFLIGHT_SLACK_TOKEN", "PREFECT_API_AUTH_STRING"} & known.keys()


def test_a_private_file_leads_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the password as Prefect's page keeps it, only its owner reads it; the page itself holds nothing."""
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    settings = Settings(home=tmp_path)
    with pytest.raises(StackError, match="`firstflight up` starts it"):
        door(settings, "/v2/runs")
    make_password(settings)
    (folder(settings) / "v1").mkdir(parents=True)

    file = door(settings, "/v2/runs?name=a&b")

    password = settings.prefect_password_file.read_text().strip()
    kept = base64.b64encode(password.encode()).decode()
    assert f"http://127.0.0.1:4200/sign-in.html#{kept},/v2/runs?name=a&b" in unquote(file.read_text())
    assert 0o600 == file.stat().st_mode & 0o777
    [page] = (folder(settings) / "v1").iterdir()
    assert kept not in page.read_text()
