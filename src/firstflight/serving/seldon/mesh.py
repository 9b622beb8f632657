"""What the mesh really does, asked as a client would ask it.

All is asked by gRPC: Seldon's agents pass REST on for predictions alone, the clusters of gRPC are none of those that a
rollout is judged by, and no question here is a prediction, so that nothing that is asked counts for or against a model.
"""

import socket
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.route_header import ROUTE_HEADER
from firstflight.serving.seldon.addresses import addresses
from firstflight.serving.seldon.open_inference import Reply, ask, begin, result
from firstflight.serving.seldon.route_proof import MOST_REQUESTS, Shown, misfit, weigh

_VERSIONS = 50
_AT_ONCE = 8
_OPTIONS = (("grpc.enable_http_proxy", 0),)
_TLS_PORT, _PORT = 443, 80


@dataclass(frozen=True)
class Description:
    """What a model server says of a model it has loaded; `inputs` in the protocol's JSON."""

    served_name: str | None
    digest: str | None
    inputs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Carried:
    """What requests to a route showed of a split, and in words what they showed instead."""

    shown: Shown
    instead: str = ""


class MeshUnavailableError(BackendUnavailableError):
    """The mesh did not answer; the API may."""


class Mesh:
    """The mesh at `url`: every Envoy behind that name, each at an address of its own."""

    def __init__(self, url: str, seconds: float) -> None:
        """Keep where it is, and how long to wait for an answer: the mesh itself waits for ever."""
        self._url = urlsplit(url)
        self._seconds = seconds

    def describe(self, name: str) -> Description | None:
        """Return what the model `name` itself says, None when it answers nothing.

        Where `name` is the default of a split, its endpoint is the split's, so any of them may answer; then the
        question goes to the fixed route that a client would be given, whose number only the scheduler knows: the
        header names them all.

        Raises:
            BackendUnavailableError: The mesh does not answer.
        """
        with self._channel() as channel:
            for extra in ({}, _fixed(name)):
                found = _described(self._ask(channel, "ModelMetadata", "Named", "Metadata", name, extra))
                if found is not None and found.served_name == name:
                    return found
        return None

    def metadata(self, route: str, *, one_model: bool = False) -> Mapping[str, Any]:
        """Return what whoever answers to `route` says of itself; `one_model`: see `inference.headers`.

        Raises:
            BackendUnavailableError: The mesh does not answer.
            ServingError: Nobody answers to that name.
        """
        with self._channel() as channel:
            asked = route if one_model else f"{route}.experiment"
            said = self._ask(channel, "ModelMetadata", "Named", "Metadata", asked, {})
        if (found := _described(said)) is None:
            raise ServingError(f"{said.code.name} to a question for its metadata, of {said.assigned or 'nobody'}")
        return {"inputs": found.inputs}

    def is_ready(self, name: str) -> bool:
        """Whether the model `name` says that it is ready, by a route that leads to it alone."""
        with self._channel() as channel:
            for extra in (_fixed(name), {}):  # where there is no split, there are no fixed routes
                said = self._ask(channel, "ModelReady", "Named", "Ready", name, extra)
                if said.assigned == name:
                    return said.message is not None and bool(said.message.ready)
        return False

    def is_routed(self, name: str) -> bool:
        """Whether the mesh has a way to the model `name`, whatever comes back on it."""
        with self._channel() as channel:
            said = self._ask(channel, "ServerLive", "Nothing", "Nothing", name, {})
        return said.assigned is not None or said.code is not grpc.StatusCode.UNIMPLEMENTED

    def misses(self, route: str, names: Collection[str]) -> str | None:
        """Return which of `names` the split of `route` does not lead to, at any Envoy; None when it leads to all.

        Raises:
            BackendUnavailableError: An Envoy does not answer.
        """
        with self._channels() as channels:
            lost = (self._unreachable(channel, route, names) for channel in channels)
            return next((one for one in lost if one), None)

    def carries(self, route: str, split: TrafficSplit, before: Sequence[TrafficSplit], error: float) -> Carried:
        """Return what requests show of `split`, against those that may be in force still, at every Envoy.

        `error` is how often an old split may be taken for the wanted one. What is asked is a call that the agent
        beside the model server answers itself, so a model that fails or hangs shows its route all the same.

        Raises:
            BackendUnavailableError: An Envoy does not answer.
        """
        found = Carried(Shown.WANTED)
        with self._channels() as channels:
            for channel in channels:
                here = self._carries(channel, route, split, before, error)
                if here.shown is not Shown.WANTED:
                    found = here
                if here.shown in {Shown.OTHER, Shown.NOTHING}:
                    break
        return found

    def _carries(
        self, channel: grpc.Channel, route: str, split: TrafficSplit, before: Sequence[TrafficSplit], error: float
    ) -> Carried:
        seen: Counter[str | None] = Counter()
        shown = Shown.NOTHING
        while shown is Shown.NOTHING and seen.total() < MOST_REQUESTS:
            seen.update(self._chosen(channel, route))
            shown = weigh(seen, split, before, error)
        told = ", ".join(f"{count} to {name or 'nobody'}" for name, count in seen.most_common())
        if shown not in {Shown.WANTED, Shown.UNTOLD}:
            return Carried(shown, misfit(seen, split) or f"of {seen.total()} requests {told} went, as before")
        shares = [name for name, weight in split.weights.items() if weight]
        lost = self._unreachable(channel, route, shares) if len(split.weights) > 1 else None  # then no route is fixed
        return Carried(Shown.OTHER, lost) if lost else Carried(shown)

    def _chosen(self, channel: grpc.Channel, route: str) -> Iterator[str | None]:
        headers = {"seldon-model": f"{route}.experiment"}
        calls = [
            begin(channel, "ServerLive", "Nothing", "Nothing", route, headers, self._seconds) for _ in range(_AT_ONCE)
        ]
        return (self._heard(route, result(call)).assigned for call in calls)

    def _unreachable(self, channel: grpc.Channel, route: str, names: Collection[str]) -> str | None:
        """Return what has a share and is not reached.

        A share of few percent shows in few requests, so each that has one is asked by its fixed route as well.
        """
        for name in names:
            said = self._ask(channel, "ServerLive", "Nothing", "Nothing", f"{route}.experiment", _fixed(name))
            if said.assigned != name:
                return f"{name} is not reached by its own route in the split ({said.assigned or 'nobody'} answers)"
        return None

    def _ask(
        self, channel: grpc.Channel, method: str, sent: str, reply: str, asked: str, extra: Mapping[str, str]
    ) -> Reply:
        headers = {"seldon-model": asked, **extra}
        return self._heard(asked, ask(channel, method, sent, reply, asked, headers, self._seconds))

    def _heard(self, asked: str, said: Reply) -> Reply:
        """Return the answer. Raises BackendUnavailableError when nobody was there to give one."""
        if said.is_silence:
            raise self._unavailable(f"about {asked}: {said.code.name}")
        return said

    def _unavailable(self, what: str) -> MeshUnavailableError:
        return MeshUnavailableError(f"the mesh at {self._url.geturl()} gives no answer {what}")

    @contextmanager
    def _channel(self) -> Iterator[grpc.Channel]:
        with self._channels(1) as [channel]:
            yield channel

    @contextmanager
    def _channels(self, most: int | None = None) -> Iterator[list[grpc.Channel]]:
        """Open a channel to each Envoy, or to as many.

        Raises:
            BackendUnavailableError: One of them cannot be reached.
        """
        secure = self._url.scheme == "https"
        port, name = self._url.port or (_TLS_PORT if secure else _PORT), self._url.hostname or ""
        with ExitStack() as ends:
            channels = []
            for address in addresses(self._url, "nobody can be asked for what the mesh does")[:most]:
                to = f"{address}:{port}"
                try:  # gRPC does not tell one that cannot be reached from one that takes long
                    socket.create_connection((address.strip("[]"), port), timeout=self._seconds).close()
                except OSError as error:
                    raise self._unavailable(f"at {to}: {error!r}") from error
                if secure:
                    own = (*_OPTIONS, ("grpc.ssl_target_name_override", name), ("grpc.default_authority", name))
                    channel = grpc.secure_channel(to, grpc.ssl_channel_credentials(), own)
                else:
                    channel = grpc.insecure_channel(to, (*_OPTIONS, ("grpc.default_authority", self._url.netloc)))
                channels.append(ends.enter_context(channel))
            yield channels


def _described(said: Reply) -> Description | None:
    if said.message is None:
        return None
    inputs = tuple(
        {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in said.message.inputs
    )
    told = {key: value.string_param for key, value in said.message.parameters.items()}
    return Description(told.get("served_name"), told.get("digest"), inputs)


def _fixed(name: str) -> dict[str, str]:
    """Return the header of the fixed route to `name`, whatever number the scheduler has given it."""
    return {ROUTE_HEADER: "".join(f":{name}_{number}:" for number in range(1, _VERSIONS))}
