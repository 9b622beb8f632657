"""What the mesh really does, asked as a client would ask it."""

import math
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.route_header import served_name
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.inference import Tensor, body, headers
from firstflight.serving.probe import ones
from firstflight.serving.route_header import ROUTE_HEADER

REQUESTS = 20
"""Requests that one look at a split sends; they are none of the rollout's, for their unit belongs to nobody."""
_IMPROBABLE = 1e-6
_VERSIONS = 50
_LEAST = 0.0001
"""The stable model's share where it has no whole percent: it is never quite nothing, see `experiments.manifest`."""
_SILENT = "?"
_NOBODY = {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


@dataclass(frozen=True)
class Description:
    """What a model server says of a model it has loaded."""

    served_name: str | None
    digest: str | None


class Mesh:
    """The mesh at `url`."""

    def __init__(self, url: str, seconds: float) -> None:
        """Keep where it is, and how long to wait for an answer: the mesh itself waits for ever."""
        self._url = url
        self._seconds = seconds

    def describe(self, name: str) -> Description | None:
        """Return what the model `name` itself says, None when it answers nothing.

        Where `name` is the default of a split, its endpoint is the split's, so any of them may answer; then the
        question goes to the fixed route that a client would be given, whose number only the scheduler knows: the
        header names them all.
        """
        with self._client() as client:
            for extra in ({}, _fixed(name)):
                found = self._metadata(client, name, extra)
                if found is not None and found.served_name == name:
                    return found
        return None

    def is_routed(self, name: str) -> bool:
        """Whether the mesh has a way to the model `name`, whatever comes back on it."""
        with self._client() as client:
            try:
                answer = client.get(f"{self._url}/v2/models/{name}", headers={"seldon-model": name})
            except httpx.ReadTimeout:
                return True
            except httpx.TransportError as error:
                raise self._silence(name, error) from error
        return answer.status_code != HTTPStatus.NOT_FOUND

    def fault(self, route: str, split: TrafficSplit) -> str | None:
        """Return how requests to `route` go otherwise than `split` says, None when they do not.

        Raises:
            BackendUnavailableError: The mesh does not answer.
        """
        with self._client() as client:
            return self._fault(client, route, split)

    def _client(self) -> httpx.Client:
        return httpx.Client(timeout=self._seconds, trust_env=False)

    def _fault(self, client: httpx.Client, route: str, split: TrafficSplit) -> str | None:
        inputs = self._inputs(client, split.stable)
        seen: Counter[str | None] = Counter()
        while seen.total() < REQUESTS:
            if (chosen := self._ask(client, route, inputs)) is _SILENT:
                return f"a request had no answer within {self._seconds:g} s"
            seen[chosen] += 1
        for name in sorted(set(seen) | set(split.weights), key=str):
            count, share = seen[name], split.weights.get(name or "", 0) / 100
            if name == split.stable:
                share = max(share, _LEAST)
            if _chance(count, REQUESTS, share) < _IMPROBABLE:
                return f"{count} of {REQUESTS} requests went to {name or 'nobody'}, wanted {share:.0%}"
        return self._unreachable(client, route, split, inputs)

    def _unreachable(
        self, client: httpx.Client, route: str, split: TrafficSplit, inputs: dict[str, Tensor]
    ) -> str | None:
        """Return what has a share and is not reached.

        A share of few percent shows in few requests, so each that has one is asked by its fixed route as well.
        """
        if len(split.weights) == 1:  # then there are no fixed routes
            return None
        for name in (name for name, weight in split.weights.items() if weight):
            if (assigned := self._ask(client, route, inputs, _fixed(name))) != name:
                return f"{name} is not reached by its own route in the split ({assigned or 'nobody'} answers)"
        return None

    def _inputs(self, client: httpx.Client, name: str) -> dict[str, Tensor]:
        try:
            answer = client.get(f"{self._url}/v2/models/{name}", headers={"seldon-model": name})
        except httpx.ReadTimeout:
            return {}
        except httpx.TransportError as error:
            raise self._silence(name, error) from error
        return ones(answer.json()) if answer.status_code == HTTPStatus.OK else {}

    def _ask(
        self, client: httpx.Client, route: str, inputs: dict[str, Tensor], extra: dict[str, str] | None = None
    ) -> str | None:
        """Return who was chosen to answer a prediction; how well it does is for guardrails, unless it is not there."""
        sent = {**headers(route, ""), **(extra or {})}
        del sent["x-request-id"]  # the mesh gives it one; ours would look like a client's
        try:
            answer = client.post(f"{self._url}/v2/models/{route}/infer", content=body(inputs), headers=sent)
        except httpx.ReadTimeout:  # the mesh is there: whoever was chosen hangs, or fails and is asked again
            return _SILENT
        except httpx.TransportError as error:
            raise self._silence(route, error) from error
        return None if answer.status_code in _NOBODY else served_name(answer.headers.get(ROUTE_HEADER))

    def _silence(self, name: str, error: httpx.TransportError) -> BackendUnavailableError:
        return BackendUnavailableError(f"the mesh at {self._url} gives no answer about {name}: {error!r}")

    def _metadata(self, client: httpx.Client, name: str, extra: dict[str, str]) -> Description | None:
        try:
            answer = client.get(f"{self._url}/v2/models/{name}", headers={"seldon-model": name, **extra})
        except httpx.ReadTimeout:  # the mesh is there, the model hangs
            return None
        except httpx.TransportError as error:
            raise self._silence(name, error) from error
        if answer.status_code != HTTPStatus.OK:
            return None
        said: dict[str, Any] = answer.json().get("parameters") or {}
        return Description(said.get("served_name"), said.get("digest"))


def _fixed(name: str) -> dict[str, str]:
    """Return the header of the fixed route to `name`, whatever number the scheduler has given it."""
    return {ROUTE_HEADER: "".join(f":{name}_{number}:" for number in range(1, _VERSIONS))}


def _chance(count: int, of: int, share: float) -> float:
    """Return the smaller tail of the binomial distribution: how likely a count so far out is."""
    terms = [math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(of + 1)]
    return min(1.0, sum(terms[: count + 1]), sum(terms[count:]))
