"""The runtime that MLServer loads: one registered folder behind the Open Inference Protocol.

What it takes and answers is the model's affair (`domain.tensors.Served`). The answer carries the headers `x-prediction`
(what was predicted of the first thing asked about) and `x-model-version` (the served name), and nothing that a client
wrote. Errors are MLServer's own, with a code: a raw exception would become a 500 that says nothing and may cut a
neighbour's connection. What a client asks in a wrong way is 422; 400 and 404 would have Seldon load the model again.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlserver import MLModel
from mlserver.errors import MLServerError
from mlserver.types import (
    InferenceRequest,
    InferenceResponse,
    MetadataModelResponse,
    MetadataTensor,
    Parameters,
    ResponseOutput,
)
from mlserver.utils import to_absolute_path

from firstflight.domain.errors import ServingError, UnanswerableError
from firstflight.domain.tensors import Declared, Tensor
from firstflight.serving.limits import LONGEST_ID
from firstflight.serving.runtime import latency
from firstflight.serving.runtime.answers import answers_at, entry_of
from firstflight.serving.runtime.faults import Drill, inverted, read_fault
from firstflight.serving.runtime.loading import load
from firstflight.settings import Settings

OK, UNPROCESSABLE, INTERNAL_ERROR = 200, 422, 500


class Predictor(MLModel):  # type: ignore[misc]  # mlserver is not installed where types are checked
    """Answers with what the model in the folder `parameters.uri` says."""

    async def load(self) -> bool:
        """Load the folder; MLServer ends when this raises."""
        folder = Path(to_absolute_path(self.settings, self.settings.parameters.uri))
        extra = self.settings.parameters.extra
        self._model = load(folder, extra.get("digest"))
        self._alone = ThreadPoolExecutor(1) if self._model.apart else None
        fault = read_fault(folder)
        self._drill = Drill(fault) if fault else None
        self._variant = self._model.variant or extra.get("variant")
        self._served_name = extra["served_name"]
        self._listener = extra.get("listener", "main")
        file = Settings().answers_file
        self._answers = answers_at(file) if file else None
        latency.begin(self.name, self._served_name)
        self.inputs = [_declared(one) for one in self._model.inputs]
        self.outputs = [_declared(one) for one in self._model.outputs]
        return True

    async def metadata(self) -> MetadataModelResponse:
        """Describe the model; `parameters` name what was really loaded."""
        described = await super().metadata()
        described.versions = [self.version]
        described.parameters = Parameters(
            served_name=self._served_name,
            digest=self._model.digest,
            variant=self._variant,
        )
        return described

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, and write the answer down where no gateway does.

        A failure is not written: the mesh repeats the request under the same id, and counts what failed.

        Raises:
            MLServerError: As `_predict`.
        """
        at, begin = time.time(), time.perf_counter()
        headers = getattr(payload.parameters, "headers", None) or {}
        result = "failed"
        try:
            answer = await self._predict(payload)
            result = "answered"
        except asyncio.CancelledError:
            result = "left"
            raise
        except MLServerError as error:
            result = "refused" if error.status_code == UNPROCESSABLE else result
            raise
        finally:
            took = time.perf_counter() - begin
            latency.observe(self.name, self._served_name, result, took, headers.get("x-request-id") or payload.id)
        if self._answers is not None:
            known = {
                "ts": at,
                "listener": self._listener,
                "assigned": self._served_name,
                "served": self._served_name,
                "pred": answer.parameters.headers["x-prediction"],
                "code": OK,
                "us": round(took * 1e6),
            }
            entry = entry_of(headers, payload.id, known)
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
        try:
            question = self._model.read(
                [Tensor(one.name, one.datatype, tuple(one.shape), one.data.root) for one in payload.inputs],
                payload.parameters.model_extra if payload.parameters else None,
            )
        except UnanswerableError as error:
            raise MLServerError(str(error), UNPROCESSABLE) from error
        fault = self._drill.fault if self._drill and self._drill.strikes() else None
        if fault and fault.kind == "errors":
            raise MLServerError(f"{self._served_name}: an error of a drill (fault.json)", INTERNAL_ERROR)
        if fault and fault.milliseconds:
            await asyncio.sleep(fault.milliseconds / 1000)
        try:
            answer = await self._run(self._model.answer, question)
        except UnanswerableError as error:
            raise MLServerError(str(error), UNPROCESSABLE) from error
        except ServingError as error:
            raise MLServerError(f"{self._served_name}: {error}", INTERNAL_ERROR) from error
        if fault and fault.kind == "inverted":
            answer = tuple(map(inverted, answer))
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[
                ResponseOutput(name=one.name, datatype=one.datatype, shape=list(one.shape), data=one.data)
                for one in answer
            ],
            parameters=_headed(x_prediction=self._model.said(answer), x_model_version=self._served_name),
        )

    async def _run(self, work: Callable[[Any], tuple[Tensor, ...]], question: Any) -> tuple[Tensor, ...]:
        """Have `work` done, aside where it takes its time: the server says meanwhile that it is well."""
        if self._alone is None:
            return work(question)
        return await asyncio.get_running_loop().run_in_executor(self._alone, work, question)


def _declared(one: Declared) -> MetadataTensor:
    bounds = Parameters(minimum=one.least, maximum=one.largest) if one.least is not None else None
    return MetadataTensor(name=one.name, datatype=one.datatype, shape=list(one.shape), parameters=bounds)


class _Headers(dict[str, str]):
    """Headers that stay as they are: MLServer would add the client's `id`, which need not be one."""

    def update(self, *_: object, **__: object) -> None:
        """Take nothing more."""


def _headed(**headers: str) -> Parameters:
    parameters = Parameters()
    parameters.headers = _Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return parameters
