"""Register what training leaves behind."""

from firstflight.domain.versions import PARAMETERS, Registered
from firstflight.registry.registry import ModelRegistry
from firstflight.workloads.workload import TrainedModel


def register(registry: ModelRegistry, trained: TrainedModel) -> Registered:
    """Register `trained` with what the gate said of it; one that passed is the challenger now."""
    size = {} if trained.parameters is None else {PARAMETERS: str(trained.parameters)}
    version = registry.register(trained.model, trained.variant, trained.artifact, {**trained.tags, **size})
    if trained.gate.passed:
        registry.set_alias(version, "challenger")
    return Registered(version=version, passed=trained.gate.passed, reasons=trained.gate.reasons)
