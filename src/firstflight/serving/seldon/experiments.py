"""Splits as Experiments, and whether Seldon has taken one."""

from collections.abc import Container
from itertools import takewhile

from firstflight.domain.errors import ServingError
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.preconditions import Fence
from firstflight.serving.seldon import resources
from firstflight.serving.seldon.annotations import CHANGE, FENCE, OURS, Change
from firstflight.serving.seldon.objects import Object, condition, is_ending, is_true, name_of, spec, status

WHOLE = 100
_FINE = 100
"""Parts of a percent, where the stable model has less than one."""
_ACTIVE = "ExperimentReady"
_REJECTED = "ModelReady"
"""Seldon writes what is wrong with an Experiment into a condition of this type; it stays after later, good changes."""
_FINAL = ("FailedPrecondition", "Unimplemented")


def manifest(
    route: str, namespace: str, split: TrafficSplit, fence: Fence, change: Change | None, scale: int = 1
) -> Object:
    """Return the Experiment of a route; `scale` multiplies every weight, which makes another spec of the same split.

    The stable model stands first: when a later candidate cannot be reached, the experiment's own endpoint keeps those
    before it. It never has weight 0, since that endpoint would then be one of nothing, which Envoy refuses together
    with every other route: a candidate's 100 % are 99.99.
    """
    names = [split.stable, *(name for name in split.weights if name != split.stable)]
    weights = _weights(split)
    resource = resources.Experiment(
        default=split.stable,
        candidates=tuple(resources.Candidate(name=name, weight=weights[name] * scale) for name in names),
        mirror=resources.Mirror(name=split.shadow, percent=WHOLE) if split.shadow else None,
    )
    notes = {FENCE: fence.model_dump_json(), **({CHANGE: change.model_dump_json()} if change else {})}
    return resource.manifest(route, namespace, labels=OURS, annotations=notes)


def declared(experiment: Object) -> TrafficSplit:
    """Return the split in the Experiment's spec; shares that are no whole percents are rounded, to 100 in all.

    Raises:
        ServingError: It is none that anybody could be sent by: no candidates, or weights that sum to nothing.
    """
    said = spec(experiment)
    weights = {one["name"]: int(one["weight"]) for one in said.get("candidates") or ()}
    total = sum(weights.values())
    stable = said.get("default") or next(iter(weights), None)
    if total <= 0 or min(weights.values()) < 0 or stable not in weights:
        raise ServingError(
            f"experiment {name_of(experiment)} has weights {weights} and default {said.get('default')!r}, which is no"
            " split; somebody else wrote it: set traffic again"
        )
    mirror = (said.get("mirror") or {}).get("name")
    if mirror in weights:
        raise ServingError(
            f"experiment {name_of(experiment)} mirrors to its own candidate {mirror}; somebody else wrote it: set"
            " traffic again"
        )
    return TrafficSplit(stable=stable, weights=_percents(weights, total), shadow=mirror)


def readable(experiment: Object) -> TrafficSplit | None:
    """Return the split in the spec, None when it is none."""
    try:
        return declared(experiment)
    except ServingError:
        return None


def scale_of(experiment: Object) -> int:
    """Return by how much the weights in the spec are multiples of those that `manifest` writes."""
    written = {one["name"]: int(one["weight"]) for one in spec(experiment).get("candidates") or ()}
    plain = _weights(declared(experiment))
    return 2 if written == {name: weight * 2 for name, weight in plain.items()} else 1


def left(experiment: Object, live: Container[str]) -> TrafficSplit:
    """Return what an inactive experiment's own endpoint, which clients ask, still carries.

    It carries the candidates that stand before the first that is not among `live`, those with a live replica.
    """
    split = declared(experiment)
    candidates = {one["name"]: int(one["weight"]) for one in experiment["spec"]["candidates"]}
    kept = dict(takewhile(lambda one: one[0] in live, candidates.items()))
    if split.stable not in kept or not sum(kept.values()):
        return TrafficSplit.all_to(split.stable)
    if len(kept) == len(candidates) and (split.shadow is None or split.shadow in live):
        return split
    return TrafficSplit(stable=split.stable, weights=_percents(kept, sum(kept.values())))


def is_active(experiment: Object) -> bool:
    """Whether Seldon says that the experiment gets requests. Its candidates' state is another: a route needs less."""
    return not is_ending(experiment) and is_true(experiment, _ACTIVE)


def transition(experiment: Object) -> str | None:
    """Return when it last became active or inactive."""
    found: str | None = condition(experiment, _ACTIVE).get("lastTransitionTime")
    return found


def accepted(experiment: Object, change: Change) -> bool:
    """Whether it became active after the change. Its being active says nothing: that may be from before."""
    return is_active(experiment) and transition(experiment) != change.since


def rejection(experiment: Object) -> Object | None:
    """Return the condition that says that Seldon refused a spec, this one or an earlier one.

    Seldon writes any error there, such as that its scheduler is away, and never takes it back: these codes alone are
    a refusal.
    """
    found = condition(experiment, _REJECTED)
    final = any(f"code = {code}" in str(found.get("reason")) for code in _FINAL)
    return found if found.get("status") == "False" and final else None


def state(experiment: Object) -> str:
    """Return its conditions for people."""
    conditions = status(experiment).get("conditions") or ()
    told = [f"{one['type']}={one['status']} {one.get('reason') or ''}".strip() for one in conditions]
    if "code = Unavailable" in str(condition(experiment, _REJECTED).get("reason")):  # it stays after the return, too
        told.insert(0, "Seldon's scheduler was away when the operator last failed to reach it")
    return ", ".join(told) or "no state yet; does Seldon's operator watch this namespace?"


def uses(experiment: Object) -> frozenset[str]:
    """Return the models that the Experiment names, whoever wrote it."""
    said = spec(experiment)
    if said.get("resourceType") == "pipeline":
        return frozenset()
    parts = [*(said.get("candidates") or ()), *([said["mirror"]] if said.get("mirror") else [])]
    return frozenset(part["name"] for part in parts)


def default(experiment: Object) -> str | None:
    """Return the model whose own endpoint carries the split."""
    found: str | None = spec(experiment).get("default")
    return found


def _weights(split: TrafficSplit) -> dict[str, int]:
    if split.weights[split.stable]:
        return split.weights
    fine = {name: weight * _FINE for name, weight in split.weights.items()}
    heaviest = max(fine, key=fine.__getitem__)
    return {**fine, split.stable: 1, heaviest: fine[heaviest] - 1}


def _percents(weights: dict[str, int], total: int) -> dict[str, int]:
    """Share out 100, the largest remainders rounded up."""
    percents = {name: weight * WHOLE // total for name, weight in weights.items()}
    left = WHOLE - sum(percents.values())
    for name in sorted(weights, key=lambda name: -(weights[name] * WHOLE % total))[:left]:
        percents[name] += 1
    return percents
