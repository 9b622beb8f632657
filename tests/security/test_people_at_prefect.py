"""What people may ask of a cluster's Prefect, through the door behind their sign-in."""

import asyncio
import json
from typing import Any

import httpx
import pytest
import yaml

from deployments.people_door import IDENTITY, door
from tests.manifests.network import allowed, enters
from tests.manifests.objects import ROOT, build, of_kind

RUN = "7a6f6f57-ab3c-4e5f-8e4f-0123456789ab"
ADA = {IDENTITY: "ada@example.com"}


def ask(
    method: str, path: str, body: Any = None, headers: dict[str, str] = ADA
) -> tuple[int, list[httpx.Request], Any]:
    """Return the answer's code, what Prefect was asked, and what came back."""
    seen: list[httpx.Request] = []

    def prefect(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"auth": "BASIC", "fine": True}, headers={"set-cookie": "a=b"})

    async def go() -> httpx.Response:
        inside = httpx.AsyncClient(
            base_url="http://prefect", transport=httpx.MockTransport(prefect), headers={"Authorization": "Basic secret"}
        )
        transport = httpx.ASGITransport(app=door(inside))
        async with inside, httpx.AsyncClient(base_url="http://door", transport=transport) as outside:
            return await outside.request(method, path, json=body, headers=headers)

    answer = asyncio.run(go())
    assert "set-cookie" not in answer.headers
    return answer.status_code, seen, answer.json()


def passed_on(method: str, path: str, body: Any = None) -> Any:
    """Return the body that Prefect got, with its password and not the person's own headers."""
    code, [request], _ = ask(method, path, body, {**ADA, "Authorization": "Basic mine", "Cookie": "a=b"})
    assert 200 == code
    assert "Basic secret" == request.headers["Authorization"]
    assert "cookie" not in request.headers
    return json.loads(request.content) if request.content else None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2/",
        "/v2/runs",
        f"/api/flow_runs/{RUN}",
        "/api/deployments/name/release/release",
        "/api/admin/version",
        "/assets/index.js",
    ],
)
def test_people_read(path: str) -> None:
    """The page, and what it asks for."""
    assert passed_on("GET", path) is None


@pytest.mark.parametrize(
    "path", ["/api/flow_runs/filter", "/api/ui/flow_runs/history", "/api/logs/filter", "/api/events/filter"]
)
def test_people_search(path: str) -> None:
    """What Prefect asks by POST and changes nothing."""
    assert {"limit": 3} == passed_on("POST", path, {"limit": 3})


def test_the_page_asks_for_no_password() -> None:
    """Its settings say that none is wanted: whoever reads them has signed in."""
    assert {"auth": None, "fine": True} == ask("GET", "/ui-settings")[2]


def test_an_answer_is_given_in_the_name_of_who_signed_in() -> None:
    """Whatever the form says."""
    form = {"approver": "grace", "decision": "approve", "comment": "fine"}
    got = passed_on("POST", f"/api/flow_runs/{RUN}/resume", {"run_input": form})
    assert {"run_input": {**form, "approver": "ada@example.com"}} == got


def test_a_run_is_started_by_its_parameters_alone() -> None:
    """Nothing else that Prefect would take is passed on, and its parameters are held to their schema."""
    body = {"parameters": {"model": "m"}, "name": "now", "job_variables": {}, "infrastructure_document_id": RUN}
    got = passed_on("POST", f"/api/deployments/{RUN}/create_flow_run", body)
    assert {"parameters": {"model": "m"}, "name": "now", "enforce_parameter_schema": True} == got


