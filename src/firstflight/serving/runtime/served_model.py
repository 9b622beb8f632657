"""A registered folder, loaded: history in, probability out. Needs no server."""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import InvalidDataError, ServingError
from firstflight.serving.preconditions import MODEL_FILE
from firstflight.workloads.market.features.transform import Transform

LEAST, LARGEST = 0.0, 1.0
"""What a model may answer; the metadata of its output declares it."""


class ServedModel:
    """The network and its transform, with the digest of the files they were loaded from."""

    def __init__(self, session: Any, transform: Transform, description: dict[str, Any], digest: str) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self.transform = transform
        self.description = description
        self.digest = digest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load `model.onnx`, `transform.json` and `model.json`, and ask the network once.

        Raises:
            ServingError: The network does not take what the transform gives.
            OSError: A file is missing.
            ValueError: The transform or the description cannot be read.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = (
            1  # one process a variant on few cores: threads would only get in each other's way
        )
        options.inter_op_num_threads = 1
        transform = Transform.from_json((folder / "transform.json").read_bytes())
        description = json.loads((folder / "model.json").read_bytes())
        session = onnxruntime.InferenceSession(folder / MODEL_FILE, options, providers=["CPUExecutionProvider"])
        model = cls(session, transform, description, folder_digest(folder))
        for batch in (1, 2):
            given = (batch, transform.steps, len(transform.features))
            answered = model._answer(np.zeros(given, dtype=np.float32)).shape
            if answered != (batch,):
                raise ServingError(f"{folder}: the network answers {answered} to features {given}, must be {(batch,)}")
        return model

    def probability_up(self, history: ArrayLike) -> NDArray[np.float64]:
        """Return the probability [B] that the next close is higher, of histories [B, ROWS, 6].

        Raises:
            InvalidDataError: A history is not one, or too extreme to compute with; every fault is named.
            ServingError: The network failed, or answered what no probability can be.
        """
        with np.errstate(all="ignore"):
            features = self.transform.apply(history)
        if not np.isfinite(features).all():
            raise InvalidDataError("history", ("too extreme: its features are not finite",))
        answered = self._answer(features)
        if answered.shape != (len(features),) or not ((answered >= LEAST) & (answered <= LARGEST)).all():
            raise ServingError(
                f"the network answered shape {answered.shape} from {answered.min(initial=np.inf):g} to "
                f"{answered.max(initial=-np.inf):g}, must be {(len(features),)} from {LEAST:g} to {LARGEST:g}"
            )
        return answered

    def _answer(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        try:
            (answered,) = self._session.run([self._output], {self._input: features})
        except (Fail, InvalidArgument, RuntimeException) as error:
            raise ServingError(f"the network cannot answer features {features.shape}: {error}") from error
        return np.asarray(answered, dtype=np.float64)
