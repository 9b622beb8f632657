"""The lock files, judged by the resolver against the index alone: no wheel that lies on this machine can help."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
# What README asks for: glibc 2.31 (Envoy, in its wheel), or macOS 15 on Apple silicon (the same).
PLATFORMS = ("x86_64-manylinux_2_31", "aarch64-manylinux_2_31", "aarch64-apple-darwin")
ORCHESTRATOR = ("--group", "torch", "-r", "requirements/torch.txt", "-r", "requirements/orchestrator.txt")


def resolve(platform: str, python: str, *wanted: str, empty: Path) -> subprocess.CompletedProcess[str]:
    """Resolve and verify `wanted` for a machine that this one need not be, from PyPI and nothing else."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    return subprocess.run(
        [UV, "pip", "install", "--dry-run", "--target", empty, "--only-binary", ":all:", "--no-config",
         "--default-index", "https://pypi.org/simple", "--python-platform", platform, "--python-version", python,
         *wanted],
        cwd=ROOT, env={**env, "MACOSX_DEPLOYMENT_TARGET": "15.0"}, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_orchestrator_resolves(platform: str, python: str, tmp_path: Path) -> None:
    """Torch, what its wheel needs, and everything else: one set of wheels, each with a hash that the index has."""
    said = resolve(platform, python, *ORCHESTRATOR, empty=tmp_path)
    assert 0 == said.returncode, said.stderr
    assert " + torch==2.13.0" in said.stderr
    assert ("nvidia-cudnn" in said.stderr) is ("linux" in platform)


@pytest.mark.parametrize(
    ("platform", "python"),
    [*((platform, python) for platform in PLATFORMS[:2] for python in ("3.11", "3.12")), (PLATFORMS[2], "3.12")],
)
def test_the_model_server_resolves(platform: str, python: str, tmp_path: Path) -> None:
    """MLServer's environment, on the versions of Python that `make install` takes."""
    said = resolve(platform, python, "--require-hashes", "-r", "requirements/serving.txt", empty=tmp_path)
    assert 0 == said.returncode, said.stderr
    assert " + mlserver==1.7.1" in said.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", ["3.11", "3.14"])
def test_the_site_resolves(platform: str, python: str, tmp_path: Path) -> None:
    """MkDocs and its theme."""
    said = resolve(platform, python, "-r", "requirements/docs.txt", empty=tmp_path)
    assert 0 == said.returncode, said.stderr
    assert " + mkdocs-material==" in said.stderr


def test_a_lock_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """The check can fail: a lock that lacks what torch's wheel needs, installed as it is, does not pass."""
    bare = tmp_path / "bare.txt"
    bare.write_text("torch==2.13.0\nnvidia-cudnn-cu13==0.0.0\n")
    said = resolve(PLATFORMS[0], "3.11", "-r", str(bare), empty=tmp_path / "empty")
    assert (0, True) != (said.returncode, "nvidia-cudnn" in said.stderr)
    assert "No solution found" in said.stderr


def test_torch_is_one_version() -> None:
    """The extra that a user names, the group that `make install` names and the images' lock say the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [group] = project["dependency-groups"]["torch"]
    assert [group] == project["project"]["optional-dependencies"]["training"]
    assert f"\n{group}+cpu " in (ROOT / "requirements/torch-images.txt").read_text()


def test_no_package_called_tests_comes_along() -> None:
    """A top-level package `tests` of somebody else would stand for ours wherever pytest is not the one who imports."""
    [site] = {Path(path) for path in sys.path if Path(path).name == "site-packages"}
    assert not (site / "tests").exists()
    assert not (site / "tests.py").exists()
