"""The Dockerfiles, as far as they can be judged without building them: nothing here can."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deployments.register import job_template
from firstflight.workloads.market.data.packaged import FOLDER
from tests.manifests.objects import OVERLAYS, ROOT, build, of_kind

IMAGES = sorted((ROOT / "deployments/images").glob("*.Dockerfile"))
HADOLINT = Path(sys.executable).with_name("hadolint")
EACH = pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)


def lines(path: Path) -> list[str]:
    """Return the instructions, each in one line, without comments."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def words(path: Path, instruction: str) -> list[str]:
    """Return what follows each `instruction`."""
    return [line.split(maxsplit=1)[1] for line in lines(path) if line.split()[0] == instruction]


def test_there_are_two() -> None:
    """One image for each environment of requirements/."""
    assert ["mlserver", "orchestrator"] == [path.stem for path in IMAGES]


@EACH
def test_hadolint_has_nothing_to_say(path: Path) -> None:
    """Style and shell of every instruction pass the linter."""
    said = subprocess.run([HADOLINT, path], capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (said.returncode, said.stdout)


@EACH
def test_the_base_is_pinned_by_digest(path: Path) -> None:
    """Both stages start from one Python, by tag and digest, of a version the project supports."""
    (base,) = words(path, "ARG")
    assert re.fullmatch(r"PYTHON=python:3\.1[12]\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert ["${PYTHON} AS builder", "${PYTHON}"] == words(path, "FROM")


@EACH
def test_it_runs_as_the_user_that_the_manifests_name(path: Path) -> None:
    """The last USER is a number above 0, the one that pods ask for: a name could not be checked by runAsNonRoot."""
    objects = build("base")
    if path.stem == "mlserver":
        context = of_kind(objects, "Server")["mlserver"]["spec"]["podSpec"]["securityContext"]
        wanted = f"{context['runAsUser']}:{context['fsGroup']}"
    else:
        context = of_kind(objects, "Deployment")["guard"]["spec"]["template"]["spec"]["securityContext"]
        wanted = f"{context['runAsUser']}:{context['runAsGroup']}"
    assert wanted == words(path, "USER")[-1]


@EACH
def test_what_is_installed_is_locked(path: Path) -> None:
    """Every install is from lock files in which each pin has a hash, torch too, except the checkout itself."""
    installs = [part for line in words(path, "RUN") for part in line.split("&&") if "pip install" in part]
    assert installs
    for install in installs:
        locks = re.findall(r"-[rc] (requirements/[a-z-]+\.txt)", install)
        assert locks or install.strip().endswith("--no-deps --no-build-isolation ."), install
        assert bool(locks) == ("--require-hashes" in install)
        for pin in [pin for lock in locks for pin in pins(lock)]:
            assert re.match(r"[a-z0-9-]+==\S+.*--hash=sha256:[0-9a-f]{64}", pin), pin


def pins(lock: str) -> list[str]:
    """Return what a lock file names, each in one line with its hashes."""
    text = "\n".join(line for line in (ROOT / lock).read_text().splitlines() if not line.startswith("#"))
    return text.replace("\\\n", " ").splitlines()


def test_torch_has_a_hash_for_each_platform_of_the_images() -> None:
    """Each of its two wheels, named by the Python that the images start from."""
    text = (ROOT / "requirements/torch-images.txt").read_text()
    [pin] = pins("requirements/torch-images.txt")
    version = pin.split()[0].removeprefix("torch==")
    wheels = re.findall(r"^# (?:x86-64|arm64): (torch-\S+)\.whl$", text, re.MULTILINE)
    assert all(words(path, "ARG")[0].startswith("PYTHON=python:3.11.") for path in IMAGES)
    assert [f"torch-{version}-cp311-cp311-manylinux_2_28_{machine}" for machine in ("x86_64", "aarch64")] == wheels
    assert len(wheels) == len(set(re.findall(r"--hash=sha256:[0-9a-f]{64}", pin)))


@EACH
def test_what_is_copied_is_in_the_context(path: Path) -> None:
    """Every file that is copied exists, and .dockerignore, which lets in just what is named, lets it in."""
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copied in words(path, "COPY"):
        if copied.startswith("--from="):
            continue
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source.split("/")[0], pattern) for pattern in let_in), source


def test_the_context_holds_no_state() -> None:
    """Environments, local state, tests and the history stay out of every image."""
    assert "*" == (ROOT / ".dockerignore").read_text().splitlines()[0]


def test_commands_of_the_manifests_are_installed() -> None:
    """What a Deployment starts is a program of the orchestrator's lock, or of the checkout."""
    programs = {path.name for path in Path(sys.executable).parent.iterdir()} | {"firstflight"}
    for deployment in of_kind(build("base"), "Deployment").values():
        spec = deployment["spec"]["template"]["spec"]
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            assert container["command"][0] in programs, container["name"]


@EACH
def test_an_image_has_the_licence_and_no_data_of_others(path: Path) -> None:
    """Apache-2.0 asks for both files in every copy; market data that may not be redistributed are mounted."""
    final = lines(path)[lines(path).index("FROM ${PYTHON}") :]
    copied = {word for line in final if line.startswith("COPY ") for word in line.split()}
    assert {"LICENSE", "NOTICE"} <= copied
    assert "market-data.txt" not in path.read_text()


def test_runs_find_market_data_where_the_library_looks() -> None:
    """Read only, on a claim that the overlays have; the example fills the same place of the same claim."""
    pod = job_template("image")["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (mounted,) = (each for each in pod["containers"][0]["volumeMounts"] if "market-data" == each["name"])
    (claim,) = (each["persistentVolumeClaim"] for each in pod["volumes"] if "market-data" == each["name"])
    assert ("/opt/venv/market-data", True, True) == (mounted["mountPath"], mounted["readOnly"], claim["readOnly"])
    assert "market-data" == FOLDER.name  # below the environment, which in the image is /opt/venv
    for overlay in OVERLAYS:
        claims = of_kind(build(f"overlays/{overlay}"), "PersistentVolumeClaim")
        wanted = "ReadWriteOnce" if overlay == "local" else "ReadWriteMany"
        assert [wanted] == claims[claim["claimName"]]["spec"]["accessModes"]
    example = yaml.safe_load((ROOT / "k8s/examples/market-data.yaml").read_text())["spec"]
    assert claim["claimName"] == example["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert mounted["mountPath"] == example["containers"][0]["volumeMounts"][0]["mountPath"]
