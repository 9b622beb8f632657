"""Whether the Secrets by which artifacts are fetched exist and are shaped as rclone needs them."""

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from firstflight.domain.findings import Finding, failed, named, passed
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot, Unseen
from firstflight.serving.seldon.objects import Object, name_of, spec

_SHAPE = "exactly one key whose value is YAML or JSON with `type`, `name` and `parameters` (text values)"
_AGENTS = "every agent, which ends at its start without (ConfigMap seldon-agent)"
_FIX = "make the Secret anew as deployments/local_secrets.py does; see `storage secrets` in docs/kubernetes.md"


def secret_names(models: Iterable[Object], agents: Object) -> frozenset[str]:
    """Return the Secrets that Models name, and those that each agent loads when it starts by its ConfigMap `agents`."""
    of_models = {str(spec(model)["secretName"]) for model in models if spec(model).get("secretName")}
    return frozenset(of_models | agents_secrets(agents))


def agents_secrets(agents: Object) -> frozenset[str]:
    """Return the Secrets without which no agent starts; the operator writes more there than a runtime says."""
    try:
        told = yaml.safe_load((agents.get("data") or {}).get("agent.yaml") or "")
    except yaml.YAMLError:
        return frozenset()
    rclone = told.get("rclone") if isinstance(told, dict) else None
    return frozenset(map(str, (rclone or {}).get("config_secrets") or ()))


def secret_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield one line for each Secret that Models need, by its first fault; none about one that cannot be seen."""
    users = defaultdict(list)
    for model in snapshot.items("models"):
        users[spec(model).get("secretName")].append(model)
    for name, secret in sorted(snapshot.secrets.items()):
        if not isinstance(secret, Unseen):
            yield _finding(snapshot, name, secret, users.get(name, []))


def _finding(snapshot: Snapshot, name: str, secret: Object | None, users: list[Object]) -> Finding:
    subject = f"Secret {name}"
    if secret is None:
        return failed(
            "secret-missing",
            subject,
            f"is not in {snapshot.namespace}; wanted by {named([name_of(one) for one in users]) or _AGENTS}",
            wanted="the Secret in the Models' own namespace",
            fix=_FIX if users else "apply k8s/base/seldon/agent-secret.yaml",
        )
    data = secret.get("data") or {}
    if len(data) != 1:
        keys = f"keys {', '.join(sorted(data))}" if data else "no key"
        return failed("secret-keys", subject, f"has {keys}", wanted=_SHAPE, fix=_FIX)
    [value] = data.values()
    remote = remote_in(value)
    if isinstance(remote, str):
        return failed("secret-content", subject, remote, wanted=_SHAPE, fix=_FIX)
    others = [one for one in users if _prefix(one) not in {None, remote["name"]}]
    if others:
        return failed(
            "secret-remote",
            subject,
            f"its remote is called {remote['name']!r}; {named([_uri(one) for one in others], 3)} asks for another",
            wanted="the remote's `name` equal to the prefix of storageUri",
            fix="correct `name` in the Secret, or the prefix of the Models' storageUri",
        )
    return passed(
        "secret", subject, f"one remote {remote['name']!r} of type {remote['type']}; {len(users)} Models use it"
    )


def remote_in(value: str) -> dict[str, Any] | str:
    """Return the remote that the Secret holds, or what is wrong with it; never a word of its parameters."""
    try:
        remote = yaml.safe_load(base64.b64decode(value, validate=True))
    except (binascii.Error, yaml.YAMLError, UnicodeDecodeError):
        return "its value is neither YAML nor JSON"
    if not isinstance(remote, dict):
        return "its value is no mapping"
    if missing := [key for key in ("type", "name", "parameters") if not remote.get(key)]:
        return f"lacks {', '.join(missing)}"
    parameters = remote["parameters"]
    if not isinstance(parameters, dict):
        return "its parameters are no mapping"
    if wrong := [str(key) for key, one in parameters.items() if not isinstance(one, str)]:
        return f"its parameters {named(wrong)} are no text: quote them"
    return remote


def _uri(model: Object) -> str:
    return str(spec(model).get("storageUri", ""))


def _prefix(model: Object) -> str | None:
    prefix, colon, _ = _uri(model).partition(":")
    return prefix if colon else None
