"""Kinds of Seldon that only manifests name, as values: what their objects are compared with, field by field."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from firstflight.serving.seldon.resources import Count, DataflowOptions, Name, Part, Resource, Scaled

Join = Literal["inner", "outer", "any"]


Component = Literal[
    "seldon-scheduler",
    "seldon-envoy",
    "seldon-modelgateway",
    "seldon-pipelinegateway",
    "seldon-dataflow-engine",
    "hodometer",
]


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


class Server(Scaled):
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
