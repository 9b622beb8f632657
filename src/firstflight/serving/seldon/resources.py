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
Join = Literal["inner", "outer", "any"]
Component = Literal[
    "seldon-scheduler",
    "seldon-envoy",
    "seldon-modelgateway",
    "seldon-pipelinegateway",
    "seldon-dataflow-engine",
    "hodometer",
]


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


class _Scaled(Resource):
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


class Model(_Scaled):
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


class Batch(Part):
    """How many requests a step waits for, and how long."""

    size: Count | None = None
    window_ms: Count | None = None


class Step(Part):
    """One model of a pipeline; it runs when its inputs and triggers are there."""

    name: Name
    inputs: tuple[str, ...] | None = None
    inputs_join_type: Join | None = None
    join_window_ms: Count | None = None
    tensor_map: dict[str, str] | None = None
    triggers: tuple[str, ...] | None = None
    triggers_join_type: Join | None = None
    batch: Batch | None = None


class PipelineInput(Part):
    """What a pipeline takes from other pipelines."""

    external_inputs: tuple[str, ...] | None = None
    external_triggers: tuple[str, ...] | None = None
    join_type: Join | None = None
    triggers_join_type: Join | None = None
    join_window_ms: Count | None = None
    tensor_map: dict[str, str] | None = None


class PipelineOutput(Part):
    """Whose outputs answer the request."""

    steps: tuple[str, ...] = Field(min_length=1)
    steps_join: Join | None = None
    join_window_ms: Count | None = None
    tensor_map: dict[str, str] | None = None


class Pipeline(Resource):
    """Models joined by Kafka topics; routing is a step whose inputs exist only sometimes."""

    kind = "Pipeline"
    plural = "pipelines"

    steps: tuple[Step, ...] = Field(min_length=1)
    input: PipelineInput | None = None
    output: PipelineOutput | None = None
    allow_cycles: bool | None = None
    max_step_revisits: Count | None = None
    dataflow: DataflowOptions | None = None

    @model_validator(mode="after")
    def _names_its_steps(self) -> Self:
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError(f"steps {names}: a model can be a step only once")
        if self.output and (unknown := {source.split(".")[0] for source in self.output.steps} - set(names)):
            raise ValueError(f"output names {sorted(unknown)}, which are no steps")
        return self

    def manifest(
        self, name: str, namespace: str, *, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the whole object. Raises ValueError when a step has the pipeline's name."""
        if name in {step.name for step in self.steps}:
            raise ValueError(f"pipeline {name!r} has a step of its own name")
        return super().manifest(name, namespace, labels=labels, annotations=annotations)


class Server(_Scaled):
    """Model servers of one configuration."""

    kind = "Server"
    plural = "servers"

    server_config: Name
    capabilities: tuple[str, ...] | None = None
    pod_spec: dict[str, Any] | None = None  # Kubernetes's own type, checked by its API


class ComponentOverride(Part):
    """How one component of a runtime differs from its configuration."""

    name: Component
    disable: bool | None = None
    replicas: Count | None = None
    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = None
    pod_spec: dict[str, Any] | None = None  # as in Server


class SeldonRuntime(Resource):
    """Scheduler, Envoy and gateways of one namespace."""

    kind = "SeldonRuntime"
    plural = "seldonruntimes"

    seldon_config: Name
    overrides: tuple[ComponentOverride, ...] | None = None
    disable_auto_update: bool | None = None
