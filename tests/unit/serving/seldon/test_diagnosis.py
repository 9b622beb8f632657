"""Each diagnosis over plain objects: one cause at a time, in a namespace where all else is well."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from firstflight.domain.findings import Finding, Status
from firstflight.serving.seldon.annotations import CHANGE
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.live import live_servers
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot, Unseen
from firstflight.serving.seldon.experiments import is_active
from tests.doubles.cluster_objects import (
    APP,
    LONG_AGO,
    NO_SERVER,
    TOO_FEW,
    containers,
    experiment,
    model,
    pod,
    policy,
    runtime,
    secret,
    server,
    server_config,
    snapshot,
    stateful_set,
    thing,
    told,
    unscheduled,
)
from tests.manifests.objects import build

GONE = "2026-03-02T11:59:00Z"
SCHEDULER = pod("seldon-scheduler-0", "seldon-scheduler")


def unwell(seen: Snapshot) -> dict[str, Finding]:
    """Return what is not well, by subject."""
    return {one.subject: one for one in diagnose(seen) if one.status is not Status.PASS}


def about(seen: Snapshot, subject: str = "Model fraud-v1") -> str:
    """Return the id of what is found about the subject."""
    return unwell(seen)[subject].id


def unplaced(text: str = NO_SERVER, **spec: Any) -> list[Any]:
    """Return one Model that the scheduler did not place."""
    return [model("fraud-v1", "ScheduleFailed", text, **spec)]


def test_all_is_well() -> None:
    """A namespace in which all is well has nothing but passes, and disabled components are no fault."""
    assert {} == unwell(snapshot())


def test_models_that_are_well_share_one_line() -> None:
    """Two hundred available Models are one line."""
    found = diagnose(snapshot(models=[model(f"fraud-v{number}") for number in range(200)], experiments=[]))
    assert ["200 of 200 available, their requirements met"] == [one.found for one in found if one.subject == "Models"]


NO_SERVER_CAUSES: Mapping[str, dict[str, Any]] = {
    "server-missing": {"servers": [], "statefulsets": [], "pods": [SCHEDULER]},
    "server-elsewhere": {
        "servers": [],
        "servers_elsewhere": (thing("mlserver") | {"metadata": {"name": "mlserver", "namespace": "other"}},),
    },
    "model-requirement": {"models": unplaced(requirements=["sklearn"])},
    "model-server-unknown": {"models": unplaced(server="triton")},
    "model-server-lacks": {"models": unplaced(server="mlserver", requirements=["onnx"])},
    "server-scaled-to-zero": {"servers": [server(replicas=0)], "pods": [SCHEDULER]},
    "server-deleting": {"servers": [server() | {"metadata": {"name": "mlserver", "deletionTimestamp": GONE}}]},
    "server-pod-unschedulable": {"pods": [unscheduled(), SCHEDULER]},
    "server-image": {
        "pods": [
            pod(unready=("mlserver",), state={"state": {"waiting": {"reason": "ImagePullBackOff", "message": "401"}}}),
            SCHEDULER,
        ]
    },
    "server-crashing": {
        "pods": [
            pod(
                unready=("mlserver",),
                state={
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
                },
            ),
            SCHEDULER,
        ]
    },
    "server-out-of-memory": {
        "pods": [
            pod(
                unready=("mlserver",),
                state={
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                },
            ),
            SCHEDULER,
        ]
    },
    "server-container-config": {
        "pods": [
            pod(
                unready=("agent",),
                state={"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "tls"'}}},
            ),
            SCHEDULER,
        ]
    },
    "server-container-not-ready": {"pods": [pod(unready=("mlserver",), state={"state": {"running": {}}}), SCHEDULER]},
    "agent-without-scheduler": {"pods": [pod(unready=("agent",))]},
    "agent-tls": {
        "pods": [pod(unready=("agent",), agent={"CONTROL_PLANE_SECURITY_PROTOCOL": "SSL"}), SCHEDULER],
    },
    "agent-blocked": {
        "pods": [pod(unready=("agent",)), SCHEDULER],
        "networkpolicies": [policy("default-deny", {}, ingress=[], egress=[])],
    },
    "agent-not-connected": {"pods": [pod(unready=("agent",)), SCHEDULER]},
    "server-pods-refused": {
        "pods": [SCHEDULER],
        "events": [
            {
                "reason": "FailedCreate",
                "involvedObject": {"kind": "StatefulSet", "name": "mlserver"},
                "message": 'pods "mlserver-0" is forbidden: violates PodSecurity "restricted:latest"',
                "lastTimestamp": LONG_AGO,
            }
        ],
    },
    "server-config-missing": {
        "servers": [server(capabilities=["mlserver", "python", "firstflight"])],
        "serverconfigs": [],
        "statefulsets": [],
        "pods": [SCHEDULER],
    },
    "server-no-workload": {"statefulsets": [], "pods": [SCHEDULER]},
    "server-not-live": {"pods": [SCHEDULER]},
    "scheduler-waiting": {
        "seldonruntimes": [
            thing("seldon", {}, {"conditions": [told("SchedulerReady", at="2026-03-02T11:55:00Z"), told("EnvoyReady")]})
        ]
    },
    "model-needs-nudge": {},
    "server-capabilities-unseen": {"serverconfigs": Unseen("serverconfigs in namespace x", "list", "403")},
}


@pytest.mark.parametrize("cause", NO_SERVER_CAUSES)
def test_no_matching_servers(cause: str) -> None:
    """Every cause of `no matching servers are available` is told apart from all others."""
    assert cause == about(snapshot(**{"models": unplaced(), "experiments": [], **NO_SERVER_CAUSES[cause]}))


TOO_FEW_CAUSES: Mapping[str, dict[str, Any]] = {
    "model-replicas": {"models": unplaced(TOO_FEW, replicas=2)},
    "model-memory": {"models": unplaced(TOO_FEW, memory="1101Mi")},
    "server-draining": {
        "models": unplaced(TOO_FEW, replicas=2),
        "servers": [server(replicas=2)],
        "pods": [pod(), pod("mlserver-1", deletionTimestamp=GONE), SCHEDULER],
    },
    "model-explainer": {"models": unplaced(TOO_FEW, explainer={"type": "anchor_tabular", "modelRef": "fraud"})},
    "model-needs-nudge": {"models": unplaced(TOO_FEW, memory="1100Mi")},
}


@pytest.mark.parametrize("cause", TOO_FEW_CAUSES)
def test_too_few_suitable_replicas(cause: str) -> None:
    """Every cause of `no matching server had enough suitable replicas` is told apart from all others."""
    assert cause == about(snapshot(experiments=[], **TOO_FEW_CAUSES[cause]))


def test_memory_that_others_hold_is_counted() -> None:
    """What available Models reserve on the same Server is not free, and parallel workers multiply."""
    models = [*unplaced(TOO_FEW, memory="300Mi"), model("other", memory="300Mi")]
    busy = snapshot(models=models, experiments=[], pods=[pod(agent={"MLSERVER_PARALLEL_WORKERS": "2"}), SCHEDULER])
    found = unwell(busy)["Model fraud-v1"]
    assert "needs 600Mi (300Mi times 2 parallel workers); mlserver has 500Mi left" == found.found


def test_replicas_over_several_servers_do_not_add_up() -> None:
    """Two Servers with one replica each do not carry a Model of two, and the finding says so."""
    seen = snapshot(
        models=unplaced(TOO_FEW, replicas=2),
        experiments=[],
        servers=[server(), server("second")],
        pods=[pod(), pod("second-0"), SCHEDULER],
    )
    assert "together they would do, but a Model lives on one Server" in unwell(seen)["Model fraud-v1"].found


def test_a_nearly_right_requirement_is_pointed_at() -> None:
    """Requirements are compared exactly: a capability that differs by case is named."""
    seen = snapshot(models=unplaced(requirements=["MLServer"]), experiments=[])
    assert "it offers mlserver: names must be equal" in unwell(seen)["Model fraud-v1"].found


def test_the_model_type_is_a_requirement() -> None:
    """`modelType` is one requirement more."""
    assert "model-requirement" == about(snapshot(models=unplaced(modelType="xgboost"), experiments=[]))


def test_extra_capabilities_count() -> None:
    """What a Server adds to its ServerConfig is offered, too."""
    seen = snapshot(
        models=unplaced(requirements=["gpu"]), experiments=[], servers=[server(extraCapabilities=[" gpu "])]
    )
    assert "model-needs-nudge" == about(seen)


def test_recovery_is_a_change_of_the_spec() -> None:
    """Once the cause is gone, the finding says that only a change of the spec helps, and how."""
    fix = unwell(snapshot(models=unplaced(), experiments=[]))["Model fraud-v1"].fix
    assert "kubectl patch model fraud-v1 -n firstflight" in fix


LOAD_FAILURES = {
    "secret-keys": "Secret does not have 1 key model-storage",
    "secret-remote": "name from URI (s3) does not match secret (minio)",
    "model-artifact": "failed to sync/copy s3://a to /mnt: Failed rclone request to host:127.0.0.1",
    "model-settings": "Can't create model-settings from requirements [python]",
    "server-draining": "server replica is draining",
    "model-scaling": "scaling spec is invalid: min 3 > max 1",
    "model-name": "Model a_b does not have a valid name",
    "model-deleting": "Model a is in process of deletion - new model can not be created",
    "model-refused": "rpc error: code = FailedPrecondition desc = no",
    "model-load-failed": "rpc error: code = Internal desc = [ONNXRuntimeError] : 7 : INVALID_PROTOBUF",
}
"""As v2.10.2 says it."""


@pytest.mark.parametrize("cause", LOAD_FAILURES)
def test_load_failures(cause: str) -> None:
    """Each text of a Model that failed to load leads to its own finding."""
    assert cause == about(snapshot(models=[model("fraud-v1", "ModelFailed", LOAD_FAILURES[cause])], experiments=[]))


MODEL_STATES: Mapping[str, Any] = {
    "model-not-watched": thing("fraud-v1", {"requirements": ["python"]}),
    "model-scheduler-unreachable": model("fraud-v1", "ModelProgressing", "rpc error: connection refused"),
    "model-progressing": model("fraud-v1", "ModelProgressing"),
    "model-scaled-to-zero": model("fraud-v1", "ModelScaledDown", replicas=0),
    "model-requirement": model("fraud-v1", "ModelProgressing", requirements=["onnx"]),
}


@pytest.mark.parametrize("cause", MODEL_STATES)
def test_model_states(cause: str) -> None:
    """States other than a failed schedule are told apart; what will keep a Model from a server is told early."""
    assert cause == about(snapshot(models=[MODEL_STATES[cause]], experiments=[]))


def test_state_and_text_may_stand_either_way() -> None:
    """A state is found as reason, too, in case the operator stops swapping the two."""
    swapped = model("fraud-v1", "x", "y")
    swapped["status"]["conditions"] = [told("ModelReady", "False", "ScheduleFailed", NO_SERVER)]
    assert "model-needs-nudge" == about(snapshot(models=[swapped], experiments=[]))


def test_partly_available_and_long_deleted() -> None:
    """An available Model may lack replicas; one that does not go is a failure after minutes."""
    partial, going = model("partial", replicas=2), model("going")
    partial["status"]["availableReplicas"] = 1
    going["metadata"]["deletionTimestamp"] = LONG_AGO
    found = unwell(snapshot(models=[partial, going], experiments=[]))
    assert ("model-partial", Status.WARN) == (found["Model partial"].id, found["Model partial"].status)
    assert ("model-deleting", Status.FAIL) == (found["Model going"].id, found["Model going"].status)


def test_an_available_model_without_a_live_replica_is_a_lie() -> None:
    """Server.status says one replica and the Model says available; no pod is ready."""
    seen = snapshot(pods=[pod(unready=("mlserver",)), SCHEDULER], experiments=[])
    assert "model-server-gone" == about(seen)


def _refused(at: str, active_at: str, reason: str = "default not in candidates") -> Any:
    one = experiment()
    one["status"]["conditions"] = [
        told("ExperimentReady", "True", "experiment active", at=active_at),
        told("ModelReady", "False", reason, at=at),
    ]
    return one


EXPERIMENTS: Mapping[str, Any] = {
    "experiment-negative-weight": experiment(
        candidates=[{"name": "fraud-v1", "weight": 101}, {"name": "fraud-v2", "weight": -1}]
    ),
    "experiment-zero-weights": experiment(candidates=[{"name": "fraud-v1", "weight": 0}]),
    "experiment-default-no-candidate": experiment(default="fraud-v2", candidates=[{"name": "fraud-v1", "weight": 1}]),
    "experiment-default-gone": experiment(default="old", candidates=[{"name": "old", "weight": 1}]),
    "experiment-refused": _refused(at="2026-03-02T11:00:00Z", active_at=LONG_AGO),
    "experiment-scheduler-unreachable": _refused(
        at="2026-03-02T11:00:00Z", active_at=LONG_AGO, reason="rpc error: code = Unavailable desc = connection refused"
    ),
    "experiment-pending": experiment() | {"metadata": experiment()["metadata"] | {"annotations": {CHANGE: "{}"}}},
    "experiment-inactive": experiment(
        active="False", candidates=[{"name": "fraud-v1", "weight": 9}, {"name": "fraud-v3", "weight": 1}]
    ),
    "experiment-not-watched": thing("fraud", experiment()["spec"]),
}


@pytest.mark.parametrize("cause", EXPERIMENTS)
def test_experiments(cause: str) -> None:
    """Each way in which an Experiment does not do what it says is told apart."""
    assert cause == about(snapshot(experiments=[EXPERIMENTS[cause]]), "Experiment fraud")


def test_a_refusal_that_was_corrected_is_history() -> None:
    """The condition of an old refusal is never cleared: an acceptance after it counts."""
    assert {} == unwell(snapshot(experiments=[_refused(at=LONG_AGO, active_at="2026-03-02T11:00:00Z")]))


def test_an_inactive_experiment_names_what_is_missing() -> None:
    """The reason is empty; the candidate that is not there is worked out."""
    found = unwell(snapshot(experiments=[EXPERIMENTS["experiment-inactive"]]))["Experiment fraud"].found
    assert "is not active; all requests go to fraud-v1: fraud-v3 (no such Model)" == found


def test_a_candidate_with_fewer_replicas_is_a_warning_and_its_split_in_force() -> None:
    """Seldon wants the state ModelAvailable for CandidatesReady, and one live replica for the route."""
    partly = experiment()
    partly["status"]["conditions"].append(told("CandidatesReady", "False", "Candidates not ready"))
    found = unwell(snapshot(experiments=[partly]))["Experiment fraud"]
    assert ("experiment-partly", Status.WARN) == (found.id, found.status)
    assert is_active(partly)


def test_an_experiment_without_its_first_model_is_a_404_for_everybody() -> None:
    """Its own endpoint keeps the candidates before the one that is lost: then there are none."""
    lost = model("fraud-v1", "ScheduleFailed", NO_SERVER)
    found = unwell(snapshot(models=[lost, model("fraud-v2")], experiments=[experiment(active="False")]))
    assert "fraud.experiment, which clients ask, answers 404 to everybody" in found["Experiment fraud"].found


def test_one_default_in_two_experiments() -> None:
    """A Model is the default of one Experiment only."""
    seen = snapshot(experiments=[experiment("one"), experiment("two")])
    assert {"experiment-default-shared"} == {one.id for one in unwell(seen).values()}


SECRETS: Mapping[str, Any] = {
    "secret-missing": None,
    "secret-keys": secret() | {"data": {**secret()["data"], "another": "eA=="}},
    "secret-content": secret({"type": "s3", "name": "s3"}),
    "secret-remote": secret({"type": "s3", "name": "minio", "parameters": {"provider": "Minio"}}),
}


@pytest.mark.parametrize("cause", SECRETS)
def test_secrets(cause: str) -> None:
    """Each way in which a Secret cannot be used by rclone is told apart."""
    assert cause == about(snapshot(secrets={"model-storage": SECRETS[cause]}), "Secret model-storage")


def test_parameters_of_a_secret_are_text_and_stay_secret() -> None:
    """A number is no text; no value is ever shown."""
    parameters = {"access_key_id": "hidden", "port": 9000}
    seen = snapshot(secrets={"model-storage": secret({"type": "s3", "name": "s3", "parameters": parameters})})
    assert "its parameters port are no text: quote them" == unwell(seen)["Secret model-storage"].found


def test_a_full_quota_and_a_tight_limit_are_told_before_events_are() -> None:
    """Missing pods are held against what is left of the quota, and against limit ranges."""
    quota = thing("quota", {}, {"hard": {"requests.memory": "1Gi"}, "used": {"requests.memory": "900Mi"}})
    limits = thing("limits", {"limits": [{"type": "Container", "max": {"memory": "512Mi"}}]})
    found = unwell(snapshot(pods=[SCHEDULER], resourcequotas=[quota], limitranges=[limits], experiments=[]))
    assert "quota" == found["ResourceQuota quota"].id
    assert "limit-range" == found["LimitRange limits"].id


def test_a_quota_wants_every_container_to_say_what_it_asks_for() -> None:
    """A quota on limits refuses containers without, unless a LimitRange says it for them."""
    quota = thing("quota", {}, {"hard": {"limits.memory": "64Gi"}, "used": {}})
    limits = thing("limits", {"limits": [{"type": "Container", "default": {"memory": "512Mi"}}]})
    bare = unwell(snapshot(pods=[SCHEDULER], resourcequotas=[quota]))
    helped = unwell(snapshot(pods=[SCHEDULER], resourcequotas=[quota], limitranges=[limits]))
    assert "quota-needs-requests" == bare["ResourceQuota quota"].id
    assert "ResourceQuota quota" not in helped


def test_a_quota_that_is_nearly_full_is_a_warning() -> None:
    """A roll-back needs room."""
    quota = thing("quota", {}, {"hard": {"pods": "10"}, "used": {"pods": "9"}})
    found = unwell(snapshot(resourcequotas=[quota]))["ResourceQuota quota"]
    assert ("quota-nearly-full", Status.WARN) == (found.id, found.status)


def test_network_policies_close_ways() -> None:
    """A default-deny closes each way that Seldon needs; policies that open them again are understood."""
    deny = policy("default-deny", {}, ingress=[], egress=[])
    everywhere = policy(
        "open",
        {"matchExpressions": [{"key": APP, "operator": "Exists"}]},
        ingress=[{"ports": [{"port": 9000, "endPort": 9999}]}],
        egress=[{"to": [{"podSelector": {}}]}, {"ports": [{"protocol": "UDP", "port": 53}]}],
    )
    closed = unwell(snapshot(networkpolicies=[deny]))
    assert {"network-policy"} == {one.id for one in closed.values()}
    assert "connection seldon-server → seldon-scheduler:9005" in closed
    assert {} == unwell(snapshot(networkpolicies=[deny, everywhere]))


def test_runtime() -> None:
    """No runtime, a scheduler that is not ready, one that the operator never saw, two of them: each is told."""
    assert "runtime-missing" == about(snapshot(seldonruntimes=[]), "SeldonRuntime in firstflight")
    down = snapshot(seldonruntimes=[runtime(SchedulerReady="False")])
    assert "runtime-component" == about(down, "SeldonRuntime seldon: seldon-scheduler")
    unseen = snapshot(seldonruntimes=[thing("seldon", {})])
    assert "runtime-not-watched" == about(unseen, "SeldonRuntime seldon")
    assert "runtime-several" == about(snapshot(seldonruntimes=[runtime(), runtime()]), "SeldonRuntime in firstflight")


def test_a_component_whose_pods_are_refused_is_not_ready_whatever_its_condition_says() -> None:
    """Seldon compares none that is ready with none that could be made."""
    refusal = {"kind": "ReplicaSet", "name": "seldon-envoy-6d5f"}
    event = {"reason": "FailedCreate", "involvedObject": refusal, "message": "exceeded quota: firstflight"}
    refused = snapshot(pods=[pod(), pod("seldon-scheduler-0", "seldon-scheduler")], events=[event])
    [line] = [one for one in diagnose(refused) if one.id == "runtime-component"]
    assert ("SeldonRuntime seldon: seldon-envoy", Status.FAIL) == (line.subject, line.status)
    assert "it has no pod: exceeded quota: firstflight" in line.found


def test_fewer_pods_than_were_asked_for_are_told() -> None:
    """Seldon lowers gateways to what topics allow, and says that they are ready."""
    asked = runtime()
    asked["spec"]["overrides"].append({"name": "seldon-envoy", "replicas": 3})
    found = unwell(snapshot(seldonruntimes=[asked]))["SeldonRuntime seldon: seldon-envoy"]
    assert ("runtime-lowered", "says ready with 1 of 3 replicas") == (found.id, found.found)


def test_the_last_of_two_equal_variables_counts() -> None:
    """Seldon appends what a Server says to what its ServerConfig says: 1, and then 0."""
    doubled = pod()
    agent = next(one for one in doubled["spec"]["containers"] if one["name"] == "agent")
    agent["env"] = [{"name": "MLSERVER_PARALLEL_WORKERS", "value": value} for value in ("4", "2")]
    assert 2 == live_servers(snapshot(pods=[doubled, SCHEDULER]))["mlserver"].workers


def test_a_server_that_seldon_may_scale_away_is_told() -> None:
    """Both bounds are its replicas, or one that a model leaves does not come back."""
    for bounds in ({"minReplicas": None}, {"maxReplicas": 3}, {"minReplicas": None, "maxReplicas": None}):
        assert "server-unbounded" == about(snapshot(servers=[server(**bounds)]), "Server mlserver")


def test_extra_capabilities_are_ignored_beside_capabilities() -> None:
    """As Seldon's operator ignores them."""
    both = server(capabilities=["mlserver", "python"], extraCapabilities=["firstflight"])
    assert frozenset({"mlserver", "python"}) == live_servers(snapshot(servers=[both]))["mlserver"].capabilities


