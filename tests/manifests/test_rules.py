"""House rules that no schema knows."""

import json
import re
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from deployments.local_secrets import local_secrets
from firstflight.serving.seldon.models import REQUIREMENTS
from firstflight.settings import Settings
from tests.manifests.objects import BUILDS, OVERLAYS, ROOT, SELDON, Object, Pod, build, identity, of_kind, pods
from tests.manifests.quantities import amount

EACH_OVERLAY = pytest.mark.parametrize("overlay", OVERLAYS)
IMAGE = re.compile(r"^[^:@\s]+:(?P<tag>[A-Za-z0-9._-]*[0-9][A-Za-z0-9._-]*)(?P<digest>@sha256:[0-9a-f]{64})?$")
SECRETIVE = re.compile(
    r"PASSWORD|TOKEN|SECRET|AUTH_STRING|CREDENTIAL|ACCESS_KEY|LEDGER_KEY|DATABASE_URL|CONNECTION_URL|STORE_URI"
)
NAMES_A_SECRET = re.compile(r"SECRET_(NAME|KEY)$")
OPTIONAL_SECRETS = {"firstflight-slack", "firstflight-ledger"}


def overlay_pods(overlay: str) -> list[Pod]:
    """Return the pods of an overlay."""
    return list(pods(build(f"overlays/{overlay}")))


def references(pod: Pod) -> Iterator[tuple[str, str, bool]]:
    """Yield the secrets that a pod reads: name, key, whether it runs without."""
    for container in pod.containers:
        for variable in container.get("env", []):
            if found := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield found["name"], found["key"], found.get("optional", False)


def mounted_secrets(pod: Pod) -> set[str]:
    """Return the secrets that a pod reads as files."""
    return {volume["secret"]["secretName"] for volume in pod.spec.get("volumes", []) if "secret" in volume}


@pytest.mark.parametrize("path", BUILDS)
def test_no_build_holds_a_secret(path: str) -> None:
    """Secrets are named, never written: neither as objects nor as the value of a variable."""
    objects = build(path)
    assert of_kind(objects, "Secret").keys() <= {"seldon-rclone-gs-public"}
    for public in of_kind(objects, "Secret").values():  # an anonymous one that Seldon's agents ask for
        assert {"anonymous": "true"} == yaml.safe_load(public["stringData"]["gs"])["parameters"]
    for pod in pods(objects):
        for container in pod.containers:
            written = [each["name"] for each in container.get("env", []) if "value" in each]
            assert [] == [name for name in written if SECRETIVE.search(name) and not NAMES_A_SECRET.search(name)]
    for settings in of_kind(objects, "ConfigMap").values():
        assert [] == [name for name in settings["data"] if SECRETIVE.search(name)]


@EACH_OVERLAY
def test_images_are_pinned(overlay: str) -> None:
    """Every image has an exact tag, in the examples too; those that we do not build have their digest as well."""
    examples = (yaml.safe_load_all(path.read_text()) for path in (ROOT / "k8s/examples").glob("*.yaml"))
    every = [*overlay_pods(overlay), *(pod for objects in examples for pod in pods(objects))]
    images = {each["image"] for pod in every for each in pod.containers if "image" in each}
    assert {"oauth2-proxy"} <= {image.split(":")[0].rpartition("/")[2] for image in images}
    for image in images:
        pinned = IMAGE.match(image)
        assert pinned, image
        assert pinned["tag"] != "latest"
        assert "firstflight" in image or pinned["digest"], image


@EACH_OVERLAY
def test_pods_pass_the_restricted_standard(overlay: str) -> None:
    """The namespace enforces it, and a pod that fails it is never made: the workload just has no pods."""
    assert "restricted" == build("base")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    for pod in overlay_pods(overlay):
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.owner
        assert pod.spec["securityContext"]["runAsUser"] > 0, pod.owner
        assert {"type": "RuntimeDefault"} == pod.spec["securityContext"]["seccompProfile"], pod.owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.owner
        for container in pod.containers:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, (pod.owner, container["name"])
            assert {"drop": ["ALL"]} == context["capabilities"], (pod.owner, container["name"])
            assert not pod.ours or context["readOnlyRootFilesystem"] is True, (pod.owner, container["name"])


