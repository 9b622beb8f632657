"""The rollouts' page in a browser, or Prefect's."""

import json
import os
import socket
import threading
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import typer

from firstflight.acts.ledger_view import current, last_rollouts
from firstflight.domain.errors import NotFoundError, StackError
from firstflight.ledger import open_store
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.stack import sign_in

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from firstflight.page.reading import Reading


def open(word: str | None, *, prefect: bool, as_json: bool) -> None:  # noqa: A001 - the command's name
    """Show the rollout that `word` names, else all, until Ctrl-C; or open `prefect`'s page of a run, and end."""
    settings = Settings()
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    if prefect:
        _open_prefect(settings, orchestrator, word, as_json=as_json)
    else:
        _show(settings, orchestrator, word, as_json=as_json)


def _show(settings: Settings, orchestrator: Orchestrator, word: str | None, *, as_json: bool) -> None:
    from firstflight.page.app import Keys, app  # noqa: PLC0415 - Prefect's page waits for no server of ours
    from firstflight.page.reading import Reading  # noqa: PLC0415 - see above

    reading, keys, ended = Reading(open_store(settings)), Keys(), threading.Event()
    path = _path(reading, orchestrator, word)
    listening = listen(settings)
    page, code = f"{settings.page}{path}", quote(keys.code or "", safe="")
    file = sign_in.lead(settings, f"{settings.page}/sign-in#{code},{quote(path, safe='')}", "page.html").as_uri()
    opened = webbrowser.open(file)
    if as_json:
        typer.echo(json.dumps({"page": page, "address": file, "opened": opened}))
    else:
        typer.echo(f"{page}: opened, signed in" if opened else f"no browser here; open {file}")
        if not opened:
            typer.echo(f"or {page}, to read alone")
        typer.echo("it is there until Ctrl-C")
    serve(app(reading, orchestrator, settings, keys, ended), listening, ended)


def _path(reading: "Reading", orchestrator: Orchestrator, word: str | None) -> str:
    """Return which page shows what `word` names: a rollout or its run by id, a run by name, a model, or `latest`."""
    if word is None:
        return "/"
    if word == "latest":
        last = max(last_rollouts(reading.ledger), key=lambda one: one.started_at, default=None)
        return f"/rollouts/{quote(last.id)}" if last else "/"
    if (last := current(reading.ledger, word)) is not None:
        return f"/rollouts/{quote(last.id)}"
    with suppress(NotFoundError):
        return f"/rollouts/{quote(reading.find(word).id)}"
    return f"/rollouts/{quote(reading.find(str(orchestrator.find(word).id)).id)}"


def listen(settings: Settings) -> socket.socket:
    """Return the page's socket, so that a browser finds it. Raises StackError when its port is taken."""
    try:
        return socket.create_server(("127.0.0.1", settings.page_port))
    except OSError as error:
        raise StackError(
            f"port {settings.page_port} of 127.0.0.1: {os.strerror(error.errno or 0)}. If another `firstflight open` "
            f"runs, its page is {settings.page}; else set FIRSTFLIGHT_PAGE_PORT to a free port"
        ) from error


def serve(answers: "ASGIApp", listening: socket.socket, ended: threading.Event) -> None:
    """Answer until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        server(answers, ended).run(sockets=[listening])


def server(answers: "ASGIApp", ended: threading.Event) -> "uvicorn.Server":
    """Return what serves the page, and sets `ended` before it waits for what is still being answered."""
    import uvicorn  # noqa: PLC0415 - see above

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            ended.set()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        answers,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        limit_concurrency=64,
        timeout_graceful_shutdown=10,
    )
    return Server(config)


def _open_prefect(settings: Settings, orchestrator: Orchestrator, run: str | None, *, as_json: bool) -> None:
    """Open the page of `run`, else of all runs, and say what to do where there is no browser."""
    found = orchestrator.find(run) if run else None
    page = settings.run_page(found.id) if found else f"{settings.prefect_page.rstrip('/')}/v2/runs"
    ours = settings.prefect_api == settings.local_prefect_api
    address = sign_in.door(settings, urlsplit(page).path).as_uri() if ours else page
    opened = webbrowser.open(address)
    if as_json:
        typer.echo(json.dumps({"page": page, "address": address, "opened": opened}))
    elif opened:
        typer.echo(f"{page}: opened")
    else:
        typer.echo(f"no browser here; open {address}")
        if ours:
            typer.echo(f"or {page}, which asks once for the password in {settings.prefect_password_file}")
