"""MLServer with a door in front of it: `python -m firstflight.serving.runtime.server FOLDER [--managed]`.

What is asked of a model that is here, and cannot be answered, is the client's mistake: 422, never 400 or 404. Seldon's
agent takes those two for a model that went missing, loads it again and repeats the request. Nobody but Seldon's agent
(`--managed`) can load or unload: elsewhere there is no repository API, neither by REST nor by gRPC.

Code is what this server came with: a model's folder, which whoever may write the bucket can change, holds files alone.
"""

import argparse
import asyncio
import faulthandler
import json
import re
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from mlserver.cli.serve import load_settings
from mlserver.errors import MLServerError, ModelNotFound
from mlserver.logging import configure_logger
from mlserver.registry import MultiModelRegistry
from mlserver.server import MLServer
from mlserver.settings import ModelSettings, Settings
from mlserver.utils import install_uvloop_event_loop
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from firstflight.domain.errors import UnanswerableError
from firstflight.serving.limits import MOST_BYTES
from firstflight.serving.runtime import binary
from firstflight.serving.runtime.calls import MISSING, answer_calls
from firstflight.serving.runtime.predictor import Predictor

OF_A_MODEL = ("/v2/models/{model_name}", "/v2/models/{model_name}/ready", "/v2/models/{model_name}/infer")
OF_THE_SERVER = ("/v2", "/v2/health/live", "/v2/health/ready")
OF_A_MANAGER = (
    "/v2/repository/index",
    "/v2/repository/models/{model_name}/load",
    "/v2/repository/models/{model_name}/unload",
)
_MODEL = re.compile(r"/v2/models/([^/]+)")
_FAULTS = 3
_ROUNDS = 2
"""Of uvloop: one for what a client sent, one for its leaving. A server that was held up meets many who sent and left;
answering them would hold it up for those who came after, all the longer as the gateway sends each request twice."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Named:
    """Lets in who asks by one of this machine's own names: other names are those of pages, which may not ask."""

    def __init__(self, app: App, hosts: Collection[str]) -> None:
        """Guard `app`, which may be asked for by `hosts`."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] == "http" and _host(dict(scope["headers"]).get(b"host", b"")) not in self._hosts:
            await _refuse(send, HTTPStatus.MISDIRECTED_REQUEST, "this server is not asked by that name")
            return
        await self._app(scope, receive, send)


class Door:
    """Lets in what may be asked here, whole and bounded; refuses the rest before MLServer counts or reads it."""

    def __init__(self, app: App, registry: MultiModelRegistry) -> None:
        """Guard `app`, which serves the models of `registry`."""
        self._app = app
        self._registry = registry

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or have it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
        headers = dict(named)
        found = _MODEL.match(scope["path"])
        here = found is not None and await self._is_here(found[1])
        if found is not None and not here:
            await _refuse(send, HTTPStatus.NOT_FOUND, f"there is no model {found[1][:100]!r}")
            return
        if headers.get(b"content-encoding", b"identity") != b"identity":
            await _refuse(send, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "bodies are read as they are, not compressed")
            return
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        body = await _body(receive)
        if body is None:
            return
        try:
            body = _in_json(body, headers)
        except MLServerError as error:
            await _refuse(send, HTTPStatus(error.status_code), str(error))
            return
        json_only = {**scope, "headers": [*named, (b"content-type", b"application/json")]}  # whatever it is called
        await self._app(json_only, _replayed(body, receive), _blamed(send) if here else send)

    async def _is_here(self, name: str) -> bool:
        try:
            return bool((await self._registry.get_model(name)).ready)
        except ModelNotFound:
            return False


class NoRepository:
    """What answers whoever wants to load or unload: nobody may."""

    async def index(self, *_: object, **__: object) -> None:
        """Refuse."""
        raise MLServerError("models are deployed, not loaded", HTTPStatus.NOT_FOUND)

    load = unload = index


class Server(MLServer):  # type: ignore[misc]  # mlserver is not installed where types are checked
    """MLServer behind a `Door`, with the routes that are named here and no others."""

    def __init__(self, settings: Settings, *, managed: bool) -> None:
        """Make the servers; `managed` by Seldon's agent, or one for this machine alone."""
        self._managed = managed
        super().__init__(settings)

    def _create_servers(self) -> None:
        if not self._managed:
            self._model_repository_handlers = NoRepository()
        super()._create_servers()
        app = self._rest_server._app  # noqa: SLF001 the only way to it in mlserver 1.7.1, which is pinned
        known = {*OF_A_MODEL, *OF_THE_SERVER, *(OF_A_MANAGER if self._managed else ())}
        app.router.routes[:] = [route for route in app.router.routes if route.path in known]
        app.add_exception_handler(RequestValidationError, _say_what_is_wrong)
        app.add_middleware(Door, registry=self._model_registry)
        metrics = self._metrics_server._app  # noqa: SLF001 the same
        metrics.router.routes[:] = [Route("/metrics", _metrics)]
        if not self._managed:
            for named in (app, metrics):
                named.add_middleware(Named, hosts=("127.0.0.1", "localhost"))


