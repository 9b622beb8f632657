"""Find what is open and bring it home."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from firstflight.acts.lease import surrender_lease
from firstflight.acts.ledger_view import checks, current, of_run, open_rollouts
from firstflight.acts.roll_back import bring_home, send_home
from firstflight.acts.unrecorded import tell_unrecorded
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import (
    BackendUnavailableError,
    FirstflightError,
    LedgerError,
    Outage,
    RolloutError,
    StoreUnavailableError,
    TrafficNotAppliedError,
)
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.rollout.machine import Rollout
from firstflight.serving.going_home import HomeProof
from firstflight.serving.lease import Surrender
from firstflight.world import World

log = logging.getLogger(__name__)

ROUTER_SECONDS = 5
"""A router that was killed is back by then."""


class Homecoming(Value):
    """What was, how it was brought home and verified, and what the ledger knows: `rollout`, or why it does not.

    `was` is None when the router could not say. `home` is what the last check saw of the stable model.
    """

    was: TrafficSplit | None
    proof: HomeProof
    rollout: Rollout | None
    ledger: str
    home: str = "not known: nothing was looked at"


def bring_model_home(world: World, model: str, *, actor: str, reason: str) -> Homecoming:
    """Send all of `model` to its stable version, prove it, and then end its rollout in the ledger, if one is open.

    Needs the backend alone: when the ledger does not answer, the lease carries who and why until the guard finds it
    answering. Raises RolloutError when the router does not know the model, TrafficNotAppliedError when it could not
    be proved.
    """
    why = Surrender(actor=actor, reason=reason, trigger="person")
    was, candidates = _before(world, model)
    surrender_lease(world, model, why)
    proof = send_home(world, model, candidates, was)
    try:
        rollout = current(world.ledger, model)
        if rollout is None:
            return Homecoming(was=was, proof=proof, rollout=None, ledger="knows no rollout of this model")
        home = _home(world, rollout)
        if not rollout.final:
            rollout = bring_home(world, rollout, why, proof)
        ledger = f"rollout {rollout.id} is {rollout.phase}"
        return Homecoming(was=was, proof=proof, rollout=rollout, ledger=ledger, home=home)
    except FirstflightError as error:  # traffic is home, whatever the ledger says
        told = f"does not know yet ({error}); the guard will tell it"
        return Homecoming(was=was, proof=proof, rollout=None, ledger=told)


def bring_all_home(world: World, *, actor: str, reason: str) -> tuple[Rollout, ...]:
    """Do so for the model of every open rollout, and return those as they ended.

    Where the ledger does not say which are open, each lease does. One that does not come home keeps no other from it.
    Raises TrafficNotAppliedError, at the end, with all that failed.
    """
    ended, failed = [], []
    try:
        models = [rollout.model for rollout in open_rollouts(world.ledger)]
    except (Outage, LedgerError) as error:
        log.error("the ledger does not say what is open, the leases do: %s", error)
        models = sorted(world.leases.held())
    for model in models:
        try:
            home = bring_model_home(world, model, actor=actor, reason=reason)
        except (FirstflightError, OSError) as error:
            failed.append(str(error))
        else:
            ended += [home.rollout] if home.rollout else []
    if failed:
        raise TrafficNotAppliedError(f"{len(failed)} not brought home, {len(ended)} are: {'; '.join(failed)}")
    return tuple(ended)


def _before(world: World, model: str) -> tuple[TrafficSplit | None, tuple[str, ...]]:
    """Return what the router reports, and who may have traffic beside the stable model.

    A router that restarts is waited for; one that stays silent is gone around by what the lease says.
    """
    try:
        was = _reported(world, model)
    except BackendUnavailableError as error:
        if (lease := world.leases.held().get(model)) is None:
            raise
        log.error("%s: the router does not say what was (%s); the lease names its candidates", model, error)
        return None, lease.candidates
    if was is None:
        raise RolloutError(f"the router has no route {model}; served now: {', '.join(sorted(world.backend.served()))}")
    return was, tuple(name for name in was.weights if name != was.stable)


def _reported(world: World, model: str) -> TrafficSplit | None:
    for _ in range(ROUTER_SECONDS):
        with suppress(BackendUnavailableError):
            return world.backend.get_traffic(model)
        world.wait(1.0)
    return world.backend.get_traffic(model)


def bring_orphans_home(world: World, ended: Callable[[str], str | None], *, actor: str) -> tuple[Rollout, ...]:
    """End every open rollout whose driver is a run that is over, and return them.

    `ended` tells of a driver how its run ended, None when it may still act. This is for when whoever should have
    brought the rollout home died as well.
    """
    left = [
        (rollout, why)
        for rollout in open_rollouts(world.ledger)
        if (why := ended(rollout.driver)) is not None and not _is_held(world, rollout)
    ]
    return _end_each(world, [(one, Surrender(actor=actor, reason=why, trigger="run ended")) for one, why in left])


def bring_run_home(world: World, run: str, *, actor: str, reason: str, asked: bool = False) -> tuple[Rollout, ...]:
    """End every open rollout that flow run `run` drives, and return them.

    One that `run` started and another run has picked up since is that other run's. Unless a person `asked`, one that is
    held because its stable model fails stays held: the guard keeps watch, and has told people.

    Raises an Outage or LedgerError when the ledger does not know: traffic is home by then, and people are told.
    """
    why = Surrender(actor=actor, reason=reason, trigger="run ended")
    try:
        told = of_run(world.ledger, run)
    except (Outage, LedgerError) as error:
        _bring_home_unrecorded(world, run, why, str(error))
        raise
    left = [
        rollout
        for rollout in told
        if not rollout.final and rollout.driver == run and (asked or not _is_held(world, rollout))
    ]
    return _end_each(world, [(rollout, why) for rollout in left])


def _end_each(world: World, left: Sequence[tuple[Rollout, Surrender]]) -> tuple[Rollout, ...]:
    """Bring each home; where the ledger does not take that, traffic is, and people are told. Raises the last error."""
    ended: list[Rollout] = []
    failed: FirstflightError | None = None
    for rollout, why in left:
        try:
            ended.append(bring_home(world, rollout, why))
        except (StoreUnavailableError, LedgerError) as error:
            tell_unrecorded(world, rollout.model, rollout.id, _candidates(rollout), why.reason, str(error))
            failed = error
        except (FirstflightError, OSError) as error:
            log.error("%s: %s", rollout.model, error)
            failed = error if isinstance(error, FirstflightError) else TrafficNotAppliedError(str(error))
    if failed is not None:
        raise failed
    return tuple(ended)


def _bring_home_unrecorded(world: World, run: str, why: Surrender, silent: str) -> None:
    """Bring home what `run` holds a lease of, and tell people: nobody else can say now what it drives."""
    for lease in [one for one in world.leases.held().values() if one.holder == run]:
        surrender_lease(world, lease.route, why)
        send_home(world, lease.route, lease.candidates)
        tell_unrecorded(world, lease.route, lease.rollout, lease.candidates, why.reason, silent)


def _candidates(rollout: Rollout) -> tuple[str, ...]:
    return tuple(version.served_name for version in rollout.arms.candidates)


def _last_check(world: World, rollout: Rollout) -> Decision | None:
    told = checks(world.ledger, rollout)
    return told[-1][1] if told else None


def _is_held(world: World, rollout: Rollout) -> bool:
    """Whether the last check held the split, for home would be no better; one that is old says nothing."""
    last = _last_check(world, rollout)
    if last is None or last.verdict is not Verdict.HOLD or last.at is None or isinstance(rollout.plan, ABTestPlan):
        return False
    return (world.ledger.now() - last.at).total_seconds() <= rollout.plan.no_data_seconds + rollout.plan.check_seconds


def _home(world: World, rollout: Rollout) -> str:
    last = _last_check(world, rollout)
    if last is None:
        return "not known: nothing was looked at"
    if last.failing:
        return "failing by the last check: " + "; ".join(each for each in last.reasons if each.startswith("stable:"))
    return "breaks none of its limits, by the last check"
