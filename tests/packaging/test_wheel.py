"""What `pip install firstflight` gives: a wheel, in an empty environment, far from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from firstflight import __version__

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path, cwd: Path) -> str:
    """Run `command` with nothing of this checkout in its environment; return what it printed."""
    env = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE"}}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment that holds the wheel and what its metadata ask for, at the locked versions."""
    folder = tmp_path_factory.mktemp("empty")
    run(UV, "venv", "--python", sys.executable, folder / "env", cwd=folder)
    locked = ROOT / "requirements" / "orchestrator.txt"
    run(UV, "pip", "install", "--python", folder / "env", "-c", locked, wheel, cwd=folder)
    return folder / "env" / "bin"


def test_it_holds_the_library_alone(wheel: Path) -> None:
    """No tests, flows or requirements are in it; styles, templates and licence are."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {"firstflight", f"firstflight-{__version__}.dist-info"} == {name.split("/")[0] for name in names}
    endings = (
        "report/page.css",
        "report/page.html.j2",
        "page/live.js",
        "py.typed",
        "licenses/LICENSE",
        "licenses/NOTICE",
    )
    assert [] == [ending for ending in endings if not any(name.endswith(ending) for name in names)]


def test_it_imports_and_says_its_version(programs: Path, tmp_path: Path) -> None:
    """The library imports, and command and metadata name one version."""
    told = run(programs / "python", "-c", "import firstflight; print(firstflight.__version__)", cwd=tmp_path)
    assert __version__ == told.strip()
    assert f"firstflight {__version__}" == run(programs / "firstflight", "--version", cwd=tmp_path).strip()


def test_it_helps(programs: Path, tmp_path: Path) -> None:
    """The command teaches without a stack, a project or an extra."""
    assert "roll-back" in run(programs / "firstflight", "--help", cwd=tmp_path)


def test_it_plans(programs: Path, tmp_path: Path) -> None:
    """What a rollout can prove, and in which time, is said without a stack, a project or an extra."""
    plan = ROOT / "deployments" / "plans" / "demo-release.yaml"
    assert "error_rate" in run(programs / "firstflight", "plan", plan, "--rate", "100", cwd=tmp_path)
