"""Seldon Core's scheduler and Envoy beside a Kubernetes API double, as v2.10.2 was seen to behave (November 2026).

It plays the traps too: reason and message are swapped; every error of an experiment stands in a condition of type
`ModelReady` and stays there, with a scheduler that is away as well; `Ready` stays from before until a change is taken;
a scheduler that comes back takes what was written meanwhile and tells nobody; status events may come in reverse; times
have whole seconds; agents answer REST questions about a model with 400, know three calls of gRPC, and load a
model again whose server says 400 or 404.
"""

import contextlib
import json
import queue
import random
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, Self

import boto3
import grpc

from firstflight.domain.digest import folder_digest
from firstflight.domain.versions import MLFLOW_FILE
from firstflight.serving.seldon.open_inference import MESSAGES
from firstflight.workloads.market.features.indicators import ROWS
from tests.doubles.kubernetes_api import Object

_MISSING = {400, 404}
_FINALIZERS = {"models": "seldon.model.finalizer", "experiments": "seldon.experiment.finalizer"}


@dataclass(frozen=True)
class Loaded:
    """What a model server has loaded: the scheduler's number of it, who it says it is, and the files' digest."""

    number: int
    served_name: str
    digest: str


@dataclass
class Split:
    """What Envoy has of an experiment."""

    default: str | None
    weights: dict[str, int]
    mirror: str | None
    active: bool = True


