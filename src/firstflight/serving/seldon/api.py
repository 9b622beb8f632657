"""A thin client of the Kubernetes API: list, get, apply, create, replace, delete, watch, and read whatever there is.

Models and Experiments are written by server-side applies as field manager `firstflight`, strictly validated. Nothing is
forced unless asked: a field that somebody else owns is a `FieldConflictError`. Nothing is tried again here but `swap`:
an `Outage` says that trying again may help.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import urllib3
from kubernetes import client, watch

from firstflight.domain.errors import BackendUnavailableError, FieldConflictError, ServingError
from firstflight.serving.seldon.objects import Object
from firstflight.serving.seldon.resources import API_VERSION

FIELD_MANAGER = "firstflight"
_GROUPS = {"models": API_VERSION, "experiments": API_VERSION, "leases": "coordination.k8s.io/v1"}
_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 10.0
_TRIES = 8
_PAUSE_SECONDS = 0.01

Seen = TypeVar("Seen")
Written = TypeVar("Written")


class Outdated(Exception):  # noqa: N818 - never leaves this package: read again, then decide again
    """The object, or the place to watch from, is no longer what it was."""


@dataclass(frozen=True)
class Answer:
    """What the API said to one request: its body is text where it is no JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def why(self) -> str:
        """The status, and what the API says about it."""
        said = self.body.get("message", "") if isinstance(self.body, dict) else str(self.body)
        return f"{self.status} {said}".strip()


