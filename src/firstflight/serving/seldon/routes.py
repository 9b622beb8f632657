"""Experiments: one for each route, written, closed and put back."""

import logging
import time
from contextlib import suppress

from firstflight.domain.errors import (
    BackendUnavailableError,
    FieldConflictError,
    ServingError,
    SplitPendingError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.preconditions import (
    Fence,
    refuse_stale,
)
from firstflight.serving.seldon import experiments, models
from firstflight.serving.seldon.admission import TRIES
from firstflight.serving.seldon.annotations import (
    OURS,
    ROUTE,
    Change,
    change_of,
    fence_of,
    is_ours,
    require_ours,
)
from firstflight.serving.seldon.api import Api, Outdated
from firstflight.serving.seldon.following import Following, Patience
from firstflight.serving.seldon.mesh import Mesh, MeshUnavailableError
from firstflight.serving.seldon.objects import Object, is_ending, name_of
from firstflight.serving.seldon.resources import Experiment, Model
from firstflight.serving.seldon.route_proof import ERROR, Shown, error_of_look

log = logging.getLogger(__name__)


class Routes:
    """The Experiments of a namespace, as the splits of their routes."""

    def __init__(self, namespace: str, api: Api, mesh: Mesh, following: Following, patience: Patience) -> None:
        """Keep what is asked, and for how long."""
        self._namespace = namespace
        self._api = api
        self._mesh = mesh
        self._following = following
        self._patience = patience

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split that is in force: the Experiment's, or in doubt the one that requests show."""
        experiment = self._api.get(Experiment.plural, route)
        return self._in_force(experiment) if experiment is not None and is_ours(experiment) else None

    def _in_force(self, experiment: Object) -> TrafficSplit:
        splits = self._may_be(experiment)
        for split in splits:
            rest = [one for one in splits if one != split]
            if not rest or self._mesh.carries(name_of(experiment), split, rest, ERROR).shown is Shown.WANTED:
                return split
        return splits[1]

    def _may_be(self, experiment: Object) -> tuple[TrafficSplit, ...]:
        """Return the split that is declared, and those that may be in force in its place, the likeliest first."""
        declared, change = experiments.declared(experiment), change_of(experiment)
        if change is not None:
            return (declared, *_others(declared, change))
        if experiments.is_active(experiment):
            return (declared,)
        live = {name_of(one) for one in self._api.list(Model.plural) if models.is_live(one)}
        return _without(None, declared, experiments.left(experiment, live))

    def is_home(self, experiment: Object, split: TrafficSplit) -> bool:
        """Whether the split is the way home, whatever of what may be in force is: then nobody need be asked first."""
        try:
            return all(split == TrafficSplit.all_to(one.stable) for one in self._may_be(experiment))
        except ServingError:
            return False

    def known(self, experiment: Object) -> TrafficSplit | None:
        """Return the split in force; the declared one where our notes are spoiled, None where that is spoiled too."""
        try:
            return self._in_force(experiment)
        except MeshUnavailableError:  # what was last known is in the notes
            change = change_of(experiment)
            return change.before if change and change.before else experiments.readable(experiment)
        except ServingError:
            return experiments.readable(experiment)

    def write(self, route: str, split: TrafficSplit, token: int, now: Object | None, *, home: bool = False) -> Object:
        """Write the split over what was read in `now`, unless a newer driver did; return what was written."""
        for _ in range(TRIES):
            try:
                written = self._apply(route, split, Fence(token=token), now, home=home)
            except Outdated:
                now = self._api.get(Experiment.plural, route)
                self._refuse_overtaken(route, token, now)
            else:
                if now is None:
                    self._refuse_made_too_late(route, token, written)
                return written
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def _refuse_made_too_late(self, route: str, token: int, made: Object) -> None:
        """Refuse what was written as new over the Experiment that a newer driver has made meanwhile.

        Nothing can be asked of an object that is not there yet, so this is seen afterwards, by the fence on a Model:
        the newer driver's split is lost, and the route goes home.
        """
        fences = [fence_of(one) for one in self._api.list(Model.plural, {**OURS, ROUTE: route})]
        newest = max((one.token for one in fences if one), default=0)
        if newest > token:
            self.close(route, made, newest)
            refuse_stale(route, token, Fence(token=newest))

    def close(self, route: str, now: Object, token: int = 0) -> Object:
        """Send all of the route to its stable model, whoever drives it, and fence out every token shown so far."""
        for _ in range(TRIES):
            require_ours(now, Experiment.kind)
            if is_ending(now):
                return self._make_home(route, now)
            if (stable := experiments.default(now)) is None:
                raise TrafficNotAppliedError(
                    f"{route}: somebody else wrote its experiment and it names no default, so nobody is stable"
                )
            try:
                known = fence_of(now) or Fence()
            except ServingError as error:  # going home matters more; the lease keeps its driver out
                log.error("%s: who was fenced out is lost: %s", route, error)
                known = Fence()
            fence = Fence(token=max(token, known.token)).behind()
            try:
                return self._apply(route, TrafficSplit.all_to(stable), fence, now, home=True)
            except Outdated:
                latest = self._api.get(Experiment.plural, route)
                if latest is None:
                    raise TrafficNotAppliedError(f"{route}: its experiment was deleted by somebody else") from None
                now = latest
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def _make_home(self, route: str, ending: Object) -> Object:
        """Make the Experiment anew that somebody deletes: clients ask its own endpoint, which goes with it."""
        if (stable := experiments.default(ending)) is None:
            raise TrafficNotAppliedError(f"{route}: its experiment is being deleted and names no default")
        if not self._following.goes(Experiment.plural, ending):
            raise TrafficNotAppliedError(f"{route}: its experiment is being deleted, and does not go; try again")
        fence = (fence_of(ending) or Fence()).behind()
        return self._apply(route, TrafficSplit.all_to(stable), fence, None, home=True)

    def _apply(self, route: str, split: TrafficSplit, fence: Fence, now: Object | None, *, home: bool) -> Object:
        """Write the split to the Experiment as it was read in `now`.

        Raises:
            Outdated: It is another one since.
        """
        scale = experiments.scale_of(now) if now and experiments.readable(now) == split else 1
        change = self._change(now, split, home=home)
        wanted = experiments.manifest(route, self._namespace, split, fence, change, scale)
        version = now["metadata"]["resourceVersion"] if now else None
        try:
            return self._api.apply(Experiment.plural, wanted, version=version)
        except FieldConflictError as error:
            if not home:
                raise
            log.warning("%s: on the way home, fields are taken from their owner: %s", route, error)
            return self._api.apply(Experiment.plural, wanted, version=version, force=True)

    def _change(self, now: Object | None, split: TrafficSplit, *, home: bool) -> Change | None:
        """Return what is to be remembered of changing to `split`; on the way `home` nobody is asked what is in force.

        Whoever is to be brought home may hang, and who asks him waits.
        """
        if now is None:
            return Change()
        if experiments.readable(now) == split:
            with suppress(ServingError):  # somebody wrote over it
                return change_of(now)  # one that nobody has seen accepted yet stays so
            return None
        declared = experiments.readable(now)
        perhaps: tuple[TrafficSplit, ...] = ()
        waiting = False
        with suppress(ServingError):
            waiting = change_of(now) is not None
            if waiting or home:
                perhaps = self._may_be(now)[1:]
        before = (perhaps[0] if waiting and perhaps else declared) if home else self.known(now)
        perhaps = _without(before, *perhaps, *([declared] if declared else []))
        return Change(since=experiments.transition(now), before=before, perhaps=perhaps[-_REMEMBERED:])

    def _refuse_overtaken(self, route: str, token: int, now: Object | None) -> None:
        if now is not None:
            require_ours(now, Experiment.kind)
            refuse_stale(route, token, fence_of(now))

    def settle(self, route: str, split: TrafficSplit, seen: Object) -> None:
        """Write down that the change was seen accepted."""
        fence = fence_of(seen)
        for _ in range(TRIES):
            if fence is None or change_of(seen) is None:
                return
            scale = experiments.scale_of(seen)
            wanted = experiments.manifest(route, self._namespace, split, fence, None, scale)
            try:
                self._api.apply(Experiment.plural, wanted, version=seen["metadata"]["resourceVersion"])
            except Outdated:
                latest = self._api.get(Experiment.plural, route)
                if latest is None or experiments.readable(latest) != split or fence_of(latest) != fence:
                    self._refuse_overtaken(route, fence.token, latest)
                    raise TrafficNotAppliedError(f"{route}: somebody else changed its experiment") from None
                seen = latest
            else:
                return
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def restore(self, route: str, token: int, before: TrafficSplit | None) -> None:
        """Put the split before back, or remove the Experiment when there was none."""
        for _ in range(TRIES):
            now = self._api.get(Experiment.plural, route)
            self._refuse_overtaken(route, token, now)
            if now is None:
                return
            if before is not None:
                self.write(route, before, token, now)
                return
            with suppress(Outdated):
                self._api.delete(Experiment.plural, route, version=now["metadata"]["resourceVersion"])
                return
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def confirm(
        self, route: str, split: TrafficSplit, written: Object, seconds: float, *, home: bool = False
    ) -> Object:
        """Ask until requests go as the split says, and return the Experiment as it then is.

        What Seldon says comes late, in the wrong order or never; it only says when to ask, and decides alone where
        so many requests as one look sends cannot. A split that is neither taken nor shown is written once more, as
        another generation.

        Raises:
            TrafficNotAppliedError: It was rejected, or did not come true in time.
            SplitPendingError: The same of the way `home`, which is written and comes true once Seldon reacts.
        """
        change, refused = change_of(written), experiments.rejection(written)
        before = _others(split, change) if change is not None else ()
        begun, looks, nudged, seen = time.monotonic(), 0, False, written
        heard = self._hears(route, change, written, min(self._patience.events, seconds))
        while True:
            seen = self._refuse_foreign(route, split, seen, refused)
            looks += 1
            found = self._mesh.carries(route, split, before, error_of_look(looks))
            taken = heard or change is None or experiments.accepted(seen, change)
            if found.shown is Shown.WANTED or (found.shown is not Shown.OTHER and taken):
                return seen
            waited = time.monotonic() - begun
            if waited > seconds:
                instead = found.instead or "requests cannot tell it from the split before"
                what = f"{split} is written, but {instead}, after {waited:.0f} s: {experiments.state(seen)}"
                if home:
                    raise SplitPendingError(f"{route}: {what}; it comes into force once Seldon's scheduler reacts")
                raise TrafficNotAppliedError(f"{route}: {what}")
            if waited > self._patience.nudge and not nudged:
                seen, nudged = self._nudge(route, split, seen), True
            time.sleep(self._patience.poll)

    def _hears(self, route: str, change: Change | None, written: Object, most: float) -> bool:
        """Wait for so long that Seldon says that it has done with the change, and say whether it did."""
        unready = False
        for latest in self._following.follow(Experiment.plural, route, written, most):
            if latest is None or latest["metadata"]["generation"] != written["metadata"]["generation"]:
                return False
            if experiments.rejection(latest) != experiments.rejection(written):
                return False
            active = experiments.is_active(latest)
            if active and (change is None or unready or experiments.accepted(latest, change)):
                return True
            unready = unready or not active
        return False

    def _refuse_foreign(self, route: str, split: TrafficSplit, seen: Object, refused: Object | None) -> Object:
        """Return the Experiment as it is now. Raises TrafficNotAppliedError when it is no longer ours, or rejected."""
        latest = self._api.get(Experiment.plural, route)
        if latest is None:
            raise TrafficNotAppliedError(f"{route}: its experiment was deleted by somebody else")
        if latest["metadata"]["generation"] != seen["metadata"]["generation"]:
            raise TrafficNotAppliedError(f"{route}: somebody else changed its experiment, wanted {split}")
        found = experiments.rejection(latest)
        if found is not None and found != refused:
            said = found.get("reason") or found.get("message")
            raise TrafficNotAppliedError(f"{route}: Seldon rejects {split}: {said}")
        return latest

    def _nudge(self, route: str, split: TrafficSplit, seen: Object) -> Object:
        """Write the same split with other weights: Seldon acts on another generation alone."""
        scale = 1 if experiments.scale_of(seen) == 2 else 2  # noqa: PLR2004 - the other of the two
        fence, change = fence_of(seen) or Fence(), change_of(seen)
        wanted = experiments.manifest(route, self._namespace, split, fence, change, scale)
        try:
            return self._api.apply(Experiment.plural, wanted, version=seen["metadata"]["resourceVersion"])
        except (Outdated, FieldConflictError):  # whoever writes it now makes another generation of it
            return seen


_REMEMBERED = 4
"""Splits that may be in force while nobody has seen which."""


def _others(split: TrafficSplit, change: Change) -> tuple[TrafficSplit, ...]:
    """Return what may be in force in place of `split`, the likeliest first."""
    first = change.before or TrafficSplit.all_to(split.stable)
    return _without(split, first, *change.perhaps)


def _without(split: TrafficSplit | None, *others: TrafficSplit) -> tuple[TrafficSplit, ...]:
    return tuple(one for place, one in enumerate(others) if one != split and one not in others[:place])
