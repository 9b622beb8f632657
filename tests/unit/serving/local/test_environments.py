"""Environments of models' own, made by an installer that stands in for uv."""

import sys
from pathlib import Path

import pytest

from firstflight.domain.errors import ModelNotReadyError
from firstflight.serving.local.environments import PINNED, Environments
from firstflight.settings import Settings
from tests.conftest import ROOT

INSTALLER = """#!/bin/sh
# Writes down what it was asked; `uv venv … FOLDER` makes a folder, and what is called absent cannot be installed.
echo "$@" >> "$(dirname "$0")/asked"
case "$1" in
  venv) for last; do :; done; mkdir -p "$last/bin"; touch "$last/bin/python" ;;
  pip) for last; do :; done; cp "$last" "$(dirname "$0")/pins"
    shift 7; if grep -q absent "$1"; then echo "first line"; echo "no version of absent" >&2; exit 1; fi ;;
esac
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home without models, and the installer on the PATH."""
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(INSTALLER, encoding="utf-8")
    uv.chmod(0o700)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    return Settings(home=tmp_path / "home", project=ROOT, serving_python=Path(sys.executable))


def model(folder: Path, requirements: str | None) -> Path:
    """Write an MLflow model with these requirements."""
    folder.mkdir()
    (folder / "MLmodel").write_text("mlflow_version: 3.1.0\n", encoding="utf-8")
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    return folder


def asked(settings: Settings) -> list[str]:
    """What the installer was asked so far."""
    return (settings.home.parent / "bin" / "asked").read_text(encoding="utf-8").splitlines()


def test_a_model_of_ours_is_served_from_the_shared_one(settings: Settings, tmp_path: Path) -> None:
    """It brings no requirements."""
    (tmp_path / "ours").mkdir()
    assert settings.serving_python == Environments(settings).python("a-v1", tmp_path / "ours")


def test_equal_requirements_share_one_environment(settings: Settings, tmp_path: Path) -> None:
    """It is made once; others have their own, with the server's own pins and nothing of what models need too."""
    environments = Environments(settings)
    first = environments.python("a-v1", model(tmp_path / "1", "scikit-learn==1.5.2\nmlflow==3.1.0\n"))
    made = len(asked(settings))
    assert first.is_file()
    assert first == environments.python("a-v2", model(tmp_path / "2", "scikit-learn==1.5.2\nmlflow==3.1.0\n"))
    assert made == len(asked(settings))
    pins = (tmp_path / "bin" / "pins").read_text(encoding="utf-8").splitlines()
    assert sorted(PINNED) == sorted(pin.split("==")[0] for pin in pins)

    other = environments.python("a-v3", model(tmp_path / "3", "scikit-learn==1.6.0\n"))

    assert first != other
    assert "mlflow-skinny==3.1.0" in (tmp_path / "bin" / "pins").read_text(encoding="utf-8").splitlines()


def test_what_nothing_served_needs_is_removed(settings: Settings, tmp_path: Path) -> None:
    """Served is whatever still has a folder; half an environment goes too."""
    environments = Environments(settings)
    kept = environments.python("a-v1", model(tmp_path / "1", "one\n"))
    gone = environments.python("a-v2", model(tmp_path / "2", "two\n"))
    half = settings.home / "serving" / "environments" / ".0123456789abcdef"
    half.mkdir()
    (settings.home / "serving" / "models" / "a-v2" / "environment").unlink()
    environments.clean()
    assert (True, False, False) == (kept.is_file(), gone.exists(), half.exists())


def test_one_that_cannot_be_made_is_told_with_the_installers_words(settings: Settings, tmp_path: Path) -> None:
    """Nothing of it stays that could be taken for whole, and a mended one is tried again."""
    environments = Environments(settings)
    for _ in range(2):
        with pytest.raises(ModelNotReadyError, match=r"a-v1.*cannot be made(.|\n)*no version of absent"):
            environments.python(
                "a-v1", tmp_path / "1" if (tmp_path / "1").exists() else model(tmp_path / "1", "absent\n")
            )
    (tmp_path / "1" / "requirements.txt").write_text("present\n", encoding="utf-8")
    assert environments.python("a-v1", tmp_path / "1").is_file()


def test_no_installer_is_told_with_where_it_was_looked_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with how to get one."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    bare = settings.model_copy(update={"project": tmp_path / "project"})
    (tmp_path / "project" / "requirements").mkdir(parents=True)
    (tmp_path / "project" / "requirements" / "serving.txt").write_text("mlserver==1.7.1 \\\n", encoding="utf-8")
    with pytest.raises(ModelNotReadyError, match=r"no uv .*project/\.uv/bin/uv; `make"):
        Environments(bare).python("a-v1", model(tmp_path / "1", "one\n"))


def test_a_model_without_requirements_is_refused(settings: Settings, tmp_path: Path) -> None:
    """What it needs cannot be guessed."""
    with pytest.raises(ModelNotReadyError, match=r"no requirements\.txt"):
        Environments(settings).python("a-v1", model(tmp_path / "1", None))


def test_the_lock_pins_all_that_only_the_server_needs() -> None:
    """A name that MLServer no longer needs has no pin, and would be left to the resolver unseen."""
    lock = (ROOT / "requirements" / "serving.txt").read_text(encoding="utf-8")
    assert [] == [name for name in PINNED if f"\n{name}==" not in f"\n{lock}"]
