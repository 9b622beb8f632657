"""Experiments: one for each route, written, closed and put back."""

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime

from firstflight.domain.errors import (
    BackendUnavailableError,
    FieldConflictError,
    ServingError,
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
from firstflight.serving.seldon.objects import Object, is_ending, name_of
from firstflight.serving.seldon.resources import Experiment, Model

log = logging.getLogger(__name__)


class Routes:
    """The Experiments of a namespace, as the splits of their routes."""

    def __init__(self, namespace: str, api: Api, following: Following, patience: Patience) -> None:
        """Keep what is asked, and for how long."""
        self._namespace = namespace
        self._api = api
        self._following = following
        self._patience = patience

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split that is in force: the Experiment's, or what is left of it while that is not active."""
        experiment = self._api.get(Experiment.plural, route)
        return self._in_force(experiment) if experiment is not None and is_ours(experiment) else None

    def _in_force(self, experiment: Object) -> TrafficSplit:
        if experiments.is_active(experiment):
            return experiments.in_force(experiment, ())
        live = {name_of(one) for one in self._api.list(Model.plural) if models.is_live(one)}
        return experiments.in_force(experiment, live)

    def known(self, experiment: Object) -> TrafficSplit | None:
        """Return the split in force; the declared one where our notes are spoiled, None where that is spoiled too."""
        try:
            return self._in_force(experiment)
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
                log.error("%s: who was fenced out is lost: %s", route, error)  # noqa: TRY400 - the message is the whole story
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
        change = self._change(now, split)
        wanted = experiments.manifest(route, self._namespace, split, fence, change)
        version = now["metadata"]["resourceVersion"] if now else None
        time.sleep(_rest_of_second(change))
        try:
            return self._api.apply(Experiment.plural, wanted, version=version)
        except FieldConflictError as error:
            if not home:
                raise
            log.warning("%s: on the way home, fields are taken from their owner: %s", route, error)
            return self._api.apply(Experiment.plural, wanted, version=version, force=True)

    def _change(self, now: Object | None, split: TrafficSplit) -> Change | None:
        """Return what is to be remembered of changing to `split`."""
        if now is None:
            return Change()
        if experiments.readable(now) == split:
            with suppress(ServingError):  # somebody wrote over it
                return change_of(now)  # one that nobody has seen accepted yet stays so
            return None
        return Change(since=experiments.transition(now), before=self.known(now))

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
            wanted = experiments.manifest(route, self._namespace, split, fence, None)
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

    def await_split(self, route: str, split: TrafficSplit, written: Object) -> Object:
        """Follow the Experiment until Seldon has taken the change, and return it as it then is.

        Raises:
            TrafficNotAppliedError: It was rejected, or was not taken in time.
        """
        change, refused = change_of(written), experiments.rejection(written)
        generation, seen, unready = written["metadata"]["generation"], written, False
        for latest in self._following.follow(Experiment.plural, route, written, self._patience.split):
            if latest is None:
                raise TrafficNotAppliedError(f"{route}: its experiment was deleted by somebody else")
            seen = latest
            if seen["metadata"]["generation"] != generation:
                raise TrafficNotAppliedError(f"{route}: somebody else changed its experiment, wanted {split}")
            found = experiments.rejection(seen)
            if found is not None and found != refused:
                raise TrafficNotAppliedError(
                    f"{route}: Seldon rejects {split}: {found.get('reason') or found.get('message')}"
                )
            if experiments.is_active(seen) and (change is None or unready or experiments.accepted(seen, change)):
                return seen
            unready = unready or not experiments.is_active(seen)
        raise TrafficNotAppliedError(
            f"{route}: Seldon has not taken {split} after {self._patience.split:.0f} s: {experiments.state(seen)}"
        )


def _rest_of_second(change: Change | None) -> float:
    """Return the seconds until a transition has another time than the one before the change.

    The API's times have whole seconds. Two transitions in one could not be told apart by a driver that was away.
    """
    if change is None or change.since is None:
        return 0.0
    left = (datetime.fromisoformat(change.since) - datetime.now(UTC)).total_seconds() + 1
    return min(1.0, max(0.0, left))
