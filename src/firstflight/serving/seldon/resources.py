"""Seldon's resources as values: a field the API does not have, or would ignore, cannot be written.

Fields follow the API `mlops.seldon.io/v1alpha1` (https://docs.seldon.ai/seldon-core-2). Left out on purpose: what the
API takes and ignores (`dedicated`, `preloaded`, `schemaUri` of a Model, `logger.percent`, `batch.rolling`). Rules that
its server checks only after the write, or never, are checked here: a weight below zero would stop its operator.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from firstflight.domain.traffic import Percent
from firstflight.domain.values import Value

API_VERSION = "mlops.seldon.io/v1alpha1"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
Count = Annotated[int, Field(ge=0, lt=2**31)]


class Part(Value):
    """A part of a resource: written in camelCase, unset fields left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def written(self) -> dict[str, Any]:
        """Return the JSON that the API takes."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Resource(Part):
    """The spec of one kind of object."""

    kind: ClassVar[str]
    plural: ClassVar[str]

    def manifest(
        self, name: str, namespace: str, *, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the whole object, as a server-side apply takes it."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": dict(labels),
                "annotations": dict(annotations),
            },
            "spec": self.written(),
        }


class Parameter(Part):
    """A value that the runtime finds in `parameters.extra`."""

    name: str
    value: str


class Scaled(Resource):
    """What has a number of replicas, and may have bounds for it."""

    replicas: Count | None = None
    min_replicas: Count | None = None
    max_replicas: Count | None = None

    @model_validator(mode="after")
    def _is_in_range(self) -> Self:
        given = [count for count in (self.min_replicas, self.replicas, self.max_replicas) if count is not None]
        if given != sorted(given):
            raise ValueError(
                f"minReplicas {self.min_replicas}, replicas {self.replicas}, maxReplicas {self.max_replicas}:"
                " none may be more than the next"
            )
        return self


class Explainer(Part):
    """What a Model explains: a model or a pipeline."""

    type: str
    model_ref: Name | None = None
    pipeline_ref: Name | None = None


class DataflowOptions(Part):
    """What becomes of Kafka topics."""

    clean_topics_on_delete: bool


class Model(Scaled):
    """A model, placed on any Server whose capabilities hold all `requirements`."""

    kind = "Model"
    plural = "models"

    storage_uri: str = Field(pattern=r"^([A-Za-z0-9_-]+:.+|/.+)$", description="rclone's: <remote>:…, or a path.")
    requirements: tuple[str, ...] = Field(min_length=1)
    model_type: str | None = None
    server: Name | None = None
    memory: str | None = Field(default=None, pattern=r"^[0-9]+(Ki|Mi|Gi|k|M|G)?$")
    artifact_version: Count | None = None
    secret_name: str | None = None
    parameters: tuple[Parameter, ...] | None = None
    explainer: Explainer | None = None
    dataflow: DataflowOptions | None = None


class Candidate(Part):
    """One that gets a share of the requests: its weight over the sum of all."""

    name: Name
    weight: Count


class Mirror(Part):
    """One that gets copies of requests; its answers are thrown away."""

    name: Name
    percent: Percent


class Experiment(Resource):
    """A split. With `default`, that model's own endpoint carries it."""

    kind = "Experiment"
    plural = "experiments"

    default: Name | None = None
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    mirror: Mirror | None = None
    resource_type: Literal["model", "pipeline"] = "model"

    @model_validator(mode="after")
    def _is_a_split(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        if sum(candidate.weight for candidate in self.candidates) == 0:  # one such route stops updates of all routes
            raise ValueError(f"weights of {names} sum to 0, must be more")
        counted = Counter([*names, *([self.mirror.name] if self.mirror else [])])
        if twice := [name for name, count in counted.items() if count > 1]:
            raise ValueError(f"{twice} named more than once among candidates and mirror")
        if self.default is not None and self.default not in names:
            raise ValueError(f"default {self.default!r} is not among the candidates {names}")
        return self
