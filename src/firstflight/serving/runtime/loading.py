"""Which code serves a registered folder: one that came with this server, never one that the folder brings."""

import importlib
import importlib.util
import json
import re
from pathlib import Path

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import ServingError
from firstflight.domain.tensors import Served
from firstflight.domain.versions import MLFLOW_FILE

DESCRIPTION = "model.json"
EARLIEST = "market"
"""The workload of folders that name none: they are older than the name."""


def load(folder: Path, wanted: str | None) -> Served:
    """Load `folder`, whose digest must be `wanted` where one is; nothing in it is run or read before that is known.

    An MLflow model is loaded by MLflow, and only when its digest is known: it may run code that lies in it. Of others
    `model.json` names the workload whose `served` module knows what to do with them.

    Raises:
        ServingError: The files are others, or nothing here can serve them.
        OSError: A file is missing.
        ValueError: A file cannot be read.
    """
    digest = folder_digest(folder)
    if wanted is not None and digest != wanted:
        raise ServingError(f"{folder} has {digest}, wanted {wanted}; nothing of it was loaded")
    if (folder / MLFLOW_FILE).is_file():
        if wanted is None:
            raise ServingError(f"{folder}: nobody says which digest it must have, so nothing of it was loaded")
        from firstflight.serving.runtime.mlflow_model import MlflowModel  # noqa: PLC0415 - needs YAML and pandas

        return MlflowModel.load(folder, digest)
    description = json.loads((folder / DESCRIPTION).read_bytes())
    workload = description.get("workload", EARLIEST)
    module = f"firstflight.workloads.{workload}.served"
    if not re.fullmatch(r"[a-z_]+", workload) or not importlib.util.find_spec(f"firstflight.workloads.{workload}"):
        raise ServingError(f"{folder} is of the workload {workload!r}, which this server does not know")
    served: Served = importlib.import_module(module).ServedModel.load(folder, description, digest)
    return served
