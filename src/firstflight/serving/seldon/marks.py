"""What we write on objects beside their specs, and how we read it back."""

from typing import TypeVar

from firstflight.domain.errors import ServingError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.serving.preconditions import Fence
from firstflight.serving.seldon.api import Object

OURS = {"app.kubernetes.io/managed-by": "firstflight"}
"""The label of every object of ours. Changing labels or annotations moves no traffic and reloads no model."""
ROUTE = "firstflight.io/route"
VERSION = "firstflight.io/version"
FENCE = "firstflight.io/fence"
CHANGE = "firstflight.io/change"


Noted = TypeVar("Noted", bound=Value)


class Change(Value):
    """A change of a split that nobody has yet seen accepted.

    Attributes:
        since: When the Experiment last became ready or unready before the change; None when it was new.
        before: The split that was in force before.
    """

    since: str | None = None
    before: TrafficSplit | None = None


def name_of(thing: Object) -> str:
    """Return the object's name."""
    return str(thing["metadata"]["name"])


def is_ours(thing: Object) -> bool:
    """Whether we made the object."""
    labels = thing["metadata"].get("labels") or {}
    return OURS.items() <= labels.items()


def is_ending(thing: Object) -> bool:
    """Whether somebody has asked for the object's end."""
    return "deletionTimestamp" in thing["metadata"]


def require_ours(thing: Object, what: str) -> None:
    """Raise ServingError when somebody else made the object: its name is taken."""
    if not is_ours(thing):
        raise ServingError(
            f"{what} {name_of(thing)} exists and is not ours; rename it, or label it"
            " app.kubernetes.io/managed-by=firstflight to hand it over"
        )


def version_of(model: Object) -> ModelVersion | None:
    """Return the version a Model of ours serves."""
    return _noted(model, VERSION, ModelVersion) if is_ours(model) else None


def fence_of(thing: Object) -> Fence | None:
    """Return the highest token that the object has seen, and whether the route was brought home under it."""
    return _noted(thing, FENCE, Fence)


def change_of(experiment: Object) -> Change | None:
    """Return the change that waits to be seen accepted."""
    return _noted(experiment, CHANGE, Change)


def condition(thing: Object, kind: str) -> dict[str, str]:
    """Return a condition of the object's status, empty when it was never set."""
    conditions = (thing.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == kind), {})


def _noted(thing: Object, key: str, kind: type[Noted]) -> Noted | None:
    """Return what the annotation says. Raises ServingError when somebody has made it unreadable."""
    text: str | None = (thing["metadata"].get("annotations") or {}).get(key)
    try:
        return kind.model_validate_json(text) if text else None
    except ValueError as error:
        raise ServingError(
            f"{thing.get('kind', 'object')} {name_of(thing)} has the annotation {key}={text!r}, which is none of ours;"
            " who changed it? Delete it, and set traffic again"
        ) from error
