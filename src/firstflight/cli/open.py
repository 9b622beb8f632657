"""Prefect's page in a browser."""

import json
import webbrowser
from urllib.parse import urlsplit

import typer

from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.stack import sign_in


def open(run: str | None, *, as_json: bool) -> None:  # noqa: A001 - the command's name
    """Open the page of `run`, else of all runs, and say what to do where there is no browser."""
    settings = Settings()
    found = Orchestrator(settings.prefect_api, settings.prefect_auth).find(run) if run else None
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
