"""An MLflow model of any flavour, loaded by MLflow itself. Needs `mlflow` and what the model was made with.

To load one can run code that lies in it (a pickle does); the digest is looked at before, see `loading`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from firstflight.domain.errors import ServingError
from firstflight.domain.tensors import Tensor
from firstflight.domain.versions import MLFLOW_FILE
from firstflight.serving.runtime.signature import Signature, said, tensors_of


class MlflowModel:
    """What `mlflow.pyfunc` makes of a folder, asked and understood by its signature."""

    apart = True
    variant: str | None = None

    def __init__(self, model: Any, signature: Signature, digest: str) -> None:
        self._model = model
        self._signature = signature
        self.digest = digest
        self.inputs = signature.inputs
        self.outputs = signature.outputs

    @classmethod
    def load(cls, folder: Path, digest: str) -> Self:
        """Load the model in `folder`. Raises whatever its own code does, which ends the server that tries."""
        import mlflow.pyfunc  # noqa: PLC0415 - only environments of such models have it

        described = yaml.safe_load((folder / MLFLOW_FILE).read_bytes())
        return cls(mlflow.pyfunc.load_model(str(folder)), Signature.parse(described.get("signature")), digest)

    def read(
        self, tensors: Sequence[Tensor], parameters: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Return the table or the arrays in `tensors`, and MLflow's inference params. Raises as `Served`."""
        return self._signature.read(tensors), self._signature.params_in(parameters or {})

    def answer(self, question: tuple[Any, dict[str, Any]]) -> tuple[Tensor, ...]:
        """Return what the model says. Raises ServingError when it fails, or says what cannot be true."""
        asked, params = question
        try:
            answered = self._model.predict(asked, params=params or None)
        except Exception as error:  # code that is not ours may raise anything
            raise ServingError(f"the model failed: {type(error).__name__}: {str(error)[:500]}") from error
        return tensors_of(answered, self.outputs)

    def said(self, answer: Sequence[Tensor]) -> str:
        """Return the first row, as `signature.said`."""
        return said(answer)
