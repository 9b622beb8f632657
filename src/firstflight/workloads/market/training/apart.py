"""What a variant that was trained in a run of its own leaves for the run that asked for it."""

from firstflight.domain.values import Value
from firstflight.domain.versions import Registered
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.trained import TrainedVariant
from firstflight.workloads.market.training.variants import VariantName


class TrainedApart(Value):
    """A variant in the registry, and how it did on the validation part: the others are judged against that."""

    registered: Registered
    validation: Evaluation

    @classmethod
    def of(cls, trained: TrainedVariant, registered: Registered) -> "TrainedApart":
        """Return what is left of `trained` once it is in the registry."""
        return cls(registered=registered, validation=trained.validation)


def kept_as(variant: VariantName) -> str:
    """Return the name under which a run keeps what the run of `variant` left."""
    return f"trained {variant}"
