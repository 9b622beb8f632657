"""`POST /outcomes`: what turned out to be true, over HTTP; a part of the local stack.

It takes a JSON array of at most BATCH rows, all of them or, if one is malformed, none. It may be sent again.
"""

import asyncio
import hmac
import ipaddress
import json
import logging
import sys
from collections import Counter

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from firstflight.domain.errors import InvalidDataError, StackError, StoreRefusedError, StoreUnavailableError
from firstflight.observation.records import Outcome
from firstflight.observation.store import BATCH, PredictionStore
from firstflight.observation.told import outcomes
from firstflight.settings import Settings
from firstflight.supervision.logs import begin_log

log = logging.getLogger(__name__)

MOST_BYTES = 2**20
BODY_SECONDS = 10
_HOME_NAMES = {"127.0.0.1", "localhost", "[::1]"}
HEADING_SECONDS = 10.0
AT_ONCE = 32


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that is answered with `status` and `reasons`."""

    def __init__(self, status: int, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.status = status
        self.reasons = reasons


class Door:
    """Who may tell truths, and what becomes of them."""

    def __init__(self, store: PredictionStore, token: str | None, *, at_home: bool) -> None:
        """Ask for `token`, if there is one; `at_home`, only those who call this machine by its own name are let in."""
        self._store = store
        self._token = token
        self._at_home = at_home

    async def tell(self, request: Request) -> Response:
        """Answer what became of each row, in order, and how many there are of each kind."""
        try:
            self._let_in(request)
            results = await run_in_threadpool(self._store.tell, _rows(await _body(request)))
        except Refused as refused:
            return JSONResponse({"errors": refused.reasons}, refused.status)
        except InvalidDataError as refused:
            return JSONResponse({"errors": refused.faults}, 422)
        except ClientDisconnect:
            return Response(status_code=400)
        except (StoreUnavailableError, StoreRefusedError) as error:
            log.warning("%s", error)
            away = {"errors": ["the store takes nothing now; send it again"]}
            return JSONResponse(away, 503, {"Retry-After": "5"})
        return JSONResponse({"counts": Counter(results), "results": results})

    def _let_in(self, request: Request) -> None:
        if self._at_home and request.headers.get("host", "").rpartition(":")[0] not in _HOME_NAMES:
            raise Refused(403, "ask by 127.0.0.1 or localhost, with the port")  # a page elsewhere may lead here
        if self._token is not None:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                raise Refused(401, "the header Authorization holds no `Bearer` with the token of this place")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(415, "send application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise Refused(413, f"more than {MOST_BYTES} bytes; send fewer rows at once")
    except TimeoutError as error:
        raise Refused(408, f"the rows did not come within {BODY_SECONDS} s") from error
    return bytes(body)


def _rows(body: bytes) -> list[Outcome]:
    try:
        rows = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"this is no JSON: {error}") from error
    if isinstance(rows, list) and len(rows) > BATCH:
        raise Refused(413, f"{len(rows)} rows; send at most {BATCH} at once")
    return outcomes(rows)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def app(settings: Settings) -> Starlette:
    """Return what answers; raises StackError where others could reach it and no token is asked of them."""
    try:
        at_home = ipaddress.ip_address(settings.outcomes_host).is_loopback
        secret = settings.outcomes_secret
    except (ValueError, OSError) as error:
        raise StackError(f"outcomes_host is no address, or outcomes_token_file cannot be read: {error}") from error
    token = None if secret is None else secret.get_secret_value()
    if token is None and not at_home:
        raise StackError(
            f"outcomes_host {settings.outcomes_host} can be reached by others: set FIRSTFLIGHT_OUTCOMES_TOKEN_FILE to a"
            " file that holds a secret of at least 16 characters"
        )
    if token is not None and len(token) < 16:  # noqa: PLR2004 - as the message says
        raise StackError("the token of outcomes has fewer than 16 characters; `openssl rand -hex 32` makes one")
    door = Door(PredictionStore(settings.database("firstflight")), token, at_home=at_home)
    return Starlette(
        routes=[
            Route("/outcomes", door.tell, methods=["POST"]),
            Route("/health", lambda _request: PlainTextResponse("ok"), methods=["GET"]),
        ]
    )


def main() -> None:
    """Serve until told to end."""
    begin_log(logging.INFO)
    settings = Settings()
    try:
        answers = app(settings)
    except StackError as error:
        log.error("%s", error)
        sys.exit(1)
    uvicorn.Server(server(answers, settings.outcomes_host, settings.ports.outcomes)).run()


def server(answers: Starlette, host: str, port: int) -> uvicorn.Config:
    """Return how it is served: to so many at once, none of whom can keep the others out by sending nothing."""
    return uvicorn.Config(
        answers,
        host=host,
        port=port,
        http=Impatient,
        log_config=None,
        log_level="warning",
        access_log=False,
        limit_concurrency=AT_ONCE,
        server_header=False,
        lifespan="off",
    )


class Impatient(H11Protocol):
    """Hangs up on whoever does not send the heading of a request within HEADING_SECONDS."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Look after so long whether there is a request."""
        super().connection_made(transport)
        self.loop.call_later(HEADING_SECONDS, self._look, None)

    def _look(self, before: RequestResponseCycle | None) -> None:
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.cycle is before:
            self.transport.close()
        elif not self.transport.is_closing():
            self.loop.call_later(HEADING_SECONDS, self._look, self.cycle)


if __name__ == "__main__":
    main()
