"""Predictions asked for by gRPC, held to what REST is held to.

Whatever MLServer cannot read would be INTERNAL, the model's failure; here it is the client's mistake. The answer's
headers come first, as they do by REST, so that a gateway writes them down; MLServer sends them last.
"""

import struct
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import server as grpc_server
from mlserver.grpc.converters import ModelInferRequestConverter, ModelInferResponseConverter
from mlserver.grpc.dataplane_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from mlserver.grpc.servicers import InferenceServicer
from mlserver.grpc.utils import STATUS_CODE_MAPPING, to_metadata
from mlserver.types import InferenceRequest, TensorData
from mlserver.utils import extract_headers, insert_headers

UNREADABLE = (ValueError, TypeError, KeyError, IndexError, struct.error)
"""What MLServer raises about tensors whose bytes, shape, type or parameters do not fit each other."""
MISSING = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}
"""What Seldon's agent takes for a model that went missing."""
_MOST_WORDS = 500
"""Of a message: it travels as a header, a character in twelve bytes at worst, and clients take 8 KiB of those."""


class Calls(InferenceServicer):  # type: ignore[misc]  # mlserver is not installed where types are checked
    """MLServer's answers to gRPC, with its predictions and its readiness as they are by REST."""

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802 the protocol's name
        """Say whether the model is here and ready; MLServer fails when it is not here."""
        try:
            return await super().ModelReady(request, context)
        except ModelNotFound:
            return pb.ModelReadyResponse(ready=False)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 the protocol's name
        """Answer one request, or say what is wrong with it."""
        try:
            answer = await self._answer(request, context)
        except MLServerError as error:
            code = STATUS_CODE_MAPPING.get(error.status_code, grpc.StatusCode.INTERNAL)
            await context.abort(code, str(error)[:_MOST_WORDS])
        await context.send_initial_metadata(to_metadata(extract_headers(answer) or {}))
        for output in answer.outputs:
            if output.datatype == "BYTES":
                texts = [one.encode() if isinstance(one, str) else one for one in output.data.root]
                output.data = TensorData.model_construct(root=texts)
        return ModelInferResponseConverter.from_types(answer, use_raw=bool(request.raw_input_contents))

    async def _answer(self, request: Any, context: Any) -> Any:
        if request is None:
            raise MLServerError("this is no ModelInferRequest", HTTPStatus.BAD_REQUEST)
        name, version = request.model_name, request.model_version
        registry = self._data_plane._model_registry  # noqa: SLF001 there is no other way
        try:
            await registry.get_model(name)
        except ModelNotFound as error:
            raise MLServerError(f"there is no model {name[:100]!r}", HTTPStatus.NOT_FOUND) from error
        try:
            await registry.get_model(name, version)  # else what a client makes up would be counted under its name
            return await self._data_plane.infer(payload=_payload(request, context), name=name, version=version)
        except MLServerError as error:
            if error.status_code not in MISSING:
                raise
            raise MLServerError(str(error), HTTPStatus.UNPROCESSABLE_ENTITY) from error


def _payload(request: Any, context: Any) -> InferenceRequest:
    said = {one.key: one.value for one in context.invocation_metadata() if isinstance(one.value, str)}
    try:
        return insert_headers(ModelInferRequestConverter.to_types(request), said)
    except UNREADABLE as error:
        found = f"the tensors' bytes, shapes and parameters do not fit each other: {error}"
        raise MLServerError(found, HTTPStatus.UNPROCESSABLE_ENTITY) from error


def _read(message: bytes) -> Any:
    """Return the request, None for what is none: gRPC itself would blame the server."""
    try:
        return pb.ModelInferRequest.FromString(message)
    except DecodeError:
        return None


def answer_calls() -> None:
    """Have MLServer's gRPC server answer by `Calls`, whenever one is made from now on."""
    grpc_server.add_GRPCInferenceServiceServicer_to_server = _add


def _add(servicer: InferenceServicer, server: Any) -> None:
    calls = Calls(servicer._data_plane, servicer._model_repository_handlers)  # noqa: SLF001 as MLServer made it
    add_GRPCInferenceServiceServicer_to_server(calls, server)
    infer = grpc.unary_unary_rpc_method_handler(
        calls.ModelInfer, request_deserializer=_read, response_serializer=pb.ModelInferResponse.SerializeToString
    )
    server.add_registered_method_handlers("inference.GRPCInferenceService", {"ModelInfer": infer})  # instead of its own
