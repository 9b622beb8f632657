"""The page over HTTP: who is let in, what is answered, and the one thing that changes anything: a person's answer.

Everybody on this machine may read. Who answers shows a key, which one process of `firstflight open` gives once to
whoever was led there by a file that only its user can read. The browser keeps it for this address alone and a script
sends it: nothing is sent by the browser on its own, which pages at other ports of this machine would get as well.
"""

import asyncio
import hmac
import secrets
import threading
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firstflight.acts.answer import give
from firstflight.domain.errors import ApprovalRefusedError, FirstflightError, NotFoundError, Outage
from firstflight.orchestrator import Orchestrator
from firstflight.page import html
from firstflight.page.reading import Reading
from firstflight.rollout.approval import Answer
from firstflight.settings import Settings

_NAMES = {"127.0.0.1", "localhost", "[::1]"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_REPORT = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""What a report may: it is one file, its style in it, and runs nothing."""
MOST_BYTES = 16_384
BODY_SECONDS = 10
LOOK_SECONDS, TICK_SECONDS = 1.0, 5.0
"""How often the ledger is asked for news, and how often a page is drawn anew without any, for its times."""
STREAMS = 24
"""Pages that may be open at once and be told of news; others have to be reloaded."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that is answered with `status`, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Keys:
    """One code, which is good once, and the key that it is exchanged for, which is good while this process lives."""

    def __init__(self) -> None:
        """Make both."""
        self.code: str | None = secrets.token_urlsafe(32)
        self._key = secrets.token_urlsafe(32)

    def exchange(self, code: str) -> str | None:
        """Return the key for the code, once; None for any other."""
        if self.code is None or not hmac.compare_digest(code.encode(), self.code.encode()):
            return None
        self.code = None
        return self._key

    def known(self, authorization: str) -> bool:
        """Whether a header shows the key."""
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._key}".encode())


class Sent(Answer):
    """An answer as the page sends it: with the stage that it showed."""

    stage: int = Field(ge=0, le=100)


class Site:
    """What is answered to whom."""

    def __init__(
        self, reading: Reading, prefect: Orchestrator, settings: Settings, keys: Keys, ended: threading.Event
    ) -> None:
        """Answer from what `reading` finds until it has `ended`; answers of people go to `prefect`."""
        self._reading = reading
        self._prefect = prefect
        self._settings = settings
        self._keys = keys
        self._ended = ended
        self._streams = 0

    async def home(self, _request: Request) -> Response:
        """Show what is open, and what there was."""
        return await self._page(lambda: html.home(self._reading.home()))

    async def model(self, request: Request) -> Response:
        """Show the history of a model."""
        name = request.path_params["name"]
        return await self._page(lambda: html.model(name, self._reading.history(name), self._reading.now()))

    async def rollout(self, request: Request) -> Response:
        """Show a rollout, as it is now."""
        word = request.path_params["id"]

        def drawn() -> str:
            view = self._reading.view(word)
            link = self._settings.run_page(view.rollout.driver)
            return html.rollout(view, prefect=link, report=self._report(view.rollout.id).exists())

        return await self._page(drawn)

    async def report(self, request: Request) -> Response:
        """Send the report that the run wrote."""
        try:
            rollout = await run_in_threadpool(self._reading.find, request.path_params["id"])
        except (NotFoundError, Outage) as error:
            return _unread(error)
        if not (file := self._report(rollout.id)).exists():
            return HTMLResponse(html.said("Not found", "The run has written no report yet, or it lies elsewhere."), 404)
        return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": _REPORT})

    async def events(self, request: Request) -> Response:
        """Tell of news as long as the page is there."""
        if self._streams >= STREAMS:
            return PlainTextResponse("so many pages are open that no more are told of news", 503, {"Retry-After": "30"})
        try:
            rollout = await run_in_threadpool(self._reading.find, request.path_params["id"])
        except (NotFoundError, Outage) as error:
            return _unread(error)

        async def told() -> AsyncIterator[str]:
            self._streams += 1
            try:
                async for event in changes(lambda: self._reading.heads(rollout), self._ended):
                    yield event
            finally:
                self._streams -= 1

        return StreamingResponse(told(), media_type="text/event-stream")

    async def sign_in(self, request: Request) -> Response:
        """Give the key for the code, once."""
        try:
            _from_here(request)
            code = (await _body(request)).decode(errors="replace")
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status)
        except ClientDisconnect:
            return Response(status_code=400)
        if (key := self._keys.exchange(code)) is None:
            return JSONResponse({"error": "this link was used, or is another's: `firstflight open` makes one"}, 403)
        return JSONResponse({"key": key})

    async def signed_in(self, request: Request) -> Response:
        """Say whether the key is one."""
        return Response(status_code=204 if self._keys.known(request.headers.get("authorization", "")) else 403)

    async def answer(self, request: Request) -> Response:
        """Take a person's answer to the question that they were shown."""
        try:
            _from_here(request)
            self._let_in(request)
            sent = Sent.model_validate_json(await _body(request))
            given = Answer(approver=sent.approver, decision=sent.decision, comment=sent.comment)
            rollout, stage = await run_in_threadpool(
                give, self._reading.ledger, self._prefect, request.path_params["id"], given, about=sent.stage
            )
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status)
        except ClientDisconnect:
            return Response(status_code=400)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            return JSONResponse({"error": "; ".join(faults)}, 422)
        except ApprovalRefusedError as error:
            return JSONResponse({"error": str(error)}, 409)
        except FirstflightError as error:
            return JSONResponse({"error": str(error)}, 503)
        stable, candidate = rollout.arms.stable.served_name, rollout.candidate.served_name
        goes = f"{candidate} goes on to {stage} %" if given.decision == "approve" else f"traffic goes back to {stable}"
        return JSONResponse({"told": f"Taken: {goes} within seconds."})

    def _let_in(self, request: Request) -> None:
        if not self._keys.known(request.headers.get("authorization", "")):
            raise Refused(403, "you are not signed in: `firstflight open` leads here signed in")

    def _report(self, rollout: str) -> Path:
        return self._settings.home / "reports" / f"{rollout}.html"

    async def _page(self, drawn: Callable[[], str]) -> Response:
        try:
            return HTMLResponse(await run_in_threadpool(drawn))
        except (NotFoundError, Outage) as error:
            return _unread(error)