def _metrics(request: Request) -> Response:
    """Tell Prometheus as it likes best: by OpenMetrics, examples of requests are told, too."""
    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(REGISTRY), media_type=kind)


async def _say_what_is_wrong(_: object, error: RequestValidationError) -> JSONResponse:
    """Name the first faults; FastAPI would send back what was sent, which may be no JSON at all."""
    faults = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:_FAULTS]]
    text = "; ".join(faults)[:1000].encode(errors="replace").decode()
    return JSONResponse({"error": text}, HTTPStatus.UNPROCESSABLE_ENTITY)


def _host(header: bytes) -> str:
    return re.sub(r":\d+$", "", header.decode("latin-1"))


async def _body(receive: Receive) -> bytes | None:
    """Return the whole body, the beginning of one that is too long, or None when the client has left."""
    body = bytearray()
    while len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _in_json(body: bytes, headers: Mapping[bytes, bytes]) -> bytes:
    """Return the request as JSON. Raises MLServerError when it is too long, or its binary part cannot be read."""
    if len(body) > MOST_BYTES:
        raise MLServerError(f"a body has {MOST_BYTES:,} bytes at most", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if (length := headers.get(binary.HEADER.encode())) is None:
        return body
    try:
        return binary.as_json(body, length.decode("latin-1"))
    except UnanswerableError as error:
        raise MLServerError(str(error), HTTPStatus.UNPROCESSABLE_ENTITY) from error


def _replayed(body: bytes, receive: Receive) -> Receive:
    left = [body]

    async def replay() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return replay


def _blamed(send: Send) -> Send:
    """Send on, but never that the model is missing."""

    async def blame(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in MISSING:
            message = {**message, "status": HTTPStatus.UNPROCESSABLE_ENTITY}
        await send(message)

    return blame


async def _refuse(send: Send, status: HTTPStatus, reason: str) -> None:
    content = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _ours(_: ModelSettings) -> type[Predictor]:
    """Return what loads a model, whatever its settings name: MLServer would import that from the model's own folder."""
    return Predictor


async def serve(folder: str, *, managed: bool) -> None:
    """Serve the models of `folder` until told to end."""
    ModelSettings.implementation = property(_ours)
    answer_calls()
    settings, models = await load_settings(folder)
    await Server(settings, managed=managed).start(models)


def main() -> None:
    """Serve what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--managed", action="store_true", help="Seldon's agent loads and unloads models")
    asked = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)  # where it hangs, in its log, though it answers nobody
    configure_logger()
    install_uvloop_event_loop()
    asyncio.run(serve(asked.folder, managed=asked.managed))


if __name__ == "__main__":
    main()
