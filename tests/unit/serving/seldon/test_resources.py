"""Seldon's resources as values."""

from typing import Any

import pytest
from pydantic import ValidationError

from firstflight.serving.seldon.resources import Experiment, Model, Resource
from tests.manifests.seldon_kinds import Pipeline, SeldonRuntime, Server, Step

CANDIDATES = [{"name": "a", "weight": 90}, {"name": "b", "weight": 10}]


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        (Experiment, {"candidates": CANDIDATES, "outputs": []}, "outputs"),
        (Experiment, {"candidates": []}, "candidates"),
        (Experiment, {"candidates": [{"name": "a", "weight": 0}]}, "sum to 0"),
        (Experiment, {"candidates": [{"name": "a", "weight": -1}]}, "greater than or equal to 0"),
        (Experiment, {"candidates": CANDIDATES, "default": "c"}, "not among the candidates"),
        (Experiment, {"candidates": CANDIDATES, "mirror": {"name": "b", "percent": 9}}, "more than once"),
        (Experiment, {"candidates": [{"name": "a_b", "weight": 1}]}, "pattern"),
        (Model, {"storageUri": "", "requirements": ["python"]}, "pattern"),
        (Model, {"storageUri": "s3://b/m", "requirements": ["python"], "preloaded": True}, "preloaded"),
        (Model, {"storageUri": "s3://b/m", "requirements": ["p"], "minReplicas": 3, "replicas": 1}, "more than"),
        (Pipeline, {"steps": [{"name": "a"}, {"name": "a"}]}, "only once"),
        (Pipeline, {"steps": [{"name": "a", "outputs": ["x"]}]}, "outputs"),
        (Pipeline, {"steps": [{"name": "a", "tensorMap": [{"a": "b"}]}]}, "dict"),
        (Pipeline, {"steps": [{"name": "a"}], "output": {"steps": ["b"]}}, "no steps"),
        (Server, {"serverConfig": "mlserver", "imageOverrides": {}}, "imageOverrides"),
        (SeldonRuntime, {"seldonConfig": "default", "overrides": [{"name": "envoy"}]}, "seldon-envoy"),
    ],
)
def test_what_the_api_lacks_or_ignores_cannot_be_written(
    kind: type[Resource], fields: dict[str, Any], told: str
) -> None:
    """Nor what would stop its operator or its Envoy."""
    with pytest.raises(ValidationError, match=told):
        kind.model_validate(fields)


def test_a_pipeline_has_no_step_of_its_own_name() -> None:
    """Its references could not be told apart."""
    with pytest.raises(ValueError, match="own name"):
        Pipeline(steps=(Step(name="a"),)).manifest("a", "models", labels={}, annotations={})


def test_a_manifest_has_what_was_given_and_nothing_else() -> None:
    """In the API's own words."""
    found = Model(storage_uri="s3://b/m", requirements=("python",)).manifest(
        "m", "n", labels={"l": "1"}, annotations={}
    )
    assert {
        "apiVersion": "mlops.seldon.io/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "m", "namespace": "n", "labels": {"l": "1"}, "annotations": {}},
        "spec": {"storageUri": "s3://b/m", "requirements": ["python"]},
    } == found
