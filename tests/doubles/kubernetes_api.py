"""A Kubernetes API over HTTP, as far as our client of Seldon's kinds uses one, with faults to be told of.

kmock 0.8, made for this, has no resourceVersions, server-side apply, field owners or strict validation, on which all of
that client rests; so this. It follows https://kubernetes.io/docs/reference/using-api/. Unlike a real API server it
validates names and types of the fields that `_FIELDS` lists and nothing else; it knows ownership of whole fields, lists
being one field each, as they are in CRDs that say nothing else.
"""

import copy
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from kubernetes import client

from firstflight.serving.seldon.resources import API_VERSION

Object = dict[str, Any]
Paths = dict[tuple[str, ...], Any]

NAMESPACE = "models"
_KINDS = {"Model": "models", "Experiment": "experiments"}
_GROUPS = (API_VERSION, "coordination.k8s.io/v1")
_FIELDS = {
    "models": {
        **dict.fromkeys(("storageUri", "modelType", "server", "secretName", "memory"), str),
        **dict.fromkeys(("requirements", "parameters"), list),
        **dict.fromkeys(("replicas", "minReplicas", "maxReplicas", "artifactVersion"), int),
        **dict.fromkeys(("explainer", "llm", "logger", "dataflow"), dict),
    },
    "experiments": {"default": str, "candidates": list, "mirror": dict, "resourceType": str},
}
_REQUIRED = {"models": "storageUri", "experiments": "candidates"}


