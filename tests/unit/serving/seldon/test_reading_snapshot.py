"""Reading a cluster over HTTP: how often it is asked, what is refused, what is not there."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.findings import Status
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.configuration import configuration
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.examination import examine
from firstflight.serving.seldon.diagnosis.reading import read_snapshot
from firstflight.serving.seldon.diagnosis.snapshot import Unseen
from firstflight.settings import Settings
from tests.doubles.cluster_objects import NAMESPACE, OPERATORS, experiment, model, snapshot
from tests.doubles.kubernetes_reads import ReadApi, bare, holding, serving
from tests.manifests.objects import build


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that KUBECONFIG names; nothing is in it yet."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


def cluster(api: ReadApi, path: Path) -> Api:
    """Return the client of the API, by way of a kubeconfig."""
    named = {"cluster": "double", "user": "nobody"}
    text = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "double",
        "contexts": [{"name": "double", "context": named}],
        "clusters": [{"name": "double", "cluster": {"server": api.address}}],
        "users": [{"name": "nobody", "user": {"token": "nothing"}}],
    }
    path.write_text(yaml.safe_dump(text))
    return Api(configuration(), NAMESPACE)


def test_what_is_read_is_what_is_there(kubeconfig: Path) -> None:
    """The snapshot holds what the API holds, and leads to the same findings."""
    held = snapshot(models=[model("fraud-v1", "ModelFailed", "KeyError"), model("fraud-v2")])
    with serving(holding(held)) as api:
        read = read_snapshot(cluster(api, kubeconfig), NAMESPACE, OPERATORS)
    assert held == replace(read, now=held.now)
    assert diagnose(held) == diagnose(replace(read, now=held.now))


def test_two_hundred_models_are_one_list(kubeconfig: Path) -> None:
    """Requests do not grow with objects: one list each, and one for the Secret they share."""
    many = snapshot(
        models=[model(f"fraud-v{number}") for number in range(200)],
        experiments=[experiment(f"e{number}", default=None) for number in range(50)],
    )
    with serving(holding(many)) as api:
        read_snapshot(cluster(api, kubeconfig), NAMESPACE, OPERATORS)
    assert sorted(set(api.asked)) == sorted(api.asked)
    assert 18 == len(
        api.asked
    )  # version, two of discovery, the namespace, twelve lists, the agents' ConfigMap, one Secret


def test_what_is_refused_is_a_warning(kubeconfig: Path) -> None:
    """403 on every list but ours leaves a line for each, and no crash."""
    answers = {path: 403 if "/namespaces/" in path else body for path, body in holding(snapshot()).items()}
    with serving(answers) as api:
        found = diagnose(read_snapshot(cluster(api, kubeconfig), NAMESPACE, OPERATORS))
    refused = [one for one in found if one.id == "cannot-see"]
    assert 12 == len(refused)
    assert {Status.WARN} == {one.status for one in refused}
    assert not [one for one in found if one.status is Status.FAIL]


def test_a_refused_secret_names_the_right(kubeconfig: Path) -> None:
    """The doctor may read one Secret; another one is a warning."""
    held = snapshot(secrets={"model-storage": Unseen("x", "get", "403")})
    with serving(holding(held)) as api:
        found = diagnose(read_snapshot(cluster(api, kubeconfig), NAMESPACE, OPERATORS))
    [line] = [one for one in found if one.id == "cannot-see"]
    assert "needs verb get on Secret model-storage in namespace firstflight" in line.fix


def test_a_secret_that_agents_end_without_is_looked_for(kubeconfig: Path) -> None:
    """Seldon's operator writes it into their ConfigMap, whatever a runtime says."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/seldon-agent"
    agents = {"data": {"agent.yaml": "rclone:\n  config_secrets:\n  - seldon-rclone-gs-public\n"}}
    with serving({**holding(snapshot()), path: agents}) as api:
        found = diagnose(read_snapshot(cluster(api, kubeconfig), NAMESPACE, OPERATORS))
    [line] = [one for one in found if one.id == "secret-missing"]
    assert ("Secret seldon-rclone-gs-public", Status.FAIL) == (line.subject, line.status)
    assert "every agent, which ends at its start without" in line.found


def test_a_cluster_without_the_crds(kubeconfig: Path) -> None:
    """Kinds that the API does not know are one line, not six."""
    named = {"/version": {"gitVersion": "v1.31.2"}, f"/api/v1/namespaces/{NAMESPACE}": {}}
    with serving(named) as api:
        found = diagnose(read_snapshot(cluster(api, kubeconfig), NAMESPACE, OPERATORS))
    assert ["crds"] == [one.id for one in found if one.status is Status.FAIL]


def test_a_namespace_that_is_not_there_is_the_one_line(kubeconfig: Path) -> None:
    """Its lists are empty and no errors: nothing is said of policies, Servers and runtimes that nobody looked for."""
    answers = {path: body for path, body in holding(snapshot()).items() if f"/namespaces/{NAMESPACE}" not in path}
    lists = {path: {"items": []} for path, body in holding(snapshot()).items() if "items" in body}
    with serving({**answers, **lists}) as api:
        found = examine(Settings(backend="seldon"), cluster(api, kubeconfig))
    assert ["api", "crds", "namespace-missing"] == [one.id for one in found]
    assert "FIRSTFLIGHT_NAMESPACE" in found[-1].fix


def test_a_bare_api_server(kubeconfig: Path) -> None:
    """With the CRDs alone everything is told as failure or warning, and nothing crashes."""
    lists = {path: {"items": []} for path, body in holding(snapshot()).items() if "items" in body}
    with serving({**bare(), **lists}) as api:
        found = examine(Settings(backend="seldon"), cluster(api, kubeconfig))
    failing = {one.id for one in found if one.status is Status.FAIL}
    assert {"runtime-missing", "server-missing"} == failing
    assert {"model-none", "inference-nobody", "mesh-uncounted"} == {
        one.id for one in found if one.status is Status.WARN
    }


def test_an_api_that_does_not_answer(kubeconfig: Path) -> None:
    """No answer, a refusal and no kubeconfig are each one failing line."""
    with serving(bare()) as api:
        gone = cluster(api, kubeconfig)
    assert ["api-unreachable"] == [one.id for one in examine(Settings(backend="seldon"), gone)]
    with serving({"/version": 401}) as api:
        [refused] = examine(Settings(backend="seldon"), cluster(api, kubeconfig))
    assert "401" in refused.found
    kubeconfig.unlink()
    assert ["api-unreachable"] == [one.id for one in examine(Settings(backend="seldon"))]
    with pytest.raises(BackendUnavailableError, match="set KUBECONFIG"):
        configuration()


def test_our_own_network_policies_close_nothing_that_is_needed() -> None:
    """What k8s/base lets through is what the doctor looks for."""
    policies = [one for one in build("base") if one["kind"] == "NetworkPolicy"]
    found = [one for one in diagnose(snapshot(networkpolicies=policies)) if one.id == "network-policy"]
    assert [] == found


def test_our_own_models_fit_our_own_server() -> None:
    """Models and Server of k8s/base agree on requirements, without a look at any ServerConfig."""
    objects = {kind: [one for one in build("base") if one["kind"] == kind] for kind in ("Model", "Server")}
    models = [one | {"metadata": {**one["metadata"], "finalizers": ["x"]}} for one in objects["Model"]]
    unseen = Unseen("serverconfigs", "list", "403")
    held = snapshot(models=models, servers=objects["Server"], serverconfigs=unseen, experiments=[])
    found = {one.id for one in diagnose(held) if one.subject.startswith("Model ")}
    assert {"model-progressing"} == found
