"""A model version: the thing that is registered, deployed and given traffic."""

from typing import Annotated

from pydantic import Field, StringConstraints

from firstflight.domain.values import Value

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
"""A name that is legal as a Kubernetes object and in a header."""


MLFLOW_FILE = "MLmodel"
"""It lies in a folder that is an MLflow model, and in no other."""


class ModelVersion(Value):
    """One registered version of a model.

    `model` is the name clients ask for (the route), `variant` the design it was trained as.
    `digest` is `sha256:<hex>` over the files that are served (see `digest.folder_digest`).
    """

    model: DnsLabel
    variant: DnsLabel
    number: int = Field(ge=1)
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")

    @property
    def served_name(self) -> str:
        """Name under which a backend serves exactly this version, e.g. `baseline-predictor-v3`."""
        return f"{self.variant}-predictor-v{self.number}"

    def __str__(self) -> str:
        return f"{self.model}:{self.number} ({self.variant})"


PARAMETERS = "parameters"
"""Tag that holds a version's number of weights: what an answer costs, to compare variants of equal quality by."""


class Registered(Value):
    """One trained variant in the registry, and what the offline gate said of it."""

    version: ModelVersion
    passed: bool
    reasons: tuple[str, ...]


class Trained(Value):
    """Everything one training produced."""

    variants: dict[str, Registered]

    @property
    def passed(self) -> tuple[str, ...]:
        """Variants that may have traffic."""
        return tuple(name for name, variant in self.variants.items() if variant.passed)
