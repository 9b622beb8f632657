"""A thin client of the Kubernetes API for Seldon's kinds: list, get, apply, delete, watch.

Writes are server-side applies as field manager `firstflight`, strictly validated. Nothing is forced unless asked: a
field that somebody else owns is a `FieldConflictError`. Nothing is retried here: an `Outage` says that trying
again may help.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client
from urllib3.response import BaseHTTPResponse

from firstflight.domain.errors import BackendUnavailableError, FieldConflictError, ServingError
from firstflight.serving.seldon.resources import API_VERSION

FIELD_MANAGER = "firstflight"
_TIMEOUT = urllib3.Timeout(connect=3.0, read=10.0)

Object = dict[str, Any]


class Outdated(Exception):  # noqa: N818 - never leaves this package: read again, then decide again
    """The object, or the place to watch from, is no longer what it was."""


class Api:
    """Objects of one namespace."""

    def __init__(self, configuration: client.Configuration, namespace: str) -> None:
        """Keep where they are; nothing is asked yet."""
        self._configuration = configuration
        self._client = client.ApiClient(configuration)
        self._namespace = namespace

    def list(self, plural: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return all objects of a kind, or those with these labels, in one request."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else None
        items: list[Object] = self._ask("GET", plural, query=query)["items"]
        return items

    def get(self, plural: str, name: str) -> Object | None:
        """Return one object, None when there is none."""
        return self._ask_about("GET", plural, name)

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
        content = json.dumps({**manifest, "metadata": metadata}).encode()
        query = {"fieldManager": owner, "fieldValidation": "Strict", "force": str(force).lower()}
        return self._ask("PATCH", plural, metadata["name"], query=query, content=content)

    def delete(self, plural: str, name: str, *, version: str | None = None) -> None:
        """Ask for the object's end, which comes when its finalizers are done; none is well too.

        Raises Outdated when it no longer has the resourceVersion `version`.
        """
        options = {"preconditions": {"resourceVersion": version}} if version else {}
        content = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        self._ask_about("DELETE", plural, name, json.dumps(content).encode())

    def watch(self, plural: str, name: str, version: str, seconds: int) -> Iterator[Object | None]:
        """Yield the object after each change later than `version`, None at its end; end after `seconds` or a drop.

        Raises:
            Outdated: `version` is too old to watch from.
        """
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        with self._asking("GET", plural, query=query, seconds=seconds + 5.0) as answer:
            _refuse(answer, f"watch {plural}/{name}")
            for line in _lines(answer):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise Outdated(event["object"].get("message", ""))
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
                elif event["type"] == "DELETED":
                    yield None

    def _ask_about(self, method: str, plural: str, name: str, content: bytes | None = None) -> Object | None:
        try:
            return self._ask(method, plural, name, content=content)
        except _NoneSuchError:
            return None

    def _ask(
        self,
        method: str,
        plural: str,
        name: str | None = None,
        query: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> Object:
        with self._asking(method, plural, name, query, content) as answer:
            _refuse(answer, f"{method} {plural}/{name or ''} in {self._namespace}")
            body: Object = json.loads(answer.data)
            return body

    @contextmanager
    def _asking(
        self,
        method: str,
        plural: str,
        name: str | None = None,
        query: dict[str, str] | None = None,
        content: bytes | None = None,
        seconds: float | None = None,
    ) -> Iterator[BaseHTTPResponse]:
        host = self._configuration.host
        path = f"{host}/apis/{API_VERSION}/namespaces/{self._namespace}/{plural}" + (f"/{name}" if name else "")
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        headers = {"Accept": "application/json", **({"Authorization": token} if token else {})}
        if content is not None:
            headers["Content-Type"] = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        timeout = urllib3.Timeout(connect=3.0, read=seconds) if seconds else _TIMEOUT
        answer: BaseHTTPResponse | None = None
        try:
            answer = self._client.rest_client.pool_manager.request(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                body=content,
                headers=headers,
                timeout=timeout,
                retries=False,
                preload_content=False,
            )
            yield answer
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise BackendUnavailableError(
                f"the Kubernetes API at {host} gave no whole answer to {method} {plural}/{name or ''}: {error!r}"
            ) from error
        finally:
            if answer is not None:
                answer.close()


class _NoneSuchError(ServingError):
    """There is no such object."""


def _refuse(answer: BaseHTTPResponse, what: str) -> None:
    if answer.status in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}:
        return
    said = _said(answer.data)
    text = f"{what}: {answer.status} {said.get('message', '')}".strip()
    match answer.status:
        case HTTPStatus.NOT_FOUND if (said.get("details") or {}).get("name"):
            raise _NoneSuchError(text)
        case HTTPStatus.NOT_FOUND:
            raise ServingError(f"{text}; are Seldon's CRDs installed?")
        case HTTPStatus.CONFLICT if _owned(said):
            raise FieldConflictError(f"{text}; take the fields back from that manager, nothing was forced")
        case HTTPStatus.CONFLICT | HTTPStatus.GONE:
            raise Outdated(text)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            raise ServingError(f"{text}; bind the Role `serving-client` of k8s/base/roles.yaml to who asks")
        case HTTPStatus.TOO_MANY_REQUESTS:
            raise BackendUnavailableError(f"{text}; retry after {answer.headers.get('Retry-After', '?')} s")
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise BackendUnavailableError(text)
        case _:
            raise ServingError(text)


def _said(data: bytes) -> Object:
    try:
        body = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")[:300]}
    return body if isinstance(body, dict) else {"message": str(body)[:300]}


def _owned(said: Object) -> bool:
    causes = (said.get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "FieldManagerConflict" for cause in causes)


def _lines(answer: BaseHTTPResponse) -> Iterator[bytes]:
    """Yield whole lines of a stream as they come; a stream that breaks has ended."""
    rest = b""
    try:
        for part in answer.stream(2**16):
            *lines, rest = (rest + part).split(b"\n")
            yield from filter(None, lines)
    except urllib3.exceptions.HTTPError:
        return
