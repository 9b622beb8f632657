"""MLflow models as teams have them, written without importing MLflow, which takes seconds."""

import json
import pickle
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from firstflight.domain.digest import folder_digest
from firstflight.domain.versions import ModelVersion

MODEL = "churn"
REQUIREMENTS = ("mlflow-skinny", "numpy", "pandas", "scikit-learn")
COLUMNS = ({"type": "double", "name": "age", "required": True}, {"type": "string", "name": "plan", "required": False})
CODE = """
import pandas as pd

class Model:
    def predict(self, table, params=None):
        if (table["age"] == -1).any():
            raise KeyError("no such age")
        label = table["plan"].fillna("none") if "plan" in table else (params or {}).get("otherwise", "none")
        return pd.DataFrame({"label": label, "sure": table["age"].where(table["age"] != 0) / 100})

def _load_pyfunc(path):
    return Model()
"""


def python_function(folder: Path, **changes: Any) -> Path:
    """Write a custom model: it says each row's plan and a hundredth of its age, NaN for 0 and fails for -1."""
    (folder / "code").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "code" / "churn_model.py").write_text(CODE, encoding="utf-8")
    (folder / "data" / "nothing").write_text("", encoding="utf-8")
    flavor = {"loader_module": "churn_model", "code": "code", "data": "data"}
    return described(folder, {"python_function": flavor}, **changes)


def scikit_learn(folder: Path, **changes: Any) -> Path:
    """Write a logistic regression that says 1 from the age of 40 on."""
    import pandas as pd  # noqa: PLC0415 - only those who write one wait for it
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - the same

    folder.mkdir(parents=True)
    model = LogisticRegression(C=1e6).fit(pd.DataFrame({"age": [20.0, 39.0, 41.0, 60.0]}), [0, 0, 1, 1])
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    flavors = {
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": "predict"},
        "sklearn": {
            "code": None,
            "pickled_model": "model.pkl",
            "serialization_format": "pickle",
            "sklearn_version": version("scikit-learn"),
        },
    }
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]
    return described(folder, flavors, **{"inputs": COLUMNS[:1], "outputs": outputs, **changes})


def described(
    folder: Path,
    flavors: Mapping[str, Any],
    *,
    inputs: Any = COLUMNS,
    outputs: Any = (),
    requirements: tuple[str, ...] | None = None,
    example: bool = True,
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}.1",
) -> Path:
    """Write what MLflow writes about the model in `folder`, and return that."""
    written: dict[str, Any] = {
        "flavors": {**flavors, "python_function": {**flavors["python_function"], "python_version": python}},
        "mlflow_version": version("mlflow"),
        "model_uuid": "0" * 32,
    }
    if inputs:
        written["signature"] = {
            "inputs": json.dumps(list(inputs)),
            "outputs": json.dumps(list(outputs)) if outputs else None,
            "params": json.dumps([{"name": "otherwise", "default": "none", "shape": None, "type": "string"}]),
        }
    if example:
        written["saved_input_example_info"] = {"artifact_path": "input_example.json", "type": "dataframe"}
        columns = {"columns": ["age", "plan"], "data": [[41.0, "gold"]]}
        (folder / "input_example.json").write_text(json.dumps(columns), encoding="utf-8")
    (folder / "MLmodel").write_text(yaml.safe_dump(written), encoding="utf-8")
    lines = requirements if requirements is not None else [f"{name}=={version(name)}" for name in REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def version_of(folder: Path, variant: str, number: int) -> ModelVersion:
    """Return the registered version that `folder` would be."""
    return ModelVersion(model=MODEL, variant=variant, number=number, digest=folder_digest(folder))