class Refusal(Exception):  # noqa: N818 what a server says
    """An answer that is none of success."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
            "details": details or {},
        }


@dataclass(frozen=True)
class Fault:
    """What the next matching request meets instead of an answer: a code, or with 0 a closed connection."""

    code: int
    method: str = ""
    plural: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Kept:
    body: Object
    owners: dict[tuple[str, ...], set[str]] = field(default_factory=dict)


class KubernetesApi:
    """Listens from `with` on; `changed` is called after each write of somebody else than the operator."""

    def __init__(self) -> None:
        self.changed: Callable[[str, str], None] = lambda _plural, _name: None
        self.faults: list[Fault] = []
        self.down = False
        self.asked: Counter[str] = Counter()
        """Requests by verb and kind: `list models`, `get models`, `patch experiments`."""
        self.applied: list[Object] = []
        """The query of each PATCH, with the name under `name`."""
        self.drop_watches_after: int | None = None
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._events: list[tuple[int, str, str, Object]] = []
        self._version = 100
        self._oldest = 0
        self._news = threading.Condition(threading.RLock())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._ended = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._news:
            self._ended = True
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()

    @property
    def configuration(self) -> client.Configuration:
        """How to reach it."""
        found = client.Configuration()
        found.host = f"http://127.0.0.1:{self._server.server_port}"
        found.retries = False
        return found

    def forget_history(self) -> None:
        """Make every earlier resourceVersion too old to watch from."""
        with self._news:
            self._version += 1
            self._oldest = self._version

    def read(self, plural: str, name: str) -> Object | None:
        """Return an object, as an operator's cache would have it."""
        with self._news:
            kept = self._kept.get((plural, name))
            return copy.deepcopy(kept.body) if kept else None

    def names(self, plural: str) -> list[str]:
        """Return the names of all objects of a kind."""
        with self._news:
            return [name for kind, name in self._kept if kind == plural]

    def edit(self, plural: str, name: str, change: Callable[[Object], None], owner: str = "kubectl-edit") -> None:
        """Change an object as somebody else would, who then owns what has changed."""
        with self._news:
            kept = self._kept[plural, name]
            body = copy.deepcopy(kept.body)
            change(body)
            before, after = _leaves(kept.body), _leaves(body)
            for path in {path for path in after if after[path] != before.get(path)}:
                kept.owners[path] = {owner}
            self._keep(plural, name, body, kept.owners)
        self.changed(plural, name)

    def add(self, plural: str, name: str, spec: Object) -> None:
        """Make an object that is not ours."""
        kind = next(kind for kind, known in _KINDS.items() if known == plural)
        body = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
        self.apply(plural, name, body, "somebody", force=False)

    def report(self, plural: str, name: str, change: Callable[[Object], None]) -> None:
        """Change status or finalizers as the operator does: the generation stays."""
        with self._news:
            if (kept := self._kept.get((plural, name))) is None:
                return
            body = copy.deepcopy(kept.body)
            change(body)
            if "deletionTimestamp" in body["metadata"] and not body["metadata"].get("finalizers"):
                self._end(plural, name)
            elif body != kept.body:
                self._keep(plural, name, body, kept.owners)

    def apply(self, plural: str, name: str, manifest: Object, owner: str, *, force: bool) -> tuple[int, Object]:
        """Server-side apply."""
        with self._news:
            _validate(plural, manifest)
            kept = self._kept.get((plural, name))
            wanted = manifest["metadata"].get("resourceVersion")
            if wanted and (kept is None or wanted != kept.body["metadata"]["resourceVersion"]):
                raise Refusal(409, "Conflict", f"{name}: the object has been modified; apply to the latest version")
            body = copy.deepcopy(kept.body) if kept else self._born(name, manifest)
            owners = {path: set(by) for path, by in kept.owners.items()} if kept else {}
            given, present = _leaves(manifest), _leaves(body)
            taken = {
                path: by
                for path, value in given.items()
                if (by := owners.get(path, set()) - {owner}) and present.get(path) != value
            }
            if taken and not force:
                causes = [
                    {
                        "reason": "FieldManagerConflict",
                        "field": "." + ".".join(path),
                        "message": f"conflict with {sorted(by)}",
                    }
                    for path, by in taken.items()
                ]
                told = f"Apply failed with {len(taken)} conflict(s): {causes}"
                raise Refusal(409, "Conflict", told, {"name": name, "causes": causes})
            for path in [path for path, by in owners.items() if owner in by and path not in given]:
                owners[path].discard(owner)
                if not owners[path]:
                    del owners[path]
                    _remove(body, path)
            for path, value in given.items():
                _set(body, path, value)
                owners[path] = {owner} if path in taken else {*owners.get(path, ()), owner}
            if _REQUIRED[plural] not in body.get("spec", {}):
                raise Refusal(422, "Invalid", f"{name}: spec.{_REQUIRED[plural]}: Required value")
            body = self._keep(plural, name, body, owners)
        self.changed(plural, name)
        return (200 if kept else 201), body

    def create(self, plural: str, manifest: Object) -> Object:
        """Make an object that is not there yet."""
        name = manifest["metadata"]["name"]
        with self._news:
            if (plural, name) in self._kept:
                raise Refusal(409, "AlreadyExists", f'{plural} "{name}" already exists', {"name": name})
            _require_microseconds(manifest)
            manifest["metadata"] = {**manifest["metadata"], **self._born(name, manifest)["metadata"]}
            return self._keep(plural, name, manifest, {})

    def replace(self, plural: str, name: str, manifest: Object) -> Object:
        """Put an object in the place of the one that it was read as."""
        with self._news:
            kept = self._found(plural, name)
            _require_microseconds(manifest)
            if manifest["metadata"].get("resourceVersion") != kept.body["metadata"]["resourceVersion"]:
                raise Refusal(409, "Conflict", f"{name}: the object has been modified; apply to the latest version")
            return self._keep(plural, name, manifest, kept.owners)

    def merge(self, plural: str, name: str, subresource: str, patch: Object) -> Object:
        """Merge into the status, or into the finalizers: what an operator writes over HTTP."""
        with self._news:
            kept = self._found(plural, name)
            if patch["metadata"].pop("resourceVersion") != kept.body["metadata"]["resourceVersion"]:
                raise Refusal(409, "Conflict", f"{name}: the object has been modified; apply to the latest version")

            def change(body: Object) -> None:
                if subresource == "status":
                    body["status"] = {**body.get("status", {}), **patch["status"]}
                elif (finalizers := patch["metadata"]["finalizers"]) is None:
                    body["metadata"].pop("finalizers", None)
                else:
                    body["metadata"]["finalizers"] = finalizers

            self.report(plural, name, change)
            return copy.deepcopy(kept.body if (now := self._kept.get((plural, name))) is None else now.body)

    def delete(self, plural: str, name: str, version: str | None = None) -> Object:
        """Delete, at once or when the finalizers are done; `version` is the one it must still have."""
        with self._news:
            kept = self._found(plural, name)
            body = copy.deepcopy(kept.body)
            if version not in {None, body["metadata"]["resourceVersion"]}:
                raise Refusal(409, "Conflict", f"{name}: the object has been modified")
            if body["metadata"].get("finalizers"):
                if "deletionTimestamp" not in body["metadata"]:
                    body["metadata"]["deletionTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                    self._keep(plural, name, body, kept.owners)
            else:
                self._end(plural, name)
        self.changed(plural, name)
        return {"kind": "Status", "status": "Success"}

    def list(self, plural: str, selector: str = "") -> Object:
        """All objects of a kind that have the labels of the selector."""
        wanted = dict(part.split("=") for part in selector.split(",") if part).items()
        with self._news:
            every = [copy.deepcopy(kept.body) for (kind, _), kept in self._kept.items() if kind == plural]
            items = [one for one in every if wanted <= (one["metadata"].get("labels") or {}).items()]
            return {"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items}

    def get(self, plural: str, name: str) -> Object:
        """One object."""
        with self._news:
            return copy.deepcopy(self._found(plural, name).body)

    def events(self, plural: str, name: str, since: int, seconds: float, send: Callable[[Object], None]) -> None:
        """Send each event of one object as it comes."""
        deadline, sent = time.monotonic() + seconds, 0
        while True:
            with self._news:
                if since < self._oldest:
                    said = Refusal(410, "Expired", "too old resource version").status
                    fresh: list[tuple[int, str, Object]] = [(since, "ERROR", said)]
                else:
                    fresh = [
                        (version, what, body)
                        for version, kind, what, body in self._events
                        if version > since and kind == plural and body["metadata"]["name"] == name
                    ]
                if not fresh:
                    left = deadline - time.monotonic()
                    if left <= 0 or self._ended or self.down:
                        return
                    self._news.wait(min(left, 0.2))
            for version, what, body in fresh:
                send({"type": what, "object": body})
                if what == "ERROR":
                    return
                since, sent = version, sent + 1
                if self.drop_watches_after is not None and sent >= self.drop_watches_after:
                    raise ConnectionError

    def fault(self, method: str, plural: str) -> Fault | None:
        """Return what this request meets, if anything."""
        with self._news:
            for fault in self.faults:
                if fault.method in {"", method} and fault.plural in {"", plural}:
                    self.faults.remove(fault)
                    return fault
        return None

    def _found(self, plural: str, name: str) -> _Kept:
        if (kept := self._kept.get((plural, name))) is None:
            raise Refusal(404, "NotFound", f'{plural} "{name}" not found', {"name": name, "kind": plural})
        return kept

    def _born(self, name: str, manifest: Object) -> Object:
        metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{self._version}", "generation": 0}
        return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}

    def _keep(self, plural: str, name: str, body: Object, owners: dict[tuple[str, ...], set[str]]) -> Object:
        present = self._kept.get((plural, name))
        if present is not None and body == present.body:
            return copy.deepcopy(body)
        self._version += 1
        if present is None or body.get("spec") != present.body.get("spec"):
            body["metadata"]["generation"] += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self._kept[plural, name] = _Kept(body, owners)
        self._events.append((self._version, plural, "MODIFIED" if present else "ADDED", copy.deepcopy(body)))
        self._news.notify_all()
        return copy.deepcopy(body)

    def _end(self, plural: str, name: str) -> None:
        kept = self._kept.pop((plural, name))
        self._version += 1
        self._events.append((self._version, plural, "DELETED", copy.deepcopy(kept.body)))
        self._news.notify_all()


def _leaves(body: Object) -> Paths:
    """Fields by path, lists whole; what the server itself owns is left out."""
    found: Paths = {}

    def walk(thing: Any, path: tuple[str, ...]) -> None:
        if isinstance(thing, dict):
            for key, value in thing.items():
                walk(value, (*path, key))
        else:
            found[path] = thing

    metadata = body.get("metadata", {})
    walk(body.get("spec", {}), ("spec",))
    for part in ("labels", "annotations"):
        walk(metadata.get(part, {}), ("metadata", part))
    return found


def _set(body: Object, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        body = body.setdefault(key, {})
    body[path[-1]] = copy.deepcopy(value)


def _remove(body: Object, path: tuple[str, ...]) -> None:
    *way, last = path
    for key in way:
        body = body.get(key, {})
    body.pop(last, None)


def _validate(plural: str, manifest: Object) -> None:
    unknown = sorted(set(manifest.get("spec", {})) - set(_FIELDS[plural]))
    if unknown:
        told = "; ".join(f".spec.{name}: field not declared in schema" for name in unknown)
        raise Refusal(500, "InternalError", f"failed to create typed patch object: {told}")  # as 1.36 says it
    for name, value in manifest.get("spec", {}).items():
        if not isinstance(value, _FIELDS[plural][name]):
            raise Refusal(422, "Invalid", f"spec.{name}: Invalid value: {value!r}")


def _require_microseconds(lease: Object) -> None:
    """The API reads a MicroTime with just six digits after the point, and nothing else."""
    text = lease["spec"].get("renewTime", "")
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", text):
        wanted = "2006-01-02T15:04:05.000000Z07:00"
        raise Refusal(400, "BadRequest", f'Lease cannot be handled as a Lease: parsing time "{text}" as "{wanted}"')


def _handler(api: KubernetesApi) -> type[BaseHTTPRequestHandler]:  # noqa: C901 a server's verbs
    prefixes = tuple(f"/apis/{group}/namespaces/{NAMESPACE}/" for group in _GROUPS)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 2**16  # else head and body are two packets, and the second waits for the first's acknowledgement

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ValueError):
                self.close_connection = True

        def finish(self) -> None:
            with suppress(ConnectionError, ValueError):  # nobody reads the rest
                super().finish()

        def do_GET(self) -> None:
            self._answer("get")

        def do_PATCH(self) -> None:
            self._answer("patch")

        def do_POST(self) -> None:
            self._answer("post")

        def do_PUT(self) -> None:
            self._answer("put")

        def do_DELETE(self) -> None:
            self._answer("delete")

        def _answer(self, verb: str) -> None:
            address = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(address.query).items()}
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            prefix = next((one for one in prefixes if address.path.startswith(one)), None)
            if prefix is None:
                self._send(404, b"404 page not found")
                return
            plural, _, name = address.path.removeprefix(prefix).partition("/")
            if verb == "get" and not name:
                verb = "watch" if query.get("watch") == "true" else "list"
            api.asked[f"{verb} {plural}"] += 1
            fault = Fault(0) if api.down else api.fault(verb, plural)
            if fault is not None:
                self._fail(fault)
                return
            try:
                if verb == "watch":
                    self._stream(plural, query)
                    return
                code, body = self._do(verb, plural, name, query, content)
            except Refusal as refusal:
                code, body = refusal.code, refusal.status
            self._send(code, json.dumps(body).encode())

        def _do(self, verb: str, plural: str, name: str, query: dict[str, str], content: bytes) -> tuple[int, Object]:
            match verb:
                case "list":
                    return 200, api.list(plural, query.get("labelSelector", ""))
                case "post":
                    return 201, api.create(plural, json.loads(content))
                case "put":
                    return 200, api.replace(plural, name, json.loads(content))
                case "get":
                    return 200, api.get(plural, name)
                case "delete":
                    preconditions = json.loads(content or b"{}").get("preconditions") or {}
                    return 200, api.delete(plural, name, preconditions.get("resourceVersion"))
                case _:
                    return self._patch(plural, name, query, json.loads(content))

        def _patch(self, plural: str, name: str, query: dict[str, str], body: Object) -> tuple[int, Object]:
            if self.headers["Content-Type"] == "application/merge-patch+json":
                return 200, api.merge(plural, *name.partition("/")[::2], body)
            api.applied.append({**query, "name": name, "type": self.headers["Content-Type"]})
            return api.apply(plural, name, body, query["fieldManager"], force=query["force"] == "true")

        def _fail(self, fault: Fault) -> None:
            if not fault.code:
                self.close_connection = True
                self.connection.close()
                return
            said = Refusal(fault.code, "Told", "as the test says").status
            self._send(fault.code, json.dumps(said).encode(), fault.headers)

        def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, plural: str, query: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

            def send(event: Object) -> None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.flush()

            name = query["fieldSelector"].removeprefix("metadata.name=")
            try:
                api.events(plural, name, int(query["resourceVersion"]), float(query["timeoutSeconds"]), send)
                self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:
                self.close_connection = True
                self.connection.close()

    return Handler
