"""How a route's requests are divided."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from firstflight.domain.values import Value

Percent = Annotated[int, Field(ge=0, le=100)]


class TrafficSplit(Value):
    """Weights of one route in percent, keyed by served name.

    `stable` is the model that answers when anything is in doubt; it is always among the
    weights, if only with 0. `shadow` receives a copy of every request and its answers are
    thrown away; it carries no weight of its own.
    """

    stable: str
    weights: dict[str, Percent]
    shadow: str | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        total = sum(self.weights.values())
        if total != 100:  # noqa: PLR2004 - percent
            raise ValueError(f"weights {self.weights} sum to {total}, must be 100")
        if self.stable not in self.weights:
            raise ValueError(f"stable {self.stable!r} is not among the weights {sorted(self.weights)}")
        if self.shadow in self.weights:
            raise ValueError(f"shadow {self.shadow!r} also carries weight; deploy it under a name of its own")
        return self

    @classmethod
    def all_to(cls, stable: str) -> Self:
        """Every request to `stable`."""
        return cls(stable=stable, weights={stable: 100})

    @classmethod
    def canary(cls, stable: str, candidate: str, percent: int) -> Self:
        """`percent` of the requests to `candidate`, the rest to `stable`."""
        return cls(stable=stable, weights={candidate: percent, stable: 100 - percent})

    def percent(self, served_name: str) -> int:
        """Weight of `served_name`; 0 when the split does not name it."""
        return self.weights.get(served_name, 0)

    def __str__(self) -> str:
        parts = [f"{name} {weight} %" for name, weight in self.weights.items()]
        return ", ".join([*parts, *([f"shadow {self.shadow}"] if self.shadow else [])])
