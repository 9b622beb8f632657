"""What a variant that was trained in a run of its own leaves for the run that asked for it."""

from pydantic import JsonValue

from firstflight.domain.values import Value
from firstflight.domain.versions import Registered
from firstflight.workloads.workload import TrainedModel


class TrainedApart(Value):
    """A variant in the registry, and how it did on the validation part: the others are judged against that."""

    registered: Registered
    validation: dict[str, JsonValue]

    @classmethod
    def of(cls, trained: TrainedModel, registered: Registered) -> "TrainedApart":
        """Return what is left of `trained` once it is in the registry."""
        return cls(registered=registered, validation=trained.validation)


def kept_as(variant: str) -> str:
    """Return the name under which a run keeps what the run of `variant` left."""
    return f"trained {variant}"