@dataclass
class Behaviour:
    """What goes otherwise than well, by the names of models or experiments."""

    fails: dict[str, str] = field(default_factory=dict)
    unscheduled: set[str] = field(default_factory=set)
    rejects: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Experiments whose changes are never taken; they stay `Ready` as they were."""
    stale_envoy: set[str] = field(default_factory=set)
    """Experiments of which Seldon says that they are active, and Envoy never hears."""
    reversed: set[str] = field(default_factory=set)
    """Experiments whose two status events arrive in reverse, so that they seem inactive for good."""
    deaf: set[str] = field(default_factory=set)
    """Experiments whose next generation is lost on the way; the one after it is taken."""
    still_ending: set[str] = field(default_factory=set)
    """Names of which the next Model comes too early: the scheduler ends another, says so, and never tries again."""
    ghosts: set[str] = field(default_factory=set)
    """Models whose next deletion finds a scheduler that has just come back: the finalizer goes, the model stays."""
    hanging: set[str] = field(default_factory=set)
    """Models whose server answers nothing."""
    blame: int = 422
    """What model servers answer to what is no request, as our runtime does."""


class Operated(Protocol):
    """What an operator needs of the API: to hear of changes, to read, and to report status and finalizers."""

    changed: Callable[[str, str], None]

    def read(self, plural: str, name: str) -> Object | None:
        """Return an object."""

    def report(self, plural: str, name: str, change: Callable[[Object], None]) -> None:
        """Change status or finalizers of an object, if it is still there."""


class Seldon:
    """Operator, scheduler, agent and Envoy of one namespace; acts soon after each change, on its own thread."""

    def __init__(self, api: Operated) -> None:
        self.behaviour = Behaviour()
        self.loaded: dict[str, Loaded] = {}
        self.splits: dict[str, Split] = {}
        self.mirrored: Counter[str] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        """Answers by Envoy's cluster and code."""
        self.reloaded: Counter[str] = Counter()
        """How often an agent took a model for missing, by its server's answer, and loaded it again."""
        self.going = threading.Event()
        """Cleared: the scheduler is away, and nothing is taken until it is back."""
        self.going.set()
        self._api = api
        self._seen: dict[tuple[str, str], int] = {}
        self._todo: queue.Queue[tuple[str, str] | None] = queue.Queue()
        self._chance = random.Random(7)
        self._lock = threading.RLock()
        self._grpc = grpc.server(ThreadPoolExecutor(16), (_Agents(self),))
        self._server = _Mesh(_handler(self), self._grpc.add_insecure_port("127.0.0.1:0"))
        self._worker = threading.Thread(target=self._work, daemon=True)
        api.changed = lambda plural, name: self._todo.put((plural, name))

    def __enter__(self) -> Self:
        self._worker.start()
        self._grpc.start()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.going.set()
        self._todo.put(None)
        self._worker.join(timeout=10)
        self._grpc.stop(None)
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where its mesh answers."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def lose(self, model: str) -> None:
        """Lose the last replica of a model, as when its server dies."""
        with self._lock:
            del self.loaded[model]
            self._api.report("models", model, lambda body: _tell_model(body, "ScheduleFailed", _NOWHERE, 0))
            self._revise()

    def find(self, model: str) -> None:
        """Get a lost model back."""
        self._seen.pop(("models", model))
        self._todo.put(("models", model))

    def choose(self, asked: str, sticky: str | None) -> str | None:
        """Return the model that Envoy sends a request to, None when it has no route."""
        with self._lock:
            split = self._split(asked)
            weights = split.weights if split else {asked: 1} if asked in self.loaded else {}
            if sticky is not None:
                fixed = [name for name in weights if f":{name}_{self.loaded[name].number}:" in sticky]
                return fixed[0] if len(weights) > 1 and fixed else None
            if not weights or not any(weights.values()):
                return None
            chosen = self._chance.choices(list(weights), list(weights.values()))[0]
            if split and split.mirror:
                self.mirrored[split.mirror] += 1
            return chosen

    def _split(self, asked: str) -> Split | None:
        if asked.endswith(".experiment"):
            split = self.splits.get(asked.removesuffix(".experiment"))
            if split is None or split.active:
                return split
            kept: dict[str, int] = {}
            for name, weight in split.weights.items():  # those before the one that cannot be reached
                if name not in self.loaded:
                    break
                kept[name] = weight
            return Split(split.default, kept, None)
        return next((one for one in self.splits.values() if one.default == asked and one.active), None)

    def _work(self) -> None:
        late = 0
        while (item := self._todo.get()) is not None:
            plural, name = item
            waits = not self.going.is_set()
            away = waits or late > 0
            if away:
                self._tell_unavailable(plural, name)
                while not self.going.wait(0.02):  # what is written meanwhile is tried in vain, too
                    for one in {item, *filter(None, list(self._todo.queue))}:
                        self._tell_unavailable(*one)
                self._tell_unavailable(plural, name)
            late = self._todo.qsize() if waits else max(0, late - 1)
            with self._lock:
                body = self._api.read(plural, name)
                if body is None or "deletionTimestamp" in body["metadata"]:
                    self._end(plural, name)
                elif self._seen.get(item) != body["metadata"]["generation"]:  # reconciles new generations only
                    away = away and item in self._seen
                    self._seen[item] = body["metadata"]["generation"]
                    self._api.report(plural, name, lambda body, kind=plural: _finalize(body, kind))
                    if plural == "models":
                        self._model(name, body)
                    else:
                        self._experiment(name, body, silently=away)

    def _tell_unavailable(self, plural: str, name: str) -> None:
        """Write what the operator says of an experiment while it cannot reach the scheduler; it stays for good."""
        if plural == "experiments" and self._seen.get((plural, name)) != _generation(self._api.read(plural, name)):
            text = "rpc error: code = Unavailable desc = connection error: dial tcp: connect: connection refused"
            self._api.report(plural, name, lambda body: _tell(body, "ModelReady", "False", text))

    def _end(self, plural: str, name: str) -> None:
        self._seen.pop((plural, name), None)
        if plural == "models" and name in self.behaviour.ghosts:
            self.behaviour.ghosts.discard(name)
        elif plural == "models":
            self.loaded.pop(name, None)
            self._revise()
        else:
            self.splits.pop(name, None)
        self._api.report(plural, name, lambda body: body["metadata"].pop("finalizers", None))

    def _model(self, name: str, body: Object) -> None:
        def tell(state: str, reason: str, replicas: int) -> None:
            self._api.report("models", name, lambda body: _tell_model(body, state, reason, replicas))

        tell("ModelProgressing", "", 0)
        if name in self.behaviour.unscheduled:
            tell("ScheduleFailed", _NOWHERE, 0)
        elif name in self.behaviour.still_ending:
            self.behaviour.still_ending.discard(name)
            tell("ModelFailed", f"Model {name} is in process of deletion - new model can not be created", 0)
        elif (error := self.behaviour.fails.get(name)) is not None:
            tell("ModelFailed", error, 0)
        elif not body["metadata"].get("labels"):
            tell("ModelFailed", "failed to sync/copy: somebody else's folder is not there", 0)
        elif not body["spec"]["storageUri"].startswith("s3://"):
            tell("ModelFailed", "failed to sync/copy /nowhere: Failed rclone request to host:127.0.0.1", 0)
        else:
            number = self.loaded[name].number + 1 if name in self.loaded else body["metadata"]["generation"]
            self.loaded[name] = _load(body["spec"]["storageUri"], number)
            tell("ModelAvailable", "", body["spec"].get("replicas", 1))
            self._revise()

    def _experiment(self, name: str, body: Object, *, silently: bool = False) -> None:
        spec = body["spec"]
        if name in self.behaviour.silent:
            return
        if name in self.behaviour.deaf:
            self.behaviour.deaf.discard(name)
            return
        others = {other: split.default for other, split in self.splits.items() if other != name}
        error = self.behaviour.rejects.get(name)
        if spec.get("default") is not None and spec["default"] in others.values():
            error = f"Resource {spec['default']} already in experiment"
        if error is not None:
            error = f"rpc error: code = FailedPrecondition desc = {error}"
            self._api.report("experiments", name, lambda body: _tell(body, "ModelReady", "False", error))
            return
        if not silently:
            self._tell_experiment(name, active=False, reason="")
        weights = {one["name"]: one["weight"] for one in spec["candidates"]}
        split = Split(spec.get("default"), weights, (spec.get("mirror") or {}).get("name"), active=False)
        if name not in self.behaviour.stale_envoy:
            self.splits[name] = split
        self._activate(name, split)
        if name in self.behaviour.reversed:
            self._tell_experiment(name, active=False, reason="")

    def _activate(self, name: str, split: Split) -> None:
        candidates = all(one in self.loaded for one in split.weights)
        mirror = split.mirror is None or split.mirror in self.loaded
        active = candidates and mirror
        split.active = active

        def parts(body: Object) -> None:
            _tell(
                body, "CandidatesReady", str(candidates), "Candidates ready" if candidates else "Candidates not ready"
            )
            _tell(body, "MirrorReady", str(mirror), "Mirror ready" if mirror else "Mirror not ready")

        self._api.report("experiments", name, parts)
        self._tell_experiment(name, active=active, reason="experiment active" if active else "")

    def _tell_experiment(self, name: str, *, active: bool, reason: str) -> None:
        def change(body: Object) -> None:
            _tell(body, "ExperimentReady", str(active), reason)
            _tell(body, "Ready", str(active), reason)

        self._api.report("experiments", name, change)

    def _revise(self) -> None:
        for name, split in self.splits.items():
            self._activate(name, split)


