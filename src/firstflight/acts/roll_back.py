"""Bring traffic home: the stable model first, verified; then the records; then people."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from firstflight.acts.champion import name_champion, settle_champion
from firstflight.acts.lease import release_lease, surrender_lease, take_lease
from firstflight.acts.ledger_view import append, history, reread
from firstflight.acts.take_over import surrendered, take_over
from firstflight.acts.undeploy import clear
from firstflight.domain.errors import (
    BackendUnavailableError,
    HeadMovedError,
    LedgerError,
    RegistryUnavailableError,
    SplitPendingError,
    StaleTokenError,
    StoreUnavailableError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving.going_home import HomeProof, Set, bring_traffic_home
from firstflight.serving.lease import Surrender
from firstflight.world import World

log = logging.getLogger(__name__)

SECONDS_TO_SAY = 3
"""The guard writes down that it takes a rollout, and then why; a new driver says nothing more."""
SECONDS_TO_PROVE = 8
"""The longest way home takes so long, and then it is in the ledger."""
SECONDS_TO_RETRY = 3.0
"""Before a way home that did not come true is tried again."""
MOST_REFUSALS = 20
"""How often others may get ahead of us before it is no coincidence."""


def intend_roll_back(world: World, rollout: Rollout, reasons: tuple[str, ...], *, trigger: str) -> Rollout:
    """Write down that traffic is to go back, and why; `trigger` is one word for what asked for it."""
    return append(world.ledger, rollout, "rollback.intended", {"trigger": trigger, "reasons": list(reasons)})


def roll_back(world: World, rollout: Rollout) -> Rollout:
    """End the rollout at the stable model, as its driver does, who then makes room for the next one."""
    rollout = _return_home(world, rollout)
    clear(world, rollout)
    return rollout


def _return_home(world: World, rollout: Rollout, proved: HomeProof | None = None) -> Rollout:
    """Send everything to the stable model, prove it, and end the rollout.

    Traffic moves before anything else is attempted, so a ledger that does not answer cannot hold
    it up. Running it twice does no harm. What has moved no traffic is ended without moving any: another model may
    serve by now than the one it took for stable. What was `proved` before is not waited for again while it holds.
    """
    candidates = [version.served_name for version in rollout.arms.candidates]
    untouched = rollout.stage is None and _serves_none_of(world, rollout.model, candidates)

    def home() -> TrafficSplit | None:
        if untouched:
            return world.backend.get_traffic(rollout.model)
        return world.backend.set_traffic(rollout.model, rollout.home, rollout.token)

    proof = _until_home(world, rollout.model, candidates, home, _share(rollout.split, candidates), proved)
    log.warning("%s: traffic is back, the router reports %s; %s", rollout.model, proof.reported, proof.counted)
    body: dict[str, Any] = {
        "split": (proof.reported or rollout.home).model_dump(mode="json"),
        "reasons": list(rollout.reasons),
        "stage": rollout.stage,
        "proof": proof.model_dump(mode="json"),
    }
    if rollout.promotion_begun:
        body["champion"] = _restore_champion(world, rollout)
    rollout = append(world.ledger, rollout, "rollout.rolled_back", body)
    if untouched or proof.reported == rollout.home:
        release_lease(world, rollout)
    else:  # the candidate is stopped, but the router would still send to it: the guard goes on trying
        reason = "; ".join(rollout.reasons) or "rolled back"
        surrender_lease(world, rollout.model, Surrender(actor=rollout.driver, reason=reason, trigger="driver"))
    return rollout


def _serves_none_of(world: World, model: str, candidates: Sequence[str]) -> bool:
    """Whether the router reports that no candidate has traffic; what it cannot say is no."""
    try:
        reported = world.backend.get_traffic(model)
    except BackendUnavailableError:
        return False
    return reported is not None and not any(reported.percent(name) for name in candidates)


def bring_home(world: World, rollout: Rollout, why: Surrender, proved: HomeProof | None = None) -> Rollout:
    """End `rollout` at the stable model whoever drives it, and return it as it ended.

    The lease is marked first: it may last for an hour while a person is asked, and we may not live to the end. Who
    marked it before us is who wanted it, and the records are in his name. Then
    the newest token is taken, so the driver that is replaced can no longer move traffic. Where somebody else
    is rolling back already it is not taken from him, or two would go on taking it from each other: both send traffic
    home under his, and the ledger takes the end of one.

    Raises an Outage or LedgerError when the ledger does not take that: traffic is home by then all the same, and the
    lease keeps the reason.
    """
    refusals, fenced = 0, False
    if not rollout.final:
        lease = surrender_lease(world, rollout.model, why)
        if lease is not None and lease.rollout == rollout.id:
            why = lease.surrendered or why
    while not rollout.final:
        try:
            if fenced or rollout.phase is not Phase.ROLLING_BACK:
                rollout, fenced = take_over(world, rollout, actor=why.actor), False
            if rollout.phase is not Phase.ROLLING_BACK:
                rollout = intend_roll_back(world, rollout, (why.reason,), trigger=why.trigger)
            rollout = _return_home(world, rollout, proved)
        except (HeadMovedError, StaleTokenError) as error:  # somebody else does the same: the second finds it done
            if (refusals := refusals + 1) > MOST_REFUSALS:
                raise
            fenced = isinstance(error, StaleTokenError)
            rollout = reread(world.ledger, rollout)
        except (StoreUnavailableError, LedgerError) as error:
            proof = send_home(world, rollout.model, [version.served_name for version in rollout.arms.candidates])
            log.error("%s: traffic is home, %s, but the ledger does not know: %s", rollout.model, proof.counted, error)
            raise
    return rollout


def send_home(world: World, model: str, candidates: Sequence[str], was: TrafficSplit | None = None) -> HomeProof:
    """Send all of `model` to its stable version over any driver's head, and return the proof; no record is needed.

    What `was` the split, if that is known, says how many requests must have missed the candidates.

    Raises TrafficNotAppliedError when it could not be proved.
    """
    return _until_home(world, model, candidates, lambda: world.backend.go_home(model), _share(was, candidates))


def _share(split: TrafficSplit | None, candidates: Sequence[str]) -> float:
    return sum(split.percent(name) for name in candidates) / 100 if split else 0.0


def _until_home(
    world: World, model: str, candidates: Sequence[str], first: Set, share: float, proved: HomeProof | None = None
) -> HomeProof:
    """Bring traffic home, again and again while it does not come true: a roll back is not given up lightly."""
    until = world.monotonic() + world.home_seconds
    while True:
        try:
            return bring_traffic_home(world.backend, model, candidates, first, world.wait, share, proved)
        except (SplitPendingError, TrafficNotAppliedError) as error:
            if world.monotonic() >= until:
                raise
            log.error("%s: not home yet, tried again in %g s: %s", model, SECONDS_TO_RETRY, error)
            world.wait(SECONDS_TO_RETRY)


def rejoin(world: World, rollout: Rollout) -> Rollout:
    """Return `rollout` as its records tell it now; when the model was brought home, write that down first.

    For a driver that was refused: it must neither go on nor wait for somebody else to tell the ledger.
    """
    told = _as_told(world, rollout)
    if told.final:
        with suppress(RegistryUnavailableError):  # whoever begins the next rollout asks again
            settle_champion(world, history(world.ledger, told.model))  # we may have moved it while we were late
        return told
    if told.phase is Phase.ROLLING_BACK:
        return bring_home(world, told, _unsaid(rollout, "; ".join(told.reasons)))
    why = surrendered(world, told)
    if why is None and told.token == rollout.token and (fenced := _fenced_out(world, told)) is not None:
        return _after_a_stranger(world, told, fenced)
    if why is None:
        return _with_lease(world, told) if told.token == rollout.token else told
    return bring_home(world, told, why)


def _with_lease(world: World, rollout: Rollout) -> Rollout:
    """Take a lease that was lost anew: the ledger says that the rollout is open, and who drives it."""
    if rollout.model not in world.leases.held():
        try:
            take_lease(world, rollout)
        except StaleTokenError:  # somebody was faster
            return rejoin(world, rollout)
    return rollout


def _after_a_stranger(world: World, rollout: Rollout, fenced: str) -> Rollout:
    """End a rollout whose traffic somebody has just sent home: he could not mark the lease, and may tell the ledger."""
    for _ in range(SECONDS_TO_PROVE):
        told = reread(world.ledger, rollout)
        if told.final:
            return told
        if (why := surrendered(world, told)) is not None:
            return bring_home(world, told, why)
        world.wait(1.0)
    return bring_home(world, rollout, _unsaid(rollout, fenced))


def _unsaid(rollout: Rollout, reason: str) -> Surrender:
    """What its driver writes when somebody sent traffic home and could not say who he is."""
    return Surrender(actor=rollout.driver, reason=reason, trigger="guard")


def _as_told(world: World, rollout: Rollout) -> Rollout:
    """Return the rollout as its records tell it, once whoever has just taken it has said what for."""
    for _ in range(SECONDS_TO_SAY):
        told = reread(world.ledger, rollout)
        if told.final or told.token == rollout.token or told.phase is Phase.ROLLING_BACK:
            return told
        world.wait(1.0)
    return reread(world.ledger, rollout)


def _fenced_out(world: World, rollout: Rollout) -> str | None:
    """Return why the router refuses the newest driver: it was brought home, and neither ledger nor lease could tell."""
    if (split := world.backend.get_traffic(rollout.model)) is None:
        return None
    try:
        world.backend.set_traffic(rollout.model, split, rollout.token)
    except StaleTokenError as error:
        return str(error)
    return None


def _restore_champion(world: World, rollout: Rollout) -> str:
    try:
        name_champion(world, rollout.arms.stable, before=rollout.candidate)
    except RegistryUnavailableError as error:
        log.error("%s: traffic is home, but the alias `champion` could not be restored: %s", rollout.model, error)
        return f"not restored: {error}"
    return f"version {rollout.arms.stable.number}"
