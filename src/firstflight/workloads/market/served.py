"""A registered folder of the market, loaded: history in, probability out. Needs no server.

Input `history` FP64 [B, ROWS, 6], output `probability_up` FP64 [B].
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from firstflight.domain.errors import InvalidDataError, ServingError, UnanswerableError
from firstflight.domain.tensors import Declared, Tensor
from firstflight.workloads.market.data.columns import COLUMNS
from firstflight.workloads.market.features.transform import Transform

MODEL_FILE = "model.onnx"
INPUT = "history"
OUTPUT = "probability_up"
LEAST, LARGEST = 0.0, 1.0
"""What a model may answer; the metadata of its output declares it."""


class ServedModel:
    """The network and its transform, with the digest of the files they were loaded from."""

    apart = False

    def __init__(self, session: Any, transform: Transform, variant: str | None, digest: str) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self._transform = transform
        self.variant = variant
        self.digest = digest
        self.inputs = (Declared(INPUT, "FP64", (-1, transform.rows, len(COLUMNS))),)
        self.outputs = (Declared(OUTPUT, "FP64", (-1,), LEAST, LARGEST),)

    @classmethod
    def load(cls, folder: Path, description: Mapping[str, Any], digest: str) -> Self:
        """Load `model.onnx` and `transform.json`, and ask the network once; `description` is that of `model.json`.

        Raises:
            ServingError: The network does not take what the transform gives.
            OSError: A file is missing.
            ValueError: The transform cannot be read.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = (
            1  # one process a variant on few cores: threads would only get in each other's way
        )
        options.inter_op_num_threads = 1
        transform = Transform.from_json((folder / "transform.json").read_bytes())
        session = onnxruntime.InferenceSession(folder / MODEL_FILE, options, providers=["CPUExecutionProvider"])
        model = cls(session, transform, description.get("variant"), digest)
        for batch in (1, 2):
            given = (batch, transform.steps, len(transform.features))
            answered = model._answer(np.zeros(given, dtype=np.float32)).shape
            if answered != (batch,):
                raise ServingError(f"{folder}: the network answers {answered} to features {given}, must be {(batch,)}")
        return model

    def read(self, tensors: Sequence[Tensor], parameters: Mapping[str, Any] | None = None) -> NDArray[np.float64]:
        """Return the histories in the one tensor `history`. Raises UnanswerableError when it holds none."""
        del parameters
        names = [tensor.name for tensor in tensors]
        if names != [INPUT]:
            raise UnanswerableError(f"inputs {sorted(names)}, must be exactly one, {INPUT!r}")
        tensor = tensors[0]
        if tensor.datatype != "FP64":
            raise UnanswerableError(f"{INPUT} has datatype {tensor.datatype}, must be FP64")
        if min(tensor.shape, default=0) < 0:  # numpy would take it for "as many as there are"
            raise UnanswerableError(f"{INPUT} has shape {list(tensor.shape)}, must not be negative")
        try:
            return np.asarray(tensor.data, dtype=np.float64).reshape(tensor.shape)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnanswerableError(
                f"{INPUT}: cannot make a tensor of shape {list(tensor.shape)} of the data: {error}"
            ) from error

    def answer(self, question: NDArray[np.float64]) -> tuple[Tensor, ...]:
        """Return the probabilities of histories [B, ROWS, 6]. Raises as `Served`."""
        try:
            probability = self.probability_up(question)
        except InvalidDataError as error:
            raise UnanswerableError(str(error)) from error
        return (Tensor(OUTPUT, "FP64", (len(probability),), probability.tolist()),)

    def said(self, answer: Sequence[Tensor]) -> str:
        """Return the first probability, 6 digits."""
        return f"{answer[0].data[0]:.6f}"

    def probability_up(self, history: ArrayLike) -> NDArray[np.float64]:
        """Return the probability [B] that the next close is higher, of histories [B, ROWS, 6].

        Raises:
            InvalidDataError: A history is not one, or too extreme to compute with; every fault is named.
            ServingError: The network failed, or answered what no probability can be.
        """
        with np.errstate(all="ignore"):
            features = self._transform.apply(history)
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