@EACH_OVERLAY
def test_containers_say_what_they_need(overlay: str) -> None:
    """Every container has requests and limits of processor and memory, and asks for no more than its limit."""
    for pod in overlay_pods(overlay):
        for container in pod.containers:
            asked, limit = container["resources"]["requests"], container["resources"]["limits"]
            for what in ("cpu", "memory"):
                assert 0 < amount(asked[what]) <= amount(limit[what]), (pod.owner, container["name"])


@EACH_OVERLAY
def test_the_quota_leaves_room_to_roll_back(overlay: str) -> None:
    """All replicas, one of each restarting, three variants in training and five runs fit: a roll-back can start."""
    objects = build(f"overlays/{overlay}")
    hard = of_kind(objects, "ResourceQuota")["firstflight"]["spec"]["hard"]
    runs = {"requests.cpu": 3 * 2 + 5 * 0.25, "requests.memory": (3 * 2 + 5 * 0.5) * 2**30, "limits.memory": 17 * 2**30}
    for key, running in runs.items():
        kind, what = key.split(".")
        standing = sum(
            amount(each["resources"][kind][what]) * (pod.replicas + 1)
            for pod in pods(objects)
            for each in pod.spec["containers"]
        )
        assert running + standing <= amount(hard[key]), key
    assert sum(pod.replicas + 1 for pod in pods(objects)) + 8 <= int(hard["pods"])


@EACH_OVERLAY
def test_tokens_are_mounted_only_where_a_role_is_bound(overlay: str) -> None:
    """A pod has a token of the API exactly when its account may do something there."""
    objects = build(f"overlays/{overlay}")
    bound = {each["name"] for binding in of_kind(objects, "RoleBinding").values() for each in binding["subjects"]}
    accounts = of_kind(objects, "ServiceAccount")
    assert bound == {name for name, account in accounts.items() if account["automountServiceAccountToken"]}
    for pod in pods(objects):
        if pod.ours:
            assert (pod.spec["serviceAccountName"] in bound) is pod.spec["automountServiceAccountToken"], pod.owner
            assert pod.spec["serviceAccountName"] in accounts


def test_roles_are_the_least_that_works() -> None:
    """Nobody gets a wildcard, a verb on Secrets beyond reading the one that models name, or a cluster's role."""
    roles = of_kind(build("base"), "Role")
    rights = {
        (name, resource, verb)
        for name, role in roles.items()
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {("doctor", "secrets", "get")} == {right for right in rights if right[1] == "secrets"}
    assert not {right for right in rights if "*" in right[1:]}
    assert {} == of_kind(build("base"), "ClusterRole")
    changing = {right for right in rights if right[2] not in {"get", "list", "watch"}}
    assert {
        *(("flows", kind, verb) for kind in ("models", "experiments") for verb in ("create", "patch", "delete")),
        *(("guard", "experiments", verb) for verb in ("create", "patch")),
        ("guard", "models", "delete"),
        *((who, "leases", verb) for who in ("flows", "guard") for verb in ("create", "update", "delete")),
        ("prefect-worker", "jobs", "create"),
        ("prefect-worker", "jobs", "delete"),
    } == changing


@EACH_OVERLAY
def test_disruption_budgets_protect_pods_that_exist(overlay: str) -> None:
    """A drain takes one pod at a time, and is never blocked for ever by a budget that allows none."""
    objects = build(f"overlays/{overlay}")
    names = {pod.labels["app.kubernetes.io/name"] for pod in pods(objects)}
    for budget in of_kind(objects, "PodDisruptionBudget").values():
        assert {"maxUnavailable": 1} == {key: value for key, value in budget["spec"].items() if key != "selector"}
        assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] in names


