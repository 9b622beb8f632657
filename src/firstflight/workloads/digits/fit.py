"""Fit one variant and write it as an MLflow model, by scikit-learn alone."""

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.digits.data import CLASSES, PIXELS, Part, load_digits
from firstflight.workloads.one_by_one import Fitted

LOGISTIC, BOOSTED = "logistic", "boosted"
ABOUT = {
    LOGISTIC: "Logistic regression on the 64 pixels of a scanned digit.",
    BOOSTED: "Gradient-boosted trees on the 64 pixels of a scanned digit.",
}
_LIMITS = """Gives the probabilities of the digits 0 to 9. Trained on scikit-learn's digits, 8 by 8 pixels by some forty
people; to show how models are released, not to read anybody's handwriting. Its file is a pickle: loading it runs
code."""
LEAVES = 15
REQUIREMENTS = ("mlflow-skinny", "numpy", "pandas", "scikit-learn")
"""What an answer needs."""
_LEAST = 1e-15


def fit(variant: str, plan: TrainingPlan, folder: Path) -> Fitted:
    """Fit `variant` in at most `max_epochs` rounds and write it to `folder`; equal plans give equal files."""
    import threadpoolctl  # type: ignore[import-untyped]  # noqa: PLC0415 - comes with scikit-learn, which is slow

    if plan.data is not None:
        raise InvalidPlanError(f"the workload digits has no data but scikit-learn's; leave out data {plan.data!r}")
    digits = load_digits(plan.max_rows)
    # Threads of a boosting round wait for each other: on a busy machine of two cores that took 300 times as long.
    with threadpoolctl.threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="lbfgs failed to converge", module="sklearn")  # the plan ends it
        model = _model(variant, plan).fit(digits.train.scans, digits.train.shown)
        validation, test = (
            _figures(model.predict_proba(part.scans), part) for part in (digits.validation, digits.test)
        )
    _write(model, digits.train.scans[:1], folder)
    return Fitted(validation, test, digits.train.digest, f"{ABOUT[variant]} {_LIMITS}", _size(variant, model))


def _model(variant: str, plan: TrainingPlan) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - see `fit`
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - as above
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - as above
    from sklearn.preprocessing import MinMaxScaler  # noqa: PLC0415 - as above

    if variant == LOGISTIC:
        return make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=plan.max_epochs, random_state=plan.seed))
    return HistGradientBoostingClassifier(
        max_iter=plan.max_epochs,
        learning_rate=0.2,
        max_leaf_nodes=LEAVES,
        early_stopping=False,
        random_state=plan.seed,
    )


def _size(variant: str, model: Any) -> int:
    """Return how many numbers there are: weights, or at most what the nodes of all trees compare with."""
    if variant == LOGISTIC:
        return int(model[-1].coef_.size + model[-1].intercept_.size)
    return int(model.n_iter_ * model.n_trees_per_iteration_ * (2 * LEAVES - 1))


def _figures(probability: NDArray[np.float64], part: Part) -> dict[str, float]:
    """Return accuracy and log loss of probabilities [N, 10], and the accuracy of who always says the commonest."""
    came_true = probability[np.arange(len(part.shown)), part.shown]
    return {
        "accuracy": float(np.mean(probability.argmax(axis=1) == part.shown)),
        "log_loss": float(-np.mean(np.log(np.maximum(came_true, _LEAST)))),
        "commonest": float(np.bincount(part.shown, minlength=CLASSES).max() / len(part.shown)),
    }


def _write(model: Any, example: NDArray[np.float64], folder: Path) -> None:
    """Write an MLflow model with signature, input example and requirements, without the moment and a random name."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred")  # of its own modules, at import
        import mlflow.pyfunc  # noqa: PLC0415 - three seconds; MLflow itself imports it when a model is saved
        import mlflow.sklearn  # noqa: PLC0415 - as above
    from mlflow.models import ModelSignature  # noqa: PLC0415 - as above
    from mlflow.types import Schema, TensorSpec  # noqa: PLC0415 - as above

    numbers = np.dtype(np.float64)
    signature = ModelSignature(
        Schema([TensorSpec(numbers, (-1, PIXELS))]), Schema([TensorSpec(numbers, (-1, CLASSES))])
    )
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=signature,
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        pyfunc_predict_fn="predict_proba",
        serialization_format="pickle",
    )
    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    for name in ("utc_time_created", "model_uuid"):
        del described[name]
    (folder / "MLmodel").write_text(yaml.safe_dump(described), encoding="utf-8")