def _generation(body: Object | None) -> int | None:
    return body["metadata"]["generation"] if body else None


_NOWHERE = "Failed to schedule model as no matching servers are available"


def _finalize(body: Object, plural: str) -> None:
    body["metadata"]["finalizers"] = [_FINALIZERS[plural]]


def _tell_model(body: Object, state: str, reason: str, replicas: int) -> None:
    ready = str(state == "ModelAvailable")
    _tell(body, "ModelReady", ready, reason, state)
    _tell(body, "Ready", ready, reason, state)
    body["status"]["availableReplicas"] = replicas
    body["status"]["replicas"] = body["spec"].get("replicas", 1)


def _tell(body: Object, kind: str, status: str, reason: str, message: str = "") -> None:
    conditions = body.setdefault("status", {}).setdefault("conditions", [])
    old = next((one for one in conditions if one["type"] == kind), None)
    new = {"type": kind, "status": status, "reason": reason, "message": message}
    if old is None or any(old[key] != new[key] for key in new):
        new["lastTransitionTime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body["status"]["conditions"] = [*(one for one in conditions if one["type"] != kind), new]


def _load(uri: str, number: int) -> Loaded:
    """Copy as rclone would, and read what the model server would."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    with closing(boto3.client("s3")) as store, tempfile.TemporaryDirectory() as folder:
        for one in store.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]:
            path = Path(folder) / one["Key"].removeprefix(f"{prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
        settings = json.loads((Path(folder) / "model-settings.json").read_bytes())
        own = Path(folder) / settings["parameters"]["uri"]
        # The code of an MLflow model is a part of it, held to its digest; a server would import any other unasked.
        of_it = set(own.rglob("*.py")) if (own / MLFLOW_FILE).is_file() else set()
        assert set() == set(Path(folder).rglob("*.py")) - of_it
        digest = folder_digest(own)
        return Loaded(number, settings["parameters"]["extra"]["served_name"], digest)


def _stats(answered: Counter[tuple[str, int]], loaded: Mapping[str, Loaded]) -> str:
    """Return what Envoy's `/stats/prometheus` says of its clusters, unasked ones too; each request took 8 ms here."""
    lines = []
    for cluster in sorted(
        {f"{name}_{one.number}_http" for name, one in loaded.items()} | {name for name, _ in answered}
    ):
        label = f'envoy_cluster_name="{cluster}"'
        total = sum(count for (name, _), count in answered.items() if name == cluster)
        failed = sum(count for (name, code), count in answered.items() if name == cluster and code >= 500)
        lines += [
            f"envoy_cluster_upstream_rq_total{{{label}}} {total}",
            f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="2",{label}}} {total - failed}',
            f'envoy_cluster_upstream_rq_xx{{envoy_response_code_class="5",{label}}} {failed}',
            f"envoy_cluster_upstream_rq_retry{{{label}}} 0",
            f'envoy_cluster_upstream_rq_time_bucket{{{label},le="5"}} 0',
            f'envoy_cluster_upstream_rq_time_bucket{{{label},le="10"}} {total}',
            f'envoy_cluster_upstream_rq_time_bucket{{{label},le="+Inf"}} {total}',
        ]
    return "\n".join(lines) + "\n"


