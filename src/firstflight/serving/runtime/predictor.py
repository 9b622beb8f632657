"""The runtime that MLServer loads: one registered folder behind the Open Inference Protocol.

Input `history` FP64 [B, ROWS, 6], output `probability_up` FP64 [B]. The answer carries the headers
`x-prediction` (the first probability, 6 digits) and `x-model-version` (the served name), and nothing that a client
wrote. Errors are MLServer's own, with a code: a raw exception would become a 500 that says nothing and may cut a
neighbour's connection. What a client asks in a wrong way is 422; 400 and 404 would have Seldon load the model again.
"""

import asyncio
import time
from pathlib import Path

import numpy as np
from mlserver import MLModel
from mlserver.errors import MLServerError
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataTensor,
    Parameters,
    RequestInput,
    ResponseOutput,
)
from mlserver.utils import to_absolute_path
from numpy.typing import NDArray

from firstflight.domain.errors import InvalidDataError, ServingError
from firstflight.serving.limits import LONGEST_ID
from firstflight.serving.runtime.answers import answers_at, entry_of
from firstflight.serving.runtime.faults import Drill, inverted, read_fault
from firstflight.serving.runtime.served_model import LARGEST, LEAST, ServedModel
from firstflight.settings import Settings
from firstflight.workloads.market.data.columns import COLUMNS

INPUT = "history"
OUTPUT = "probability_up"
OK, UNPROCESSABLE, INTERNAL_ERROR = 200, 422, 500


class Predictor(MLModel):  # type: ignore[misc]  # mlserver is not installed where types are checked
    """Answers with what the network in the folder `parameters.uri` says."""

    async def load(self) -> bool:
        """Load the folder; MLServer ends when this raises."""
        folder = Path(to_absolute_path(self.settings, self.settings.parameters.uri))
        self._model = ServedModel.load(folder)
        fault = read_fault(folder)
        self._drill = Drill(fault) if fault else None
        extra = self.settings.parameters.extra
        self._served_name = extra["served_name"]
        self._listener = extra.get("listener", "main")
        file = Settings().answers_file
        self._answers = answers_at(file) if file else None
        self.inputs = [
            MetadataTensor(name=INPUT, datatype="FP64", shape=[-1, self._model.transform.rows, len(COLUMNS)])
        ]
        declared = Parameters(minimum=LEAST, maximum=LARGEST)
        self.outputs = [MetadataTensor(name=OUTPUT, datatype="FP64", shape=[-1], parameters=declared)]
        return True

    async def metadata(self) -> MetadataModelResponse:
        """Describe the model; `parameters` name what was really loaded."""
        described = await super().metadata()
        described.versions = [self.version]
        described.parameters = Parameters(
            served_name=self._served_name,
            digest=self._model.digest,
            variant=self._model.description.get("variant"),
        )
        return described

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, and write the answer down where no gateway does.

        A failure is not written: the mesh repeats the request under the same id, and counts what failed.

        Raises:
            MLServerError: As `_predict`.
        """
        at, begin = time.time(), time.perf_counter()
        answer = await self._predict(payload)
        if self._answers is not None:
            known = {
                "ts": at,
                "listener": self._listener,
                "assigned": self._served_name,
                "served": self._served_name,
                "pred": answer.parameters.headers["x-prediction"],
                "code": OK,
                "us": round((time.perf_counter() - begin) * 1e6),
            }
            entry = entry_of(getattr(payload.parameters, "headers", None) or {}, payload.id, known)
            if entry is not None:
                self._answers.write(entry)
        return answer

    async def _predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request.

        Raises:
            MLServerError: 422, the request is not one this model can answer; the message names each fault. 500, the
                network failed, or said what cannot be true, or a drill says so.
        """
        if len(payload.id or "") > LONGEST_ID:
            raise MLServerError(f"id has {len(payload.id):,} characters, at most {LONGEST_ID:,}", UNPROCESSABLE)
        history = _history(payload)
        fault = self._drill.fault if self._drill and self._drill.strikes() else None
        if fault and fault.kind == "errors":
            raise MLServerError(f"{self._served_name}: an error of a drill (fault.json)", INTERNAL_ERROR)
        if fault and fault.milliseconds:
            await asyncio.sleep(fault.milliseconds / 1000)
        try:
            probability = self._model.probability_up(history)
        except InvalidDataError as error:
            raise MLServerError(str(error), UNPROCESSABLE) from error
        except ServingError as error:
            raise MLServerError(f"{self._served_name}: {error}", INTERNAL_ERROR) from error
        if fault and fault.kind == "inverted":
            probability = inverted(probability)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[ResponseOutput(name=OUTPUT, datatype="FP64", shape=[len(probability)], data=probability.tolist())],
            parameters=_headed(x_prediction=f"{probability[0]:.6f}", x_model_version=self._served_name),
        )


class _Headers(dict[str, str]):
    """Headers that stay as they are: MLServer would add the client's `id`, which need not be one."""

    def update(self, *_: object, **__: object) -> None:
        """Take nothing more."""


def _headed(**headers: str) -> Parameters:
    parameters = Parameters()
    parameters.headers = _Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return parameters


def _history(payload: InferenceRequest) -> NDArray[np.float64]:
    names = [tensor.name for tensor in payload.inputs]
    if names != [INPUT]:
        raise MLServerError(f"inputs {sorted(names)}, must be exactly one, {INPUT!r}", UNPROCESSABLE)
    tensor: RequestInput = payload.inputs[0]
    if tensor.datatype != "FP64":
        raise MLServerError(f"{INPUT} has datatype {tensor.datatype}, must be FP64", UNPROCESSABLE)
    if min(tensor.shape, default=0) < 0:  # numpy would take it for "as many as there are"
        raise MLServerError(f"{INPUT} has shape {tensor.shape}, must not be negative", UNPROCESSABLE)
    try:
        return np.asarray(tensor.data.root, dtype=np.float64).reshape(tensor.shape)
    except (TypeError, ValueError, OverflowError) as error:
        fault = f"{INPUT}: cannot make a tensor of shape {tensor.shape} of the data: {error}"
        raise MLServerError(fault, UNPROCESSABLE) from error