def test_a_run_is_cancelled_in_the_name_of_who_signed_in() -> None:
    """The one change of a state: it brings traffic home."""
    got = passed_on("POST", f"/api/flow_runs/{RUN}/set_state", {"state": {"type": "CANCELLING"}, "force": True})
    assert {"state": {"type": "CANCELLING", "message": "cancelled by ada@example.com"}} == got


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"/api/deployments/{RUN}/create_flow_run", {"job_variables": {"image": "other"}}),
        ("POST", f"/api/deployments/{RUN}/create_flow_run", {"work_queue_name": "other"}),
        ("POST", f"/api/deployments/{RUN}/create_flow_run/bulk", []),
        ("POST", "/api/deployments/", {"name": "mine"}),
        ("PATCH", f"/api/deployments/{RUN}", {"pull_steps": []}),
        ("POST", "/api/flow_runs/", {"flow_id": RUN}),
        ("POST", f"/api/flow_runs/{RUN}/resume", {}),
        ("POST", f"/api/flow_runs/{RUN}/input", {"key": "answer", "value": "{}"}),
        ("POST", f"/api/flow_runs/{RUN}/set_state", {"state": {"type": "COMPLETED"}, "force": True}),
        ("POST", "/api/flow_runs/bulk_set_state", {}),
        ("POST", "/api/block_documents/filter", {"include_secrets": True}),
        ("GET", f"/api/block_documents/{RUN}?include_secrets=true", None),
        ("GET", "/api/admin/settings", None),
        ("PUT", "/api/work_pools/kubernetes", {}),
        ("DELETE", f"/api/flow_runs/{RUN}", None),
        ("POST", "/api/automations/", {}),
        ("POST", "/api/flow_runs/filter/..%2F..%2Fdeployments/", {}),
        ("GET", f"/api/flows/..%2Fblock_documents/{RUN}", None),
        ("GET", f"/api/%2e%2E%2Fapi/block_documents/{RUN}", None),
        ("GET", f"/api//block_documents/{RUN}", None),
        ("GET", f"/api/flows/%252e%252e/block_documents/{RUN}", None),
    ],
)
def test_nothing_else_reaches_prefect(method: str, path: str, body: Any) -> None:
    """What could choose what a run executes, write somebody's answer, or read a secret."""
    code, seen, _ = ask(method, path, body)
    assert (403, []) == (code, seen)


@pytest.mark.parametrize("headers", [{}, {IDENTITY: ""}])
def test_nobody_is_let_in_who_has_not_signed_in(headers: dict[str, str]) -> None:
    """The sign-in before the door says who it is, or there is nobody."""
    code, seen, _ = ask("GET", "/", headers=headers)
    assert (401, []) == (code, seen)


def test_the_example_lets_nobody_past_the_sign_in() -> None:
    """The door listens inside its pod, behind the proxy, and has the password; Prefect hears nobody else of people."""
    objects = list(yaml.safe_load_all((ROOT / "k8s/examples/people.yaml").read_text()))
    pod = of_kind(objects, "Deployment")["people"]["spec"]["template"]["spec"]
    proxy, inside = (next(each for each in pod["containers"] if name == each["name"]) for name in ("sign-in", "door"))
    assert ["python", "-m", "deployments.people_door"] == inside["command"]
    assert "--upstream=http://127.0.0.1:8080" in proxy["args"]
    assert "ports" not in inside
    assert [] == [each["name"] for each in proxy["env"] if each["name"].startswith("PREFECT")]
    (service,) = of_kind(objects, "Service").values()
    assert [proxy["ports"][0]["name"]] == [port["targetPort"] for port in service["spec"]["ports"]]
    every = build("overlays/production") + objects
    people, prefect = {"app.kubernetes.io/name": "people"}, {"app.kubernetes.io/name": "prefect-server"}
    assert allowed(every, people, prefect, 4200)
    assert not enters(every, "sign-in", {}, prefect, 4200, {"firstflight/people": "true"})
    assert enters(every, "sign-in", {}, people, 4180, {"firstflight/people": "true"})
    assert not enters(every, "elsewhere", {}, people, 4180)
    assert not enters(every, "sign-in", {}, people, 8080, {"firstflight/people": "true"})