@EACH_OVERLAY
def test_settings_are_ones_we_have(overlay: str) -> None:
    """The ConfigMap names settings that exist, and the image that runs flows is the image that runs the worker."""
    objects = build(f"overlays/{overlay}")
    data = of_kind(objects, "ConfigMap")["firstflight-settings"]["data"]
    ours = {name.removeprefix("FIRSTFLIGHT_").lower() for name in data if name.startswith("FIRSTFLIGHT_")}
    assert {"image"} == ours - set(Settings.model_fields)
    worker = of_kind(objects, "Deployment")["prefect-worker"]["spec"]["template"]["spec"]
    images = {each["image"] for each in (*worker["initContainers"], *worker["containers"])}
    assert {data["FIRSTFLIGHT_IMAGE"]} == images
    assert overlay == data["FIRSTFLIGHT_ENVIRONMENT"]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_environment_files_hold_settings(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of each environment names settings that exist, none of them a secret, and is valid."""
    said = tomllib.loads((ROOT / f"deployments/environments/{environment}.toml").read_text())
    secret = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert set(said) <= set(Settings.model_fields) - secret
    monkeypatch.setenv("FIRSTFLIGHT_PROJECT", str(ROOT))
    monkeypatch.setenv("FIRSTFLIGHT_ENVIRONMENT", environment)
    monkeypatch.delenv("FIRSTFLIGHT_WORK_POOL", raising=False)
    assert "kubernetes" == Settings().work_pool


def test_local_secrets_are_the_ones_that_are_read() -> None:
    """The generated Secrets have every key that a pod or a model of the local overlay names, and differ each time."""
    objects = build("overlays/local")
    made = {each["metadata"]["name"]: each["stringData"] for each in local_secrets()}
    read = {reference for pod in pods(objects) for reference in references(pod)}
    missing = {(name, key) for name, key, _ in read if key not in made.get(name, {})}
    assert missing <= {(name, key) for name, key, optional in read if optional}
    assert {name for name, _ in missing} <= OPTIONAL_SECRETS
    assert {each["spec"]["secretName"] for each in of_kind(objects, "Model").values()} <= made.keys()
    assert {name for pod in pods(objects) for name in mounted_secrets(pod)} <= made.keys()
    assert 1 == len(made["model-storage"])
    again = {each["metadata"]["name"]: each["stringData"] for each in local_secrets()}
    assert [] == [name for name in made if made[name] == again[name]]


def test_rclone_has_a_key_of_its_own_that_only_reads() -> None:
    """Whoever gets into a model server's pod changes no model: its key is not the one that writes, in either place."""
    made = {each["metadata"]["name"]: each["stringData"] for each in local_secrets()}
    allowed = {
        each["credentials"][0]["accessKey"]: set(each["actions"])
        for each in json.loads(made["seaweedfs"]["s3.json"])["identities"]
    }
    reads, writes = {"Read:firstflight", "List:firstflight"}, {"Write:firstflight"}
    assert reads == allowed[json.loads(made["model-storage"]["s3"])["parameters"]["access_key_id"]]
    assert reads | writes == allowed[made["object-storage"]["access-key-id"]]
    example = list(yaml.safe_load_all((ROOT / "k8s/examples/external-secrets.yaml").read_text()))
    (rclone,) = (each for each in example if "model-storage" == each["metadata"]["name"])
    (ours,) = (each for each in example if "object-storage" == each["metadata"]["name"])
    assert rclone["spec"]["dataFrom"][0]["extract"]["key"] not in {
        each["remoteRef"]["key"] for each in ours["spec"]["data"]
    }


def test_what_comes_along_is_maintained_and_patched() -> None:
    """PostgreSQL has the fixes of 17.10; MinIO publishes no images since one that has CVE-2025-62506."""
    images = [each["image"] for pod in overlay_pods("local") for each in pod.containers if "image" in each]
    assert [] == [image for image in images if "minio" in image]
    (postgresql,) = {image for image in images if image.startswith("postgres:")}
    assert (17, 10) <= tuple(int(part) for part in re.findall(r"\d+", postgresql.split("@")[0]))


def test_the_example_of_external_secrets_is_complete() -> None:
    """It fills every Secret that production reads, key by key."""
    example = yaml.safe_load_all((ROOT / "k8s/examples/external-secrets.yaml").read_text())
    filled = {}
    for each in example:
        spec = each["spec"]
        keys = spec.get("target", {}).get("template", {}).get("data", {})
        filled[each["metadata"]["name"]] = {*keys, *(entry["secretKey"] for entry in spec.get("data", []))}
    for pod in pods(build("overlays/production")):
        for name, key, _ in references(pod):
            assert key in filled[name], (name, key)
    assert {"s3"} == filled["model-storage"]


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_overlays_only_patch(overlay: str) -> None:
    """Staging and production have base's objects, all of them and no others, and change them by patches alone."""
    said = yaml.safe_load((ROOT / f"k8s/overlays/{overlay}/kustomization.yaml").read_text())
    assert set(said) <= {"apiVersion", "kind", "namespace", "resources", "patches", "images"}
    assert ["../../base"] == said["resources"]
    base, built = build("base"), build(f"overlays/{overlay}")
    assert {identity(each) for each in base} == {identity(each) for each in built}


def test_production_survives_a_node() -> None:
    """What can be three is three, apart from each other, and can still be rolled out on three nodes."""
    objects = build("overlays/production")
    single = {"backup", "exporter", "prefect-server", "retention", "seldon-scheduler"}  # they say why
    for pod in pods(objects):
        assert (1 if pod.owner in single else 3) == pod.replicas, pod.owner
        if pod.owner in single:
            continue
        rules = pod.spec["affinity"]["podAntiAffinity"]
        required = rules.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        preferred = [
            each["podAffinityTerm"] for each in rules.get("preferredDuringSchedulingIgnoredDuringExecution", [])
        ]
        for rule in required + preferred:
            assert (
                pod.labels["app.kubernetes.io/name"] == rule["labelSelector"]["matchLabels"]["app.kubernetes.io/name"]
            )
            assert "kubernetes.io/hostname" == rule["topologyKey"]
        if required and pod.ours:
            strategy = of_kind(objects, "Deployment")[pod.owner]["spec"]["strategy"]["rollingUpdate"]
            assert {"maxSurge": 0, "maxUnavailable": 1} == strategy
    assert {3} == {each["spec"]["replicas"] for each in of_kind(objects, "Model").values()}


def test_staging_is_one_of_each() -> None:
    """Staging runs a single replica of everything."""
    assert {1} == {pod.replicas for pod in pods(build("overlays/staging"))}


def seldon(overlay: str, kind: str) -> dict[str, Object]:
    """Return the specs of Seldon's objects by name."""
    found = of_kind(build(f"overlays/{overlay}"), kind)
    assert {SELDON} >= {each["apiVersion"] for each in found.values()}
    return {name: each["spec"] for name, each in found.items()}


@EACH_OVERLAY
def test_models_find_a_server(overlay: str) -> None:
    """Each model's requirements are among a server's capabilities, all fit in its memory, none wants more replicas."""
    (server,) = seldon(overlay, "Server").values()
    assert set(REQUIREMENTS) <= set(server["capabilities"])  # of the models that a release makes
    models = seldon(overlay, "Model").values()
    memory = next(each for each in server["podSpec"]["containers"] if each["name"] == "mlserver")["resources"]
    for model in models:
        assert set(model["requirements"]) <= set(server["capabilities"])
        assert model["replicas"] <= server["replicas"]
    assert sum(amount(model["memory"]) for model in models) <= amount(memory["requests"]["memory"])


@EACH_OVERLAY
def test_the_experiment_can_be_active(overlay: str) -> None:
    """Its default is a candidate, its weights are not all zero, its mirror is none of them, and all are models."""
    models = seldon(overlay, "Model")
    for experiment in seldon(overlay, "Experiment").values():
        weights = {each["name"]: each["weight"] for each in experiment["candidates"]}
        assert experiment["default"] in weights
        assert 100 == sum(weights.values())
        assert experiment["mirror"]["name"] not in weights
        assert {*weights, experiment["mirror"]["name"]} <= models.keys()


@EACH_OVERLAY
def test_the_pipeline_names_what_exists(overlay: str) -> None:
    """Steps are models, each once, none called like the pipeline; sources and outputs are steps."""
    for name, pipeline in seldon(overlay, "Pipeline").items():
        steps = [step["name"] for step in pipeline["steps"]]
        assert len(steps) == len(set(steps))
        assert name not in steps
        assert set(steps) <= seldon(overlay, "Model").keys()
        for step in pipeline["steps"]:
            for source in step.get("inputs", []) + step.get("triggers", []):
                assert source.split(".")[0] in {name, *steps}, source
        assert set(pipeline["output"]["steps"]) <= set(steps)
    assert ("local" == overlay) is (seldon(overlay, "Pipeline") == {})


@EACH_OVERLAY
def test_seldon_scales_no_server_away(overlay: str) -> None:
    """A Server with `replicas` alone loses a replica when a model leaves it, and never grows back."""
    for server in of_kind(build(f"overlays/{overlay}"), "Server").values():
        told = server["spec"]
        assert told["minReplicas"] == told["replicas"] == told["maxReplicas"]


@EACH_OVERLAY
def test_the_secret_that_every_agent_loads_is_shipped(overlay: str) -> None:
    """Seldon's operator names it whatever a runtime says, and an agent ends at its start without."""
    secret = of_kind(build(f"overlays/{overlay}"), "Secret")["seldon-rclone-gs-public"]
    assert 1 == len({**secret.get("data", {}), **secret.get("stringData", {})})


@EACH_OVERLAY
def test_seldons_parts_have_as_much_memory_as_its_charts_give_them(overlay: str) -> None:
    """Less was too little for the dataflow engine's JVM and for an agent that loads."""
    limits = {
        each["name"]: amount(each["resources"]["limits"]["memory"])
        for pod in overlay_pods(overlay)
        for each in pod.containers
    }
    assert amount("1Gi") <= limits["agent"]
    assert "dataflow-engine" not in limits or amount("3G") <= limits["dataflow-engine"]


@EACH_OVERLAY
def test_a_collector_takes_no_model_away(overlay: str) -> None:
    """A container that ends makes the servers' pod unready, and its models unreachable: this one goes on trying."""
    [pod] = of_kind(build(f"overlays/{overlay}"), "Server").values()
    collector = next(one for one in pod["spec"]["podSpec"]["containers"] if one["name"] == "collector")
    assert collector["command"][2].startswith("while true; do ")
    assert not {"readinessProbe", "livenessProbe", "startupProbe"} & set(collector)


def test_production_has_shards_for_its_gateways() -> None:
    """Seldon makes no more of them than multiplier and partitions allow, and says nothing of it."""
    objects = build("overlays/production")
    [runtime] = of_kind(objects, "SeldonRuntime").values()
    wanted = [each["replicas"] for each in runtime["spec"]["overrides"] if each["name"].startswith("seldon-pipeline")]
    assert wanted[0] <= runtime["spec"]["config"]["scalingConfig"]["pipelines"]["maxShardCountMultiplier"]
    assert wanted[0] <= int(runtime["spec"]["config"]["kafkaConfig"]["topics"]["numPartitions"])


@EACH_OVERLAY
def test_the_model_server_has_no_token(overlay: str) -> None:
    """The account's Role reads every Secret of the namespace: its token lies in the agent's container alone."""
    pod = of_kind(build(f"overlays/{overlay}"), "Server")["mlserver"]["spec"]["podSpec"]
    assert pod["automountServiceAccountToken"] is False
    [token] = [one["name"] for one in pod["volumes"] if "projected" in one]
    mounted = {
        one["name"] for one in pod["containers"] for place in one.get("volumeMounts", ()) if place["name"] == token
    }
    assert {"agent"} == mounted


@EACH_OVERLAY
def test_a_patch_file_deletes_one_object(overlay: str) -> None:
    """Kubectl before 1.37 panics at two deletions in one file."""
    for file in (ROOT / "k8s" / "overlays" / overlay).glob("*.yaml"):
        told = [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if isinstance(one, dict)]
        assert sum("$patch" in one for one in told) <= 1, file
