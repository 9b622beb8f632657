"""One real request through the gateway, with inputs made of what the model says of itself."""

import uuid
from typing import Any

import httpx
import numpy as np

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.serving.inference import DATATYPES, Tensor, headers, predict

PROBE_SECONDS = 5.0
_ROWS = 1
_TYPES = {name: np.dtype(kind) for kind, name in DATATYPES.items()}


def probe(url: str, route: str, client: httpx.Client | None = None, *, one_model: bool = False) -> Finding:
    """Ask `route` at the gateway `url` for one prediction about ones, as a client would, and say what came back.

    These are two requests more in the counts, one for what the model takes; they name no unit, so no outcome will ever
    be joined to them. With `one_model`, `route` is the name of a single model, see `inference.headers`.
    """
    if client is None:
        with httpx.Client(timeout=PROBE_SECONDS, trust_env=False) as own:
            return probe(url, route, own, one_model=one_model)
    subject = f"a prediction of {route}"
    try:
        described = client.get(
            f"{url}/v2/models/{route}", headers=headers(route, str(uuid.uuid4()), one_model=one_model)
        )
    except httpx.TransportError as error:
        return failed(
            "gateway-unreachable",
            subject,
            f"the gateway at {url} gives no answer: {error!r}",
            wanted="an answer",
            fix="is the gateway up, and can it be reached from here? From outside a cluster: a port-forward to"
            " the mesh, and FIRSTFLIGHT_MESH_URL",
        )
    if described.status_code != httpx.codes.OK:
        return _refused(subject, f"{described.status_code} to a question for its metadata: {described.text[:200]}")
    inputs = ones(described.json())
    if not inputs:
        return warned(
            "inference",
            subject,
            "answers, but does not say what its inputs are; nothing was asked of it",
            wanted="inputs with name, datatype and shape in the model's metadata",
            fix="declare `inputs` in its model-settings.json",
        )
    try:
        answer = predict(url, route, inputs, client=client, one_model=one_model)
    except (ServingError, BackendUnavailableError) as error:
        return _refused(subject, str(error)[:300])
    served = f" by {answer.assigned}" if answer.assigned else ""
    return passed("inference", subject, f"answered{served} in {answer.seconds * 1000:.0f} ms")


def _refused(subject: str, found: str) -> Finding:
    return failed(
        "inference",
        subject,
        found,
        wanted="200 and a prediction",
        fix="404: no route has this name (is it deployed, has a split been set?); 5xx: see the model server's log",
    )


def ones(metadata: Any) -> dict[str, Tensor]:
    """Return inputs of one row that the model should take; nothing when it does not say enough."""
    described = metadata.get("inputs") or []
    if any(one.get("datatype") not in _TYPES for one in described):
        return {}
    return {
        one["name"]: np.ones([size if size > 0 else _ROWS for size in one["shape"]], dtype=_TYPES[one["datatype"]])
        for one in described
    }
