"""One real request through the gateway, with inputs made of what the model says of itself."""

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import httpx
import numpy as np

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.inference import DATATYPES, Tensor, headers, predict
from firstflight.settings import trusted

PROBE_SECONDS = 5.0
_ROWS = 1
_TYPES = {name: np.dtype(kind) for kind, name in DATATYPES.items()}


Described = Callable[[], Mapping[str, Any]]
"""Returns what the model says of itself. Raises ServingError when it says nothing."""


def is_judged(split: TrafficSplit) -> bool:
    """Whether requests of this split are evidence: nobody can mark one so that the counters of a mesh leave it out."""
    return len(split.weights) > 1 or split.shadow is not None


def unasked(route: str, split: TrafficSplit, missed: Callable[[], str | None] = lambda: None) -> Finding:
    """Return that `route` is asked for no prediction, since its split is judged by those.

    `missed` returns which model of it cannot be reached, if any, in a way that is no evidence. Raises
    BackendUnavailableError when the gateway does not answer.
    """
    try:
        if (lost := missed()) is not None:
            return _refused(_subject(route), lost)
    except BackendUnavailableError as error:
        return _unreachable(_subject(route), error)
    return passed("inference", _subject(route), f"not asked for: {split} is judged by requests, and this would be one")


def probe(url: str, route: str, described: Described | None = None, *, one_model: bool = False) -> Finding:
    """Ask `route` at the gateway `url` for one prediction about ones, as a client would, and say what came back.

    It names no unit, so no outcome will ever be joined to it. What the model takes is asked by REST, one request more
    in the counts, unless `described` knows another way. With `one_model`, `route` is the name of a single model, see
    `inference.headers`.
    """
    with httpx.Client(timeout=PROBE_SECONDS, trust_env=False, verify=trusted()) as client:
        return _probe(client, url, route, described or partial(_metadata, client, url, route), one_model=one_model)


def _metadata(client: httpx.Client, url: str, route: str) -> Mapping[str, Any]:
    try:
        answer = client.get(f"{url}/v2/models/{route}", headers=headers(route, str(uuid.uuid4())))
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise BackendUnavailableError(f"the gateway at {url} gives no answer: {error!r}") from error
    if answer.status_code != httpx.codes.OK:
        raise ServingError(f"{answer.status_code} to a question for its metadata: {answer.text[:200]}")
    found: Mapping[str, Any] = answer.json()
    return found


def _probe(client: httpx.Client, url: str, route: str, described: Described, *, one_model: bool) -> Finding:
    subject = _subject(route)
    try:
        inputs = ones(described())
    except BackendUnavailableError as error:
        return _unreachable(subject, error)
    except ServingError as error:
        return _refused(subject, str(error))
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


def _subject(route: str) -> str:
    return f"a prediction of {route}"


def _unreachable(subject: str, error: BackendUnavailableError) -> Finding:
    return failed(
        "gateway-unreachable",
        subject,
        str(error),
        wanted="an answer",
        fix="is the gateway up, and can it be reached from here? From outside a cluster: a port-forward to"
        " the mesh, and FIRSTFLIGHT_MESH_URL",
    )


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
