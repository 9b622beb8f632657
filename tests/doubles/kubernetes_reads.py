"""A Kubernetes API that is only read from, over real HTTP: discovery, lists, Secrets, and refusals."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from firstflight.serving.seldon.diagnosis.snapshot import GROUP, KINDS, VERSION, Snapshot, Unseen


class ReadApi:
    """What it answers, by path: a body, or a status to refuse with; every other path is 404. Counts requests."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.address = ""

    def answer(self, path: str) -> tuple[int, Any]:
        """Return status and body."""
        self.asked.append(path)
        found = self.answers.get(path.partition("?")[0], 404)
        if isinstance(found, int):
            return found, {"kind": "Status", "code": found, "message": f"refused: {path}"}
        return 200, found


def bare() -> dict[str, Any]:
    """Return the answers of an API server that has Seldon's CRDs and nothing else."""
    return {
        "/version": {"gitVersion": "v1.31.2"},
        "/api/v1/namespaces/firstflight": {"metadata": {"name": "firstflight"}},
        f"/apis/{GROUP}": {"versions": [{"version": VERSION}]},
        f"/apis/{GROUP}/{VERSION}": {"resources": [{"name": kind} for kind in (*KINDS, "models/status")]},
        f"/apis/{GROUP}/{VERSION}/servers": {"items": []},
    }


def holding(snapshot: Snapshot) -> dict[str, Any]:
    """Return the answers of an API server that holds what the snapshot says."""
    answers = bare()
    for kind, listing in snapshot.listings.items():
        seldon = f"/apis/{GROUP}/{VERSION}"
        group = {
            "statefulsets": "/apis/apps/v1",
            "networkpolicies": "/apis/networking.k8s.io/v1",
        }.get(kind, seldon if kind in KINDS else "/api/v1")
        namespace = snapshot.operator_namespace if kind == "serverconfigs" else snapshot.namespace
        path = f"{group}/namespaces/{namespace}/{kind}"
        answers[path] = 403 if isinstance(listing, Unseen) else {"items": list(listing)}
    for name, secret in snapshot.secrets.items():
        if secret is not None:
            path = f"/api/v1/namespaces/{snapshot.namespace}/secrets/{name}"
            answers[path] = 403 if isinstance(secret, Unseen) else secret
    return answers


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[ReadApi]:
    """Serve the answers on a free loopback port."""
    api = ReadApi(answers)

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            code, body = api.answer(self.path)
            content = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        api.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
