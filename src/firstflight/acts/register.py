"""Register what training leaves behind."""

from firstflight.domain.versions import PARAMETERS, Registered
from firstflight.registry.registry import ModelRegistry
from firstflight.workloads.market.training.trained import TrainedVariant


def register(registry: ModelRegistry, trained: TrainedVariant) -> Registered:
    """Register `trained` with what the gate said of it; one that passed is the challenger now."""
    tags = {**trained.tags, PARAMETERS: str(trained.parameters)}
    version = registry.register(trained.model, trained.variant, trained.artifact, tags)
    if trained.gate.passed:
        registry.set_alias(version, "challenger")
    return Registered(version=version, passed=trained.gate.passed, reasons=trained.gate.reasons)
