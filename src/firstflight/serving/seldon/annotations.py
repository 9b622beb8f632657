"""What we write on objects beside their specs, and how we read it back."""

from typing import TypeVar

from firstflight.domain.errors import ServingError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.serving.preconditions import Fence
from firstflight.serving.seldon.objects import Object, labels, name_of

OURS = {"app.kubernetes.io/managed-by": "firstflight"}
"""The label of every object of ours. Changing labels or annotations moves no traffic and reloads no model."""
ROUTE = "firstflight.io/route"
VERSION = "firstflight.io/version"
FENCE = "firstflight.io/fence"
CHANGE = "firstflight.io/change"
LEASE = "firstflight.io/lease"

Noted = TypeVar("Noted", bound=Value)


class Change(Value):
    """A change of a split that nobody has yet seen accepted.

    Attributes:
        since: When the Experiment last became ready or unready before the change; None when it was new.
        before: The split that was in force before.
        perhaps: Splits written since `before`, of which nobody saw whether they came into force.
    """

    since: str | None = None
    before: TrafficSplit | None = None
    perhaps: tuple[TrafficSplit, ...] = ()


def is_ours(thing: Object) -> bool:
    """Whether we made the object."""
    return OURS.items() <= labels(thing).items()


def require_ours(thing: Object, what: str) -> None:
    """Raise ServingError when somebody else made the object: its name is taken."""
    if not is_ours(thing):
        raise ServingError(
            f"{what} {name_of(thing)} exists and is not ours; rename it, or label it"
            " app.kubernetes.io/managed-by=firstflight to hand it over"
        )


def version_of(model: Object) -> ModelVersion | None:
    """Return the version a Model of ours serves."""
    return noted(model, VERSION, ModelVersion) if is_ours(model) else None


def fence_of(thing: Object) -> Fence | None:
    """Return the highest token that the object has seen, and whether the route was brought home under it."""
    return noted(thing, FENCE, Fence)


def change_of(experiment: Object) -> Change | None:
    """Return the change that waits to be seen accepted."""
    return noted(experiment, CHANGE, Change)


def noted(thing: Object, key: str, kind: type[Noted], fix: str = "Delete it, and set traffic again") -> Noted | None:
    """Return what the annotation says. Raises ServingError, which ends with `fix`, when somebody made it unreadable."""
    text: str | None = (thing["metadata"].get("annotations") or {}).get(key)
    try:
        return kind.model_validate_json(text) if text else None
    except ValueError as error:
        raise ServingError(
            f"{thing.get('kind', 'object')} {name_of(thing)} has the annotation {key}={text!r}, which is none of ours;"
            f" who changed it? {fix}"
        ) from error
