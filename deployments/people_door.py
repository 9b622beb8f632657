"""What people may ask of a cluster's Prefect: `python -m deployments.people_door`, behind a sign-in, in the same pod.

Prefect has one password for all: who has it chooses what a run executes and answers in anybody's name. People do not
get it. They sign in at a proxy (k8s/examples/people.yaml), which says who they are in a header, and come through here:
they may read, start a deployment by its parameters, cancel a run, and answer a run that asks. Whoever answers is who
signed in, whatever the form says.
"""

import base64
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

IDENTITY = "x-forwarded-email"
"""What the proxy before says of who signed in; it takes away what a browser sends under that name."""
MOST_BYTES = 1 << 20
_SECONDS = 60.0
_ID = r"[0-9a-f-]{36}"
_READS = re.compile(
    r"/api/(?!block_|admin|variables)[a-z_/-]+/(filter|count|paginate|history|lateness|next-runs|counts|count-[a-z-]+)"
    rf"|/api/flow_runs/{_ID}/input/filter|/api/events/count-by/[a-z]+|/api/ui/schemas/validate"
)
_CROOKED = re.compile(r"/\.{0,2}/|[%\\;\x00-\x1f]")
_SECRETIVE = re.compile(r"/api/(block_|admin/(?!version$)|variables)")
_STARTS = re.compile(rf"/api/deployments/{_ID}/create_flow_run")
_ANSWERS = re.compile(rf"/api/flow_runs/{_ID}/resume")
_CHANGES = re.compile(rf"/api/flow_runs/{_ID}/set_state")
_OF_A_RUN = ("name", "parameters", "tags", "idempotency_key")
_PASSED_ON = (
    "accept",
    "accept-language",
    "content-type",
    "if-modified-since",
    "if-none-match",
    "x-prefect-api-version",
)
_NOT_PASSED_BACK = {
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "server",
    "set-cookie",
    "transfer-encoding",
}


class Refused(Exception):  # noqa: N818 - what a person is told
    """Nobody may ask that here."""


def asked(method: str, path: str, body: Any, who: str) -> Any:
    """Return the body to pass on of what `who` asks.

    Raises:
        Refused: It is not among what people may ask.
    """
    if _CROOKED.search(
        path if path.endswith("/") else f"{path}/"
    ):  # whoever reads it next may take it for another path
        raise Refused(f"{method} {path}")
    if method in {"GET", "HEAD"} and not _SECRETIVE.match(path):
        return None
    if method != "POST" or (body is not None and not isinstance(body, dict)):
        raise Refused(f"{method} {path}")
    told: dict[str, Any] = body or {}
    if _READS.fullmatch(path):
        return told
    if _STARTS.fullmatch(path):
        if told.get("job_variables") or told.get("work_queue_name"):
            raise Refused("what a run executes, and where, is no choice of who starts it")
        return {key: told[key] for key in _OF_A_RUN if key in told} | {"enforce_parameter_schema": True}
    if _ANSWERS.fullmatch(path):
        if not isinstance(answer := told.get("run_input"), dict):
            raise Refused("an answer needs its form")
        return {"run_input": {**answer, "approver": who}}
    if _CHANGES.fullmatch(path) and isinstance(state := told.get("state"), dict) and state.get("type") == "CANCELLING":
        return {"state": {"type": "CANCELLING", "message": f"cancelled by {who}"}}
    raise Refused(f"{method} {path}")


def door(prefect: httpx.AsyncClient) -> Starlette:
    """Return the application before the Prefect server that `prefect` reaches, with its password."""

    async def answer(request: Request) -> Response:
        who = request.headers.get(IDENTITY, "")
        if not who.isprintable() or not who:
            return JSONResponse({"detail": "nobody signed in"}, 401)
        content = await request.body()
        path = request.url.path
        if len(content) > MOST_BYTES:
            return JSONResponse({"detail": "a body has 1 MiB at most"}, 413)
        try:
            body = asked(request.method, path, json.loads(content) if content else None, who)
        except (Refused, ValueError) as error:
            return JSONResponse({"detail": f"not from here: {error}"}, 403)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        told = await prefect.request(request.method, path, params=request.query_params, json=body, headers=headers)
        if path.endswith("/ui-settings") and told.is_success:
            return JSONResponse({**told.json(), "auth": None})  # the page would ask for the password
        return Response(told.content, told.status_code, _kept(told.headers))

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])])


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_BACK}


def client() -> httpx.AsyncClient:
    """Return how Prefect is reached, by PREFECT_API_URL and PREFECT_API_AUTH_STRING."""
    word = base64.b64encode(os.environ["PREFECT_API_AUTH_STRING"].encode()).decode()
    url = os.environ["PREFECT_API_URL"].removesuffix("/api")
    return httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Basic {word}"}, timeout=_SECONDS, trust_env=False
    )


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(door(client()), host="127.0.0.1", port=8080, access_log=False)
