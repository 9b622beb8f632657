"""Take a model as its team keeps it in MLflow, say all that it lacks to be served, or register it."""

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from firstflight.domain.errors import AdoptionRefusedError, InvalidDataError
from firstflight.domain.values import Value
from firstflight.domain.versions import MLFLOW_FILE, ModelVersion
from firstflight.registry.mlflow_registry import CARD, RUN
from firstflight.serving.runtime.signature import Signature
from firstflight.settings import Settings
from firstflight.world import World

LOADED_BY = "python_function"
"""The flavour by which MLflow loads any other."""
NEEDS_JAVA = {"spark", "h2o", "mleap"}
HARMLESS = "mlflow.onnx"
"""What is loaded so holds no code, as ONNX Runtime reads it."""
KNOWN_PACKAGES = {"mlflow", "mlflow-skinny", "numpy", "onnx", "onnxruntime", "pandas", "protobuf", "scipy"}
"""What a model may bring without anybody's trust."""
TRUSTED_BY = "code_trusted_by"
"""Tag that says who let a model run code when it is loaded."""
ADOPTED_BY = "adopted_by"
"""Tag that says who took it out of MLflow, where they said so."""


class Adopted(Value):
    """A version as it was registered, and the alias it has now; without one, `why` says why."""

    version: ModelVersion
    flavors: tuple[str, ...]
    alias: str | None
    why: str = ""


def adopt_at(
    world: World, settings: Settings, address: str, model: str, variant: str, *, by: str | None, trust_code: bool
) -> Adopted:
    """Bring the model at `address`, a folder or one of MLflow's, here and adopt it.

    Raises:
        ModelNotFoundError: There is none.
        AdoptionRefusedError: See `adopt`.
        RegistryUnavailableError: MLflow does not answer.
    """
    from firstflight.registry.mlflow_files import fetch_model  # noqa: PLC0415 - takes seconds

    python = python_of(settings.serving_python)
    with tempfile.TemporaryDirectory(prefix="firstflight-") as scratch:
        folder = fetch_model(settings.mlflow_uri, address, Path(scratch))
        return adopt(world, folder, address, model, variant, by=by, trust_code=trust_code, python=python)