class _Agents(grpc.GenericRpcHandler):  # type: ignore[misc]  # the package types none
    """What the agents answer by gRPC: `ModelMetadata` and `ModelReady` for the server, and that they know no other."""

    def __init__(self, seldon: Seldon) -> None:
        self._seldon = seldon

    def service(self, asked: Any) -> Any:
        """Answer any call."""
        method, headers = asked.method.rpartition("/")[2], dict(asked.invocation_metadata)

        def answer(_: bytes, context: Any) -> bytes:
            chosen = self._seldon.choose(headers["seldon-model"], headers.get("x-seldon-route"))
            loaded = self._seldon.loaded.get(chosen or "")
            if chosen is None:  # what Envoy makes of its 404
                context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
            number = loaded.number if loaded else 1
            self._seldon.answered[f"{chosen}_{number}_grpc", 200] += 1
            context.send_initial_metadata((("x-seldon-route", f":{chosen}_{number}:"),))
            if loaded is None:
                context.abort(grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
            if method not in {"ModelMetadata", "ModelReady"}:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"method {method} not implemented")
            if chosen in self._seldon.behaviour.hanging:
                time.sleep(context.time_remaining() + 0.5)
            return _ready() if method == "ModelReady" else _metadata(loaded)

        return grpc.unary_unary_rpc_method_handler(answer)


def _ready() -> bytes:
    ready: bytes = MESSAGES["inference.Ready"](ready=True).SerializeToString()
    return ready


def _metadata(loaded: Loaded) -> bytes:
    said = MESSAGES["inference.Metadata"]()
    said.inputs.add(name="history", datatype="FP64", shape=[-1, ROWS, 6])
    said.parameters["served_name"].string_param = loaded.served_name
    said.parameters["digest"].string_param = loaded.digest
    written: bytes = said.SerializeToString()
    return written


class _Mesh(ThreadingHTTPServer):
    """One port for HTTP/1.1 and for gRPC, whose connections are passed on to where `grpc_port` answers them."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], grpc_port: int) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._grpc_port = grpc_port

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer one connection."""
        if request.recv(len(_HTTP_2), socket.MSG_PEEK) != _HTTP_2:
            super().finish_request(request, client_address)
            return
        with socket.create_connection(("127.0.0.1", self._grpc_port)) as behind:
            for one in (request, behind):  # else each frame waits 40 ms for the acknowledgement of the one before
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pass_on, args=(behind, request), daemon=True)
            back.start()
            _pass_on(request, behind)
            back.join()


_HTTP_2 = b"PRI "


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(2**16):
            target.sendall(part)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _handler(seldon: Seldon) -> type[BaseHTTPRequestHandler]:  # noqa: C901 a server's verbs
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 2**16  # else head and body are two packets, and the second waits for the first's acknowledgement

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self.path.startswith("/stats/prometheus"):
                led = f"envoy_control_plane_connected_state{{}} {int(seldon.going.is_set())}\n"
                self._send(200, (led + _stats(seldon.answered, dict(seldon.loaded))).encode(), {})
            else:  # the agent knows predictions alone
                self._route(None)

        def do_POST(self) -> None:
            self._route(self._infer)

        def _route(self, answer: Callable[[str, bytes], tuple[int, Object]] | None) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chosen = seldon.choose(self.headers["seldon-model"], self.headers.get("x-seldon-route"))
            loaded = seldon.loaded.get(chosen) if chosen else None
            if chosen is None:
                self._send(404, b"", {})
            elif loaded is None:
                seldon.answered[f"{chosen}_1_http", 503] += 1
                self._send(503, b"no healthy upstream", {"x-seldon-route": f":{chosen}_1:"})
            elif answer is None:
                seldon.answered[f"{chosen}_{loaded.number}_http", 400] += 1
                self._send(400, b"Failed to get path termination for request: no valid marker found in path", {})
            else:
                code, body = answer(chosen, content)
                seldon.reloaded[chosen] += code in _MISSING
                seldon.answered[f"{chosen}_{loaded.number}_http", code] += 1
                self._send(code, json.dumps(body).encode(), {"x-seldon-route": f":{chosen}_{loaded.number}:"})

        def _infer(self, chosen: str, content: bytes) -> tuple[int, Object]:
            try:
                asked = json.loads(content)
                [tensor] = asked["inputs"]
                rows, *rest = tensor["shape"]
                understood = (tensor["name"], tensor["datatype"], rest) == ("history", "FP64", [ROWS, 6])
            except (ValueError, KeyError, TypeError):
                understood = False
            if not understood:
                return seldon.behaviour.blame, {"error": "no request for this model"}
            said = {"name": "probability_up", "datatype": "FP64", "shape": [rows], "data": [0.5] * rows}
            named = f"{chosen}_{seldon.loaded[chosen].number}"
            return 200, {"model_name": named, "id": asked.get("id"), "outputs": [said]}

        def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(code)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler
