"""The doctor's roles, compared with what the doctor really asks of an API."""

from typing import Any

from firstflight.serving.seldon.api import Answer
from firstflight.serving.seldon.diagnosis.reading import read_snapshot
from tests.manifests.objects import Object, build, of_kind

Right = tuple[str, str, str, str]
"""Namespace, API group, resource, verb."""

HERE, OPERATOR = "firstflight", "seldon-system"


class Api:
    """Answers a list with what base holds, and keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def read(self, path: str) -> Answer:
        """Answer like an API server that knows base."""
        self.asked.append(path)
        kinds = {"models": "Model", "servers": "Server", "seldonruntimes": "SeldonRuntime"}
        if path.endswith("/configmaps/seldon-agent"):
            agents = "rclone:\n  config_secrets:\n  - seldon-rclone-gs-public\n"
            return Answer(200, {"data": {"agent.yaml": agents}}, {})
        body: dict[str, Any] = {"gitVersion": "v1.34.0", "versions": [], "resources": []}
        kind = kinds.get(path.rsplit("/", maxsplit=1)[-1], "none")
        return Answer(200, {**body, "items": list(of_kind(build("base"), kind).values())}, {})


def used(path: str) -> Right | None:
    """Return the right that a GET of `path` uses; none for discovery, which is everybody's."""
    if "/namespaces/" not in path:
        return None
    group, _, rest = path.partition("/namespaces/")
    namespace, resource, *name = [*rest.partition("?")[0].split("/"), *(() if "/" in rest else ("namespaces", rest))]
    group_name = "" if group == "/api/v1" else group.split("/")[2]
    return namespace, group_name, resource, "get" if name else "list"


def granted(role: Object) -> set[Right]:
    """Return the rights of a role."""
    return {
        (role["metadata"]["namespace"], group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_doctor_may_do_what_it_does_and_no_more() -> None:
    """Its two roles grant exactly the requests that reading a namespace makes."""
    api = Api()
    read_snapshot(api, HERE, OPERATOR)
    here = of_kind(build("base"), "Role")["doctor"]
    beside_the_operator = of_kind(build("extras/operator-access"), "Role")["firstflight-doctor"]
    assert {right for right in map(used, api.asked) if right} == granted(here) | granted(beside_the_operator)


def test_it_reads_the_secrets_that_models_and_agents_name_and_no_other() -> None:
    """The right to read Secrets is a right to read those."""
    api = Api()
    read_snapshot(api, HERE, OPERATOR)
    (rule,) = (rule for rule in of_kind(build("base"), "Role")["doctor"]["rules"] if "secrets" in rule["resources"])
    assert {path.rsplit("/", maxsplit=1)[-1] for path in api.asked if "/secrets/" in path} == set(rule["resourceNames"])