def python_of(interpreter: Path) -> str | None:
    """Return the minor version of the interpreter, as 3.11; None when it is not here, as with models in a cluster."""
    asked = [str(interpreter), "-c", "import sys; print(f'{sys.version_info.major}.{sys.version_info.minor}')"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def adopt(
    world: World,
    folder: Path,
    address: str,
    model: str,
    variant: str,
    *,
    by: str | None,
    trust_code: bool,
    python: str | None,
) -> Adopted:
    """Register the MLflow model in `folder`, which came from `address`, as a version of `model`; a card is added.

    The first is the champion, later ones the challenger, where the policy here lets a version go on that no offline
    gate has judged. `by` is who says so, and with `trust_code` that the model may run code when it is loaded. `python`
    is the minor version that model servers have, None where nobody knows.

    Raises:
        AdoptionRefusedError: It lacks something; all that is missing is named, and nothing was registered.
        RegistryUnavailableError: MLflow does not answer.
    """
    written = _read(folder)
    if found := tuple(faults(folder, written, trusted=trust_code, python=python)):
        raise AdoptionRefusedError(address, found)
    flavors = tuple(sorted(written["flavors"]))
    if not (folder / CARD).exists():
        (folder / CARD).write_text(card(written, variant), encoding="utf-8")
    tags = {"adopted_from": address, "flavors": ", ".join(flavors)}
    if by is not None:
        tags[ADOPTED_BY] = by
        tags |= {TRUSTED_BY: by} if trust_code else {}
    if written.get("run_id") and ":" in address:
        tags[RUN] = written["run_id"]
    version = world.registry.register(model, variant, folder, tags)
    alias, why = _alias(world, version, address)
    if alias is not None:
        world.registry.set_alias(version, alias)
    return Adopted(version=version, flavors=flavors, alias=alias, why=why)


def _alias(world: World, version: ModelVersion, address: str) -> tuple[str | None, str]:
    """Return which alias the version is to have, or why none."""
    if fault := world.policy(world.environment).gate_fault(version, world.registry.tags(version)):
        return None, f"it is neither champion nor challenger: {fault}"
    model = version.model
    champion = world.registry.aliases(model).get("champion")
    ours = {known.number for known in world.registry.versions(model)}
    if champion == version.number:
        return "champion", ""
    if champion is None or (
        champion not in ours and address in {f"models:/{model}/{champion}", f"models:/{model}@champion"}
    ):
        return "champion", ""
    if champion in ours:
        return "challenger", ""
    return None, (
        f"its alias champion names version {champion}, which was not adopted; adopt that first "
        f"(models:/{model}@champion), or adopt under a name of its own (--model)"
    )


def _read(folder: Path) -> dict[str, Any]:
    """Return what the file MLmodel says; empty where there is none that says anything."""
    file = folder / MLFLOW_FILE
    try:
        written = yaml.safe_load(file.read_bytes()) if file.is_file() else None
    except yaml.YAMLError:
        written = None
    return written if isinstance(written, dict) and isinstance(written.get("flavors"), dict) else {}


def faults(folder: Path, written: Mapping[str, Any], *, trusted: bool, python: str | None) -> Iterator[str]:
    """Yield what the model in `folder`, whose file MLmodel is `written`, lacks to be served, and how to mend it."""
    if not written:
        yield f"it is no MLflow model: no readable {MLFLOW_FILE} with flavors; log it with mlflow.<flavor>.log_model"
        return
    flavors: Mapping[str, Any] = written["flavors"]
    function = flavors.get(LOADED_BY)
    named = ", ".join(sorted(flavors)) or "none"
    if function is None:
        yield f"its flavors ({named}) cannot be loaded by Python; log it with one that can, or as a pyfunc.PythonModel"
    if java := sorted(flavors.keys() & NEEDS_JAVA):
        yield f"its flavor {java[0]} needs Java, which no model server has; export it, to ONNX for example"
    try:
        Signature.parse(written.get("signature"))
    except InvalidDataError as error:
        yield (
            f"signature: {'; '.join(error.faults)}; log it with signature=mlflow.models.infer_signature(inputs, "
            "predictions), or add one by mlflow.models.set_signature"
        )
    if not written.get("saved_input_example_info"):
        yield "it has no input example; log it with input_example=, one or two rows of what it is asked"
    if not (folder / "requirements.txt").is_file():
        yield "it has no requirements.txt; log it with MLflow 2 or newer, which writes one"
    made_on = ".".join(str((function or {}).get("python_version", "")).split(".")[:2])
    if made_on and python and made_on != python:
        yield (
            f"it was made on Python {made_on}, model servers here have {python}; make it on {python}, or the servers "
            f"on {made_on} where that is 3.11 or 3.12: make install SERVING_PYTHON={made_on}"
        )
    if not trusted and (code := _code(folder, flavors)):
        yield f"{code}; if you trust whoever made it, say so, and who you are: --trust-code --as NAME"


def _code(folder: Path, flavors: Mapping[str, Any]) -> str:
    """Return why loading the model can run somebody's code; empty when it cannot."""
    function = flavors.get(LOADED_BY) or {}
    loader = str(function.get("loader_module"))
    if function.get("code"):
        return "it brings code of its own, which runs when it is loaded"
    if loader != HARMLESS:
        return f"to load it ({loader}) can run code that lies in it, as a pickle does"
    file = folder / "requirements.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for line in (line.strip() for line in lines):
        found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*(?=\s*(\[|[=<>!~;]|$))", line)
        if (
            line
            and not line.startswith(("#", "-c constraints.txt"))
            and (found is None or found[0].lower().replace("_", "-") not in KNOWN_PACKAGES or "@" in line)
        ):
            return (
                f"it brings a package that a model of its kind does not need ({line[:100]!r}), which runs when loaded"
            )
    return ""


def card(written: Mapping[str, Any], variant: str) -> str:
    """Return what people read of the version in MLflow: what follows from its files, and no time or place."""
    signature = Signature.parse(written["signature"])
    rows = [f"| {one.name} | {one.datatype} | {list(one.shape)} |" for one in (*signature.inputs, *signature.outputs)]
    flavors, python = written["flavors"], written["flavors"][LOADED_BY].get("python_version", "?")
    made = f"Model {written.get('model_uuid', 'without an id')}, logged by MLflow {written.get('mlflow_version', '?')}"
    adopted = f"Adopted as its team logged it in MLflow ({', '.join(sorted(flavors))})."
    judged = "No offline gate of Firstflight has judged it."
    table = ["| tensor | type | shape |", "|---|---|---|", *rows]
    return "\n".join([f"# {variant}", "", f"{adopted} {judged}", "", *table, "", f"{made} on Python {python}.", ""])
