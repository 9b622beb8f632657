"""The Open Inference Protocol over gRPC, as far as it says what a model is and who was chosen to say so.

Since Seldon Core 2.10 the agents pass REST requests on for predictions alone; what a model says of itself is asked for
here. Messages hold the fields that are read; `parameters` is MLServer's own addition, under a number that it chose:
https://github.com/SeldonIO/MLServer/blob/1.7.1/proto/dataplane.proto
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from firstflight.domain.route_header import served_name
from firstflight.serving.route_header import ROUTE_HEADER

_SERVICE = "/inference.GRPCInferenceService"
_PROTOCOL = """
name: "open_inference.proto" package: "inference" syntax: "proto3"
message_type { name: "Nothing" }
message_type { name: "Named" field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "Ready" field { name: "ready" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL } }
message_type {
  name: "Tensor"
  field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "datatype" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "shape" number: 3 type: TYPE_INT64 label: LABEL_REPEATED }
}
message_type {
  name: "Parameter" field { name: "string_param" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
}
message_type {
  name: "Metadata"
  field { name: "inputs" number: 4 type: TYPE_MESSAGE type_name: ".inference.Tensor" label: LABEL_REPEATED }
  field {
    name: "parameters" number: 6 type: TYPE_MESSAGE label: LABEL_REPEATED
    type_name: ".inference.Metadata.ParametersEntry"
  }
  nested_type {
    name: "ParametersEntry" options { map_entry: true }
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".inference.Parameter" label: LABEL_OPTIONAL }
  }
}
"""
MESSAGES: Mapping[str, type[Any]] = message_factory.GetMessages(
    [text_format.Parse(_PROTOCOL, descriptor_pb2.FileDescriptorProto())], pool=descriptor_pool.DescriptorPool()
)


@dataclass(frozen=True)
class Reply:
    """What came back: `code` OK, or why not; who was chosen to answer, also where he failed; and the message.

    Attributes:
        code: gRPC's status.
        assigned: The served name that the gateway chose, None when it named none.
        message: The protocol's message, None unless the code is OK.
        is_silence: Nobody answered, not even a gateway: it cannot be reached.
    """

    code: grpc.StatusCode
    assigned: str | None
    message: Any = None
    is_silence: bool = False


def ask(
    channel: grpc.Channel, method: str, sent: str, reply: str, name: str, headers: Mapping[str, str], seconds: float
) -> Reply:
    """Call `method` with the message `sent` about the model `name`, and return what came of it within `seconds`."""
    return result(begin(channel, method, sent, reply, name, headers, seconds))


def begin(
    channel: grpc.Channel, method: str, sent: str, reply: str, name: str, headers: Mapping[str, str], seconds: float
) -> Any:
    """Send such a call and return it, to be asked for its `result`."""
    request = MESSAGES[f"inference.{sent}"](**({"name": name} if sent == "Named" else {}))
    call = channel.unary_unary(
        f"{_SERVICE}/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=MESSAGES[f"inference.{reply}"].FromString,
    )
    return call.future(request, timeout=seconds, metadata=tuple(headers.items()))


def result(call: Any) -> Reply:
    """Wait for a call that was begun, and return what came of it."""
    try:
        message = call.result()
    except grpc.RpcError:
        message = None
    said = dict(_pairs(call.initial_metadata())) | dict(_pairs(call.trailing_metadata()))
    code: grpc.StatusCode = call.code()
    is_silence = code is grpc.StatusCode.UNAVAILABLE and not said
    return Reply(code, served_name(said.get(ROUTE_HEADER)), message, is_silence)


def _pairs(metadata: Iterable[tuple[str, Any]] | None) -> Iterable[tuple[str, Any]]:
    return metadata or ()