def test_pipelines_need_what_is_disabled_without_kafka() -> None:
    """A Pipeline beside disabled gateways is told; one that is not ready says in whose words."""
    one = thing("routing", {}, {"conditions": [told("PipelineGwReady", "False", "no gateway"), told("Ready", "False")]})
    assert "pipeline-components-off" == about(snapshot(pipelines=[one]), "Pipelines")
    everything = thing("seldon", {}, {"conditions": [told("SchedulerReady"), told("EnvoyReady")]})
    seen = snapshot(pipelines=[one], seldonruntimes=[everything])
    assert "pipeline-not-ready" == about(seen, "Pipeline routing")


def test_crds_and_versions() -> None:
    """An API without the group, with another version, with a kind missing, or too old."""
    for versions, kinds in (((), frozenset()), (("v1",), frozenset()), (("v1alpha1",), frozenset({"models"}))):
        seen = replace(snapshot(), group_versions=versions, kinds=kinds)
        assert "crds" == about(seen, "Seldon's CRDs")
    assert "api-version" == about(replace(snapshot(), version="v1.26.9-gke.1"), "Kubernetes API")
    [odd] = [one for one in diagnose(replace(snapshot(), version="unknown")) if one.id == "api-version"]
    assert "upgrade" not in odd.fix


def test_what_may_not_be_seen_is_a_warning() -> None:
    """Each list that is refused is a line which names the missing right; nothing else is claimed of it."""
    kinds = ("pods", "statefulsets", "networkpolicies", "events")
    seen = snapshot(**{kind: Unseen(f"{kind} in namespace firstflight", "list", "403 no") for kind in kinds})
    found = unwell(seen)
    assert {"cannot-see", "server-unseen"} == {one.id for one in found.values()}
    assert {Status.WARN} == {one.status for one in found.values()}
    assert "needs verb list on pods in namespace firstflight" in found["pods in namespace firstflight"].fix


