"""Every build succeeds, and every object in it is what its API takes, field by field."""

import json
import re
from collections.abc import Iterable

import jsonschema
import kubernetes_validate
import pytest

from tests.manifests.objects import BUILDS, OVERLAYS, Object, build, identity, pods, whole_pod
from tests.manifests.schemas import SCHEMAS, SELDON

VERSIONS = ("1.30", "1.33", "1.37")  # the oldest we say to support, one between, the newest there is
FOREIGN = ("mlops.seldon.io/v1alpha1", "monitoring.coreos.com/v1")
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


@pytest.mark.parametrize("path", BUILDS)
def test_other_objects_have_no_unknown_field(path: str) -> None:
    """Every object of another API has just the fields that API knows."""
    for each in build(path):
        if each["apiVersion"] in FOREIGN:
            assert set(each) == {"apiVersion", "kind", "metadata", "spec"}
            jsonschema.validate(each["spec"], SCHEMAS[each["apiVersion"], each["kind"]])


def test_pods_of_the_operator_are_pods() -> None:
    """What a runtime or a server says of its pods is, with the operator's images, a Kubernetes pod."""
    made = (whole_pod(pod) for name in OVERLAYS for pod in pods(build(f"overlays/{name}")) if not pod.ours)
    for each in distinct(made):
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


def test_an_unknown_field_is_refused() -> None:
    """The schemas are strict: the step field `outputs`, which the API would drop in silence, is an error."""
    spec = {"steps": [{"name": "router", "outputs": ["a"]}]}
    with pytest.raises(jsonschema.ValidationError, match="outputs"):
        jsonschema.validate(spec, SELDON["Pipeline"])