async def changes(
    heads: Callable[[], object], ended: threading.Event, look: float = LOOK_SECONDS, tick: float = TICK_SECONDS
) -> AsyncIterator[str]:
    """Yield a server-sent event at once, whenever `heads` are others, and after `tick` seconds without, until `ended`.

    Who ends the command waits for no page that is still open.
    """
    before: object = None
    since = 0.0
    while not ended.is_set():
        try:
            now = await run_in_threadpool(heads)
        except Outage:
            now = None  # the page says so when it is drawn
        if now != before or since >= tick or before is None:
            yield "data: news\n\n"
            before, since = now, 0.0
        await asyncio.sleep(look)
        since += look


def _unread(error: NotFoundError | Outage) -> Response:
    """Return a page that says what is not there, or not now."""
    if isinstance(error, NotFoundError):
        return HTMLResponse(html.said("Not found", str(error)), 404)
    return HTMLResponse(html.said("The ledger does not answer", str(error)), 503, {"Retry-After": "5"})


def _from_here(request: Request) -> None:
    if request.headers.get("origin") != f"http://{request.headers.get('host', '')}":
        raise Refused(403, "this is no request of the page itself")


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MOST_BYTES:
                    raise Refused(413, f"more than {MOST_BYTES} bytes")
    except TimeoutError as error:
        raise Refused(408, f"the answer did not come within {BODY_SECONDS} s") from error
    return bytes(body)


class Door:
    """Lets in who asks by this machine's own names and this port, and says what a browser may do with an answer."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        """Stand before `app`."""
        self._app = app
        self._hosts = {f"{name}:{port}" for name in _NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if Headers(scope=scope).get("host") not in self._hosts:
            await PlainTextResponse("ask by 127.0.0.1 or localhost, with the port", 421)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


def _asset(file: str, media_type: str, package: str = "firstflight.page") -> Callable[[Request], Response]:
    text = resources.files(package).joinpath(file).read_text("utf-8")
    return lambda _request: Response(text, media_type=media_type)


def app(reading: Reading, prefect: Orchestrator, settings: Settings, keys: Keys, ended: threading.Event) -> ASGIApp:
    """Return what answers on `settings.page_port` until it has `ended`."""
    site = Site(reading, prefect, settings, keys, ended)
    routes = [
        Route("/", site.home),
        Route("/models/{name}", site.model),
        Route("/rollouts/{id}", site.rollout),
        Route("/rollouts/{id}/report", site.report),
        Route("/rollouts/{id}/events", site.events),
        Route("/rollouts/{id}/answer", site.answer, methods=["POST"]),
        Route("/sign-in", lambda _request: HTMLResponse(html.sign_in())),
        Route("/sign-in", site.sign_in, methods=["POST"]),
        Route("/signed-in", site.signed_in),
        Route("/report.css", _asset("page.css", "text/css", "firstflight.report")),
        Route("/live.css", _asset("live.css", "text/css")),
        Route("/live.js", _asset("live.js", "text/javascript")),
    ]
    return Door(Starlette(routes=routes), settings.page_port)
