"""Client of the Open Inference Protocol V2 over REST (https://github.com/open-inference-protocol)."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.route_header import served_name
from firstflight.serving.route_header import ROUTE_HEADER
from firstflight.settings import trusted

TIMEOUT_SECONDS = 10.0
DATATYPES = {"float64": "FP64", "float32": "FP32", "int64": "INT64", "int32": "INT32", "bool": "BOOL"}
"""The protocol's name of each type of number in numpy; text is BYTES."""
_TYPES = {name: np.dtype(kind) for kind, name in DATATYPES.items()}

Tensor = NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """One answer.

    `assigned` is the served name the gateway chose (`ROUTE_HEADER`), None when it named none;
    `seconds` is what the client waited.
    """

    outputs: dict[str, Tensor]
    assigned: str | None
    request_id: str
    seconds: float


def headers(route: str, request_id: str, unit: str | None = None, *, one_model: bool = False) -> dict[str, str]:
    """Return the headers of a request.

    A route is asked for as `<route>.experiment`, the name that a split has on every home; with `one_model`, `route` is
    that of a single model. Locally, equal units always reach the same served model while weights stay.
    """
    asked = route if one_model else f"{route}.experiment"
    named = {"content-type": "application/json", "seldon-model": asked, "x-request-id": request_id}
    return named if unit is None else {**named, "x-unit-id": unit}


def body(inputs: Mapping[str, Tensor], request_id: str | None = None) -> bytes:
    """Return the JSON body that carries `inputs`, under the id `request_id` when given."""
    tensors = [
        {"name": name, "shape": list(data.shape), "datatype": _datatype(data), "data": data.ravel().tolist()}
        for name, data in inputs.items()
    ]
    named = {"id": request_id} if request_id is not None else {}
    return json.dumps({**named, "inputs": tensors}, separators=(",", ":")).encode()


def _datatype(data: Tensor) -> str:
    return "BYTES" if data.dtype.kind in "OU" else DATATYPES[data.dtype.name]


def outputs(answer: bytes) -> dict[str, Tensor]:
    """Return the tensors of a JSON answer."""
    return {
        tensor["name"]: np.asarray(tensor["data"], dtype=_TYPES.get(tensor["datatype"])).reshape(tensor["shape"])
        for tensor in json.loads(answer)["outputs"]
    }


def predict(
    url: str,
    route: str,
    inputs: Mapping[str, Tensor],
    *,
    unit: str | None = None,
    request_id: str | None = None,
    client: httpx.Client | None = None,
    one_model: bool = False,
) -> Prediction:
    """Ask `route` at the gateway `url`. Many questions are quicker through one `client`; `one_model`: see `headers`.

    Raises:
        BackendUnavailableError: No answer.
        ServingError: An answer other than 200; the message holds its code and text.
    """
    if client is None:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=trusted()) as own:
            return predict(url, route, inputs, unit=unit, request_id=request_id, client=own, one_model=one_model)
    request_id = request_id or str(uuid.uuid4())
    content = body(inputs, request_id)
    begin = time.perf_counter()
    try:
        answer = client.post(
            f"{url}/v2/models/{route}/infer",
            content=content,
            headers=headers(route, request_id, unit, one_model=one_model),
        )
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise BackendUnavailableError(
            f"{route}: the gateway at {url} gave no answer to {request_id}: {error!r}"
        ) from error
    seconds = time.perf_counter() - begin
    if answer.status_code != httpx.codes.OK:
        raise ServingError(f"{route}: {answer.status_code} to request {request_id}: {answer.text[:500]}")
    return Prediction(outputs(answer.content), served_name(answer.headers.get(ROUTE_HEADER)), request_id, seconds)
