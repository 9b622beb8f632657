"""The jobs that Prefect's Kubernetes worker makes of our base job template, made by the worker's own code."""

import asyncio
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from deployments.register import job_template
from tests.manifests.objects import ROOT, build, of_kind, pods
from tests.manifests.quantities import amount
from tests.manifests.test_rules import SECRETIVE

IMAGE = "registry.example.com/firstflight/orchestrator:0.1.0"

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",  # kubernetes-validate leaves its schema files open
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::DeprecationWarning",  # prefect_kubernetes imports what its own dependencies deprecate
)


def job(**variables: Any) -> dict[str, Any]:
    """Return the job of a run, with a deployment's job variables."""
    configuration = asyncio.run(
        KubernetesWorkerJobConfiguration.from_template_and_values(
            base_job_template=job_template(IMAGE),
            values=variables,
            client=PrefectClient("http://127.0.0.1:9/api"),  # asked only for blocks, of which the template has none
        )
    )
    configuration.prepare_for_flow_run(FlowRun(name="sage-heron", flow_id="7a6f6f57-ab3c-4e5f-8e4f-0123456789ab"))
    manifest: dict[str, Any] = configuration.job_manifest
    return manifest


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the job's one container."""
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def test_a_run_is_a_job_of_kubernetes() -> None:
    """The job passes the strict schema, except for two fields that Prefect wants in the wrong place."""
    manifest = job()
    misplaced = {key: manifest["spec"]["template"]["spec"].pop(key) for key in ("parallelism", "completions")}
    assert {"parallelism": 1, "completions": 1} == misplaced  # the worker refuses a template without them
    for version in ("1.30", "1.37"):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_run_passes_the_restricted_standard() -> None:
    """Its pod runs as nobody in particular, writes only to scratch, and has requests and limits."""
    spec = job()["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
    (only,) = spec["containers"]
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == only["securityContext"]
    for what in ("cpu", "memory"):
        assert 0 < amount(only["resources"]["requests"][what]) <= amount(only["resources"]["limits"][what])


def test_a_run_is_like_our_other_pods() -> None:
    """It has the guard's security context and the account that may change traffic; policies find it by its label."""
    spec, guard = job()["spec"]["template"]["spec"], None
    for pod in pods(build("base")):
        guard = pod.spec if pod.owner == "guard" else guard
    assert guard is not None
    assert guard["securityContext"] == spec["securityContext"]
    bound = of_kind(build("base"), "RoleBinding")["flows"]["subjects"]
    assert spec["serviceAccountName"] in {each["name"] for each in bound}
    assert "flow" == job()["spec"]["template"]["metadata"]["labels"]["firstflight/role"]


def test_a_run_uses_the_image_that_registered_it() -> None:
    """The image comes from the environment, never from Prefect's default."""
    assert IMAGE == container(job())["image"]


def test_who_starts_a_run_says_not_what_it_runs() -> None:
    """Neither its image nor its command nor its environment: it has the account `flows`, and its secrets."""
    plain = container(job())
    asked = container(job(image="other:1", command="env", env={"FIRSTFLIGHT_DATABASE_URL": "elsewhere"}))
    assert [one["name"] for one in plain["env"]] == [one["name"] for one in asked["env"]]
    assert "elsewhere" not in str(asked)
    assert (IMAGE, plain["args"]) == (asked["image"], asked["args"])


def test_secrets_are_named_in_a_job() -> None:
    """No secret's value stands in the job, where whoever may list jobs could read it."""
    written = [each["name"] for each in container(job())["env"] if "value" in each]
    assert [] == [name for name in written if SECRETIVE.search(name)]


def test_job_variables_of_deployments_are_taken() -> None:
    """What prefect.yaml asks for a training is what its container gets, and a misspelt variable is noticed here."""
    known = job_template(IMAGE)["variables"]["properties"]
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    for deployment in deployments:
        variables = dict(deployment["work_pool"]["job_variables"])
        assert set(variables) <= set(known), deployment["name"]
        resources = container(job(**variables))["resources"]
        assert variables.pop("stream_output") is False, "a flow that writes into a dead worker's pipe ends"
        for name, value in variables.items():
            what, which = re.fullmatch(r"(cpu|memory)_(request|limit)", name).groups()  # type: ignore[union-attr]  # a miss fails
            assert value == resources[f"{which}s"][what]


def test_every_deployment_runs_where_the_environment_says() -> None:
    """No deployment names a pool or an image of its own."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert {"{{ $FIRSTFLIGHT_WORK_POOL }}"} == {each["work_pool"]["name"] for each in deployments}
    assert "concurrency_limit" not in next(each for each in deployments if each["name"] == "roll-back")
