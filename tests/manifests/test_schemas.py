"""Every build succeeds, and every object in it is what its API takes, field by field."""

import json
import re
from collections.abc import Iterable

import jsonschema
import kubernetes_validate
import pytest
from pydantic import ValidationError

from firstflight.serving.seldon.resources import API_VERSION, Experiment, Model, Resource
from tests.manifests.objects import BUILDS, OVERLAYS, Object, build, identity, pods, whole_pod
from tests.manifests.schemas import MONITORING, RUNTIME_CONFIG
from tests.manifests.seldon_kinds import Pipeline, SeldonRuntime, Server

VERSIONS = ("1.30", "1.33", "1.37")  # the oldest we say to support, one between, the newest there is
FOREIGN = (API_VERSION, "monitoring.coreos.com/v1")
KINDS: dict[str, type[Resource]] = {kind.kind: kind for kind in (Model, Experiment, Pipeline, Server, SeldonRuntime)}
LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")

# kubernetes-validate 1.37.0 leaves its schema files open
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def distinct(objects: Iterable[Object]) -> list[Object]:
    """Return the objects, each once: overlays share most of theirs."""
    return list({json.dumps(each, sort_keys=True): each for each in objects}.values())


@pytest.mark.parametrize("path", BUILDS)
def test_names_are_unique_and_well_formed(path: str) -> None:
    """No object stands twice in a build, and each name is one that every kind accepts."""
    objects = build(path)
    assert len(objects) == len({identity(each) for each in objects})
    assert [] == [each["metadata"]["name"] for each in objects if not LABEL.match(each["metadata"]["name"])]


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_kubernetes_objects(version: str) -> None:
    """Every object of Kubernetes's own kinds, in every build, passes the strict schema of each version we support."""
    for each in distinct(each for path in BUILDS for each in build(path)):
        if each["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(each, version, strict=True)


def check_seldon(each: Object) -> None:
    """Compare an object with what our client would write: same fields, same values, all its rules kept."""
    spec = dict(each["spec"])
    if each["kind"] == "SeldonRuntime":
        jsonschema.validate(spec.pop("config"), RUNTIME_CONFIG)
    resource = KINDS[each["kind"]].model_validate(spec)
    metadata = each["metadata"]
    written = resource.manifest(metadata["name"], metadata["namespace"], labels=metadata["labels"], annotations={})
    assert spec == {field: written["spec"][field] for field in spec}


@pytest.mark.parametrize("path", BUILDS)
def test_other_objects_have_no_unknown_field(path: str) -> None:
    """Every object of another API has just the fields that API knows."""
    for each in build(path):
        if each["apiVersion"] in FOREIGN:
            assert set(each) == {"apiVersion", "kind", "metadata", "spec"}
            if each["apiVersion"] == API_VERSION:
                check_seldon(each)
            else:
                jsonschema.validate(each["spec"], MONITORING[each["kind"]])


def test_pods_of_the_operator_are_pods() -> None:
    """What a runtime or a server says of its pods is, with the operator's images, a Kubernetes pod."""
    made = (whole_pod(pod) for name in OVERLAYS for pod in pods(build(f"overlays/{name}")) if not pod.ours)
    for each in distinct(made):
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


def test_an_unknown_field_is_refused() -> None:
    """The checks are strict: the step field `outputs`, which the API would drop in silence, is an error."""
    metadata = {"name": "contextual", "namespace": "firstflight", "labels": {}}
    spec = {"steps": [{"name": "router", "outputs": ["a"]}]}
    with pytest.raises(ValidationError, match="outputs"):
        check_seldon({"kind": "Pipeline", "metadata": metadata, "spec": spec})
