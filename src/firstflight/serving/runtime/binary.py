"""Tensors as bytes behind the JSON of a request, as Triton's clients send them unless told otherwise.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import json
from types import SimpleNamespace
from typing import Any

from mlserver.raw import unpack

from firstflight.domain.errors import UnanswerableError
from firstflight.serving.runtime.calls import UNREADABLE

HEADER = "inference-header-content-length"
"""How many bytes of the body are JSON."""
_INSTEAD = "; send `data` in the JSON instead (tritonclient: set_data_from_numpy(…, binary_data=False))"


def as_json(body: bytes, length: str) -> bytes:
    """Return the request with its tensors in its JSON. Raises UnanswerableError saying what to send instead."""
    try:
        size = int(length)
        request, left = json.loads(body[:size]), memoryview(body)[size:]
        for tensor in request["inputs"]:
            parameters = tensor.get("parameters") or {}
            if (taken := parameters.pop("binary_data_size", None)) is None:
                continue
            tensor["data"] = _data(tensor, bytes(left[:taken]))
            left = left[taken:]
    except (*UNREADABLE, AttributeError, RecursionError) as error:
        raise UnanswerableError(f"the binary tensors cannot be read: {str(error)[:300]}{_INSTEAD}") from error
    if left:
        raise UnanswerableError(f"{len(left):,} bytes are no tensor's{_INSTEAD}")
    return json.dumps(request).encode()


def _data(tensor: dict[str, Any], raw: bytes) -> list[Any]:
    found = unpack(SimpleNamespace(datatype=tensor["datatype"], shape=tensor["shape"]), raw)
    return [one.decode() if isinstance(one, bytes) else one for one in found]