def test_live_replicas_come_from_stateful_sets_when_pods_cannot_be_seen() -> None:
    """The second best witness is asked before none is."""
    seen = snapshot(pods=Unseen("pods", "list", "403"), statefulsets=[stateful_set(ready=0)], experiments=[])
    assert "server-not-live" == about(seen, "Server mlserver")


def test_capabilities_come_from_a_pod_when_its_config_cannot_be_seen() -> None:
    """What the operator gave the agent is what the scheduler heard."""
    agent = {"SELDON_SERVER_CAPABILITIES": "onnx"}
    seen = snapshot(
        models=unplaced(),
        experiments=[],
        pods=[pod(agent=agent), SCHEDULER],
        serverconfigs=Unseen("serverconfigs", "list", "403"),
    )
    assert "model-requirement" == about(seen)


def test_server_configs_of_the_operator_are_read() -> None:
    """A ServerConfig's environment says what a Server offers."""
    seen = snapshot(serverconfigs=[server_config(capabilities="onnx")], models=unplaced(), experiments=[])
    assert "asks for firstflight, mlserver, python; mlserver comes closest and lacks firstflight, mlserver, python" == (
        unwell(seen)["Model fraud-v1"].found
    )
    assert "mlserver" in {one["name"] for one in containers()}


def test_a_flow_run_without_a_pod_is_told() -> None:
    """Refused by a quota, or without an image: no roll-back can start, and Prefect says `Submitting` for long."""
    refusal = {"kind": "Job", "name": "sage-heron-x7k"}
    event = {"reason": "FailedCreate", "involvedObject": refusal, "message": "exceeded quota: firstflight"}
    waiting = {"state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    run = thing(
        "grey-owl-1",
        {},
        {"containerStatuses": [{"name": "prefect-job", "image": "x:1", **waiting}]},
        labels={"firstflight/role": "flow"},
    )
    found = {one.id: one for one in diagnose(snapshot(events=[event], pods=[*snapshot().items("pods"), run]))}
    assert "its pod is refused: exceeded quota: firstflight" == found["job-refused"].found
    assert "ErrImagePull: x:1: not found" == found["job-image"].found
    old = event | {"lastTimestamp": LONG_AGO}
    assert "job-refused" not in {one.id for one in diagnose(snapshot(events=[old]))}


def test_a_full_quota_is_a_failure() -> None:
    """Ten of one: nothing more can be made, so it is no warning."""
    quota = thing("firstflight", {}, {"hard": {"pods": "1"}, "used": {"pods": "10"}})
    assert "quota-full" == about(snapshot(resourcequotas=[quota]), "ResourceQuota firstflight")


def test_what_our_own_quota_forbids_is_not_full() -> None:
    """No load balancer and none of the node's ports may be made: zero of zero. Of pods that would be none at all."""
    [quota] = [one for one in build("base") if one["kind"] == "ResourceQuota"]
    hard = quota["spec"]["hard"]
    own = thing("firstflight", {}, {"hard": hard, "used": dict.fromkeys(hard, "0")})
    assert "ResourceQuota firstflight" not in unwell(snapshot(resourcequotas=[own]))
    none = thing("none", {}, {"hard": {"pods": "0"}, "used": {"pods": "0"}})
    assert "quota-full" == about(snapshot(resourcequotas=[none]), "ResourceQuota none")