class Api:
    """Objects of one namespace; it may be asked from several threads."""

    def __init__(self, configuration: client.Configuration, namespace: str) -> None:
        """Keep where they are; nothing is asked yet."""
        self._client = client.ApiClient(configuration)
        self._host = configuration.host
        self._namespace = namespace

    def read(self, path: str) -> Answer:
        """GET any path, whatever the answer. Raises BackendUnavailableError when there is none."""
        with self._translated("GET", path):
            return _read(self._send("GET", path))

    def list(self, plural: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return all objects of a kind, or those with these labels, in one request."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else None
        items: list[Object] = self._ask("GET", plural, query=query)["items"]
        return items

    def get(self, plural: str, name: str) -> Object | None:
        """Return one object, None when there is none."""
        try:
            return self._ask("GET", plural, name)
        except _NoneSuchError:
            return None

    def apply(
        self,
        plural: str,
        manifest: Object,
        *,
        version: str | None = None,
        owner: str = FIELD_MANAGER,
        force: bool = False,
    ) -> Object:
        """Make the object so and return it as it then is.

        Args:
            plural: Its kind.
            manifest: The fields that are to be ours, and no others.
            version: The resourceVersion it must still have.
            owner: The field manager, when some fields have one of their own.
            force: Take fields from other managers. Who asks for that says so to people.

        Raises:
            Outdated: It has another version now.
            FieldConflictError: A field belongs to another manager.
            ServingError: The API refuses the object.
            BackendUnavailableError: No answer, or one that a later try may better.
        """
        metadata = {**manifest["metadata"], **({"resourceVersion": version} if version else {})}
        query = {"fieldManager": owner, "fieldValidation": "Strict", "force": str(force).lower()}
        return self._ask("PATCH", plural, metadata["name"], {**manifest, "metadata": metadata}, query)

    def create(self, plural: str, manifest: Object) -> Object:
        """Make the object. Raises Outdated when there is one of its name."""
        return self._ask("POST", plural, body=manifest)

    def replace(self, plural: str, manifest: Object) -> Object:
        """Put `manifest` in the place of what it was read as. Raises Outdated when that has changed or gone."""
        try:
            return self._ask("PUT", plural, manifest["metadata"]["name"], manifest)
        except _NoneSuchError as error:
            raise Outdated(str(error)) from error

    def delete(self, plural: str, name: str, *, version: str | None = None) -> None:
        """Ask for the object's end, which comes when its finalizers are done; none is well too.

        Raises Outdated when it no longer has the resourceVersion `version`.
        """
        options = {"preconditions": {"resourceVersion": version}} if version else {}
        try:
            self._ask("DELETE", plural, name, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        except _NoneSuchError:
            return

    def watch(self, plural: str, name: str, version: str, seconds: int) -> Iterator[Object | None]:
        """Yield the object after each change later than `version`, None at its end; end after `seconds` or a drop.

        Raises:
            Outdated: `version` is too old to watch from.
        """
        path = self._path(plural)
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }

        def begin(**_: object) -> Any:
            with self._translated("GET", path):
                response = self._send("GET", path, query=query, seconds=seconds + 5.0)
                if response.status != HTTPStatus.OK:
                    _refuse(_read(response), f"watch {plural}/{name}")
                return response.response

        try:
            for event in watch.Watch().stream(begin, timeout_seconds=seconds):  # type: ignore[no-untyped-call]  # the package types none
                yield None if event["type"] == "DELETED" else event["object"]
        except client.ApiException as error:
            raise Outdated(str(error.reason)) from error
        except urllib3.exceptions.HTTPError:  # a stream that breaks has ended
            return

    def _path(self, plural: str, name: str | None = None) -> str:
        return f"/apis/{_GROUPS[plural]}/namespaces/{self._namespace}/{plural}" + (f"/{name}" if name else "")

    def _ask(
        self,
        method: str,
        plural: str,
        name: str | None = None,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Object:
        path = self._path(plural, name)
        with self._translated(method, path):
            answer = _read(self._send(method, path, body, query))
        _refuse(answer, f"{method} {plural}/{name or ''} in {self._namespace}")
        found: Object = answer.body
        return found

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        seconds: float = _ANSWER_SECONDS,
    ) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(*request, _request_timeout=(_CONNECT_SECONDS, seconds))

    @contextmanager
    def _translated(self, method: str, path: str) -> Iterator[None]:
        try:
            yield
        except (urllib3.exceptions.HTTPError, client.exceptions.OpenApiException, OSError) as error:
            raise BackendUnavailableError(
                f"the Kubernetes API at {self._host} gave no whole answer to {method} {path}: {error!r}"
            ) from error


def swap(subject: str, seen: Seen, write: Callable[[Seen], Written], read: Callable[[], Seen]) -> Written:
    """Return what `write` makes of `seen`; while somebody else writes in between, of what `read` then returns.

    Raises:
        BackendUnavailableError: Others write all the time.
    """
    for tried in range(_TRIES):
        try:
            return write(seen)
        except Outdated:
            # those who met once would meet again: each waits for a time of its own
            time.sleep(random.uniform(0, _PAUSE_SECONDS * 2**tried))  # noqa: S311 no secret depends on it
            seen = read()
    raise BackendUnavailableError(f"{subject} was changed by others in each of {_TRIES} tries; try again")


class _NoneSuchError(ServingError):
    """There is no such object."""


def _read(response: Any) -> Answer:
    data: bytes = response.read()
    try:
        body = json.loads(data)
    except ValueError:
        body = data.decode(errors="replace")[:300]
    return Answer(int(response.status), body, response.headers)


def _refuse(answer: Answer, what: str) -> None:
    said = (answer.body.get("details") or {}) if isinstance(answer.body, dict) else {}
    text = f"{what}: {answer.why}"
    match answer.status:
        case HTTPStatus.OK | HTTPStatus.CREATED | HTTPStatus.ACCEPTED if isinstance(answer.body, dict):
            return
        case HTTPStatus.NOT_FOUND if said.get("name"):
            raise _NoneSuchError(text)
        case HTTPStatus.NOT_FOUND:
            raise ServingError(f"{text}; are Seldon's CRDs installed?")
        case HTTPStatus.CONFLICT if any(_is_ownership(cause) for cause in said.get("causes") or ()):
            raise FieldConflictError(f"{text}; take the fields back from that manager, nothing was forced")
        case HTTPStatus.CONFLICT | HTTPStatus.GONE:
            raise Outdated(text)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise ServingError(f"{text}; bind the Role `flows` (the guard: `guard`) of k8s/base/roles.yaml to who asks")
        case HTTPStatus.INTERNAL_SERVER_ERROR if "failed to create typed patch object" in answer.why:
            raise ServingError(f"{text}; the installed CRDs do not know what is written: Seldon Core 2.10 is wanted")
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise BackendUnavailableError(f"{text}; retry after {answer.headers.get('Retry-After', '?')} s")
        case status if status < HTTPStatus.BAD_REQUEST or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise BackendUnavailableError(text)
        case _:
            raise ServingError(text)


def _is_ownership(cause: Object) -> bool:
    return cause.get("reason") == "FieldManagerConflict"
