"""Whether what Models load lies where they say, asked of the storage itself: agents drop the cause of a failed load."""

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.findings import Finding, failed, warned
from firstflight.serving.seldon.artifacts import is_there
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot, Unseen
from firstflight.serving.seldon.diagnosis.storage import remote_in
from firstflight.serving.seldon.objects import Object, is_ending, name_of, spec

_AT_ONCE = 8


def stored_findings(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return one line for each Secret by which the storage cannot be read, and for each Model whose object is gone."""
    return tuple(one for name, remote in _remotes(snapshot) for one in _of_secret(snapshot, name, remote))


def _remotes(snapshot: Snapshot) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the Secrets that hold keys for an S3 API; where agents have rights of their own, ours say nothing."""
    for name, secret in sorted(snapshot.secrets.items()):
        values = [] if secret is None or isinstance(secret, Unseen) else list((secret.get("data") or {}).values())
        remote = remote_in(values[0]) if len(values) == 1 else ""
        if isinstance(remote, dict) and remote["type"] == "s3" and remote["parameters"].get("access_key_id"):
            yield name, remote["parameters"]


def _of_secret(snapshot: Snapshot, name: str, remote: Mapping[str, str]) -> Iterator[Finding]:
    models = [one for one in snapshot.items("models") if spec(one).get("secretName") == name and not is_ending(one)]
    uris = sorted({_uri(one) for one in models if ":" in _uri(one)})
    endpoint = remote.get("endpoint", "")
    if uris and endpoint and not _has_address(endpoint):
        yield warned(
            "storage-unreachable",
            f"Secret {name}",
            f"its storage {endpoint} has no address here: nothing was asked of it",
            wanted="an answer of the storage, by the keys of the Secret",
            fix="ask from inside the cluster: the flow validate-foundation; if it says so too, correct `endpoint`",
        )
        return
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage") as pool:
        try:
            there = dict(zip(uris, pool.map(lambda uri: is_there(uri, remote), uris), strict=True))
        except BackendUnavailableError as error:
            yield failed(
                "storage-unreachable",
                f"Secret {name}",
                str(error)[:300],
                wanted="an answer of the storage, by the keys of the Secret",
                fix="does the storage run, and is `endpoint` in the Secret right? Models that are loaded serve on",
            )
            return
        except ServingError as error:
            yield failed(
                "storage-refused",
                f"Secret {name}",
                str(error)[:300],
                wanted="keys that may read the bucket of each storageUri, and a bucket of that name",
                fix="correct keys or bucket in the Secret, as deployments/local_secrets.py makes it, and deploy again",
            )
            return
    for model in models:
        if there.get(_uri(model)) is False:
            yield failed(
                "artifact-gone",
                f"Model {name_of(model)}",
                f"nothing lies at {_uri(model)}",
                wanted="its folder: a replica that starts anew loads it from there",
                fix="look into the bucket, and deploy the version again (flow `deploy`), or delete the Model",
            )


def _has_address(endpoint: str) -> bool:
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname, None)
    except OSError:
        return False
    return True


def _uri(model: Object) -> str:
    return str(spec(model).get("storageUri", ""))
