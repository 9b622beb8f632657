"""One look at what the arms do, and what is wrong with it before any statistics."""

import logging
from datetime import datetime, timedelta

from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.samples import Look, NoData, Sample, Window
from firstflight.domain.traffic import TrafficSplit
from firstflight.observation.source import MetricSource
from firstflight.rollout.machine import Phase, Rollout
from firstflight.workloads.find import find
from firstflight.world import World

log = logging.getLogger(__name__)
ASKING_AGAIN_SECONDS = 2.0
SETTLE_SECONDS = 1.0
"""Requests routed under the old split may still be on their way this long after a change."""


def first_moment(rollout: Rollout) -> datetime:
    """Return the moment from which the requests of the stage that `rollout` is in count."""
    return (rollout.stage_started_at or rollout.started_at) + timedelta(seconds=SETTLE_SECONDS)


def fault_of(world: World, rollout: Rollout) -> Decision | None:
    """Return the decision to roll back when what is declared or loaded is not what the rollout set, else None.

    The split that is observed is compared with the declared one by the sample-ratio test of `judge`. A replica that
    dies makes both wrong for a moment, until its models are placed anew, so what is wrong is asked once more.
    """
    if (fault := _fault_of(world, rollout)) is None:
        return None
    log.warning("%s: asked again in %g s: %s", rollout.id, ASKING_AGAIN_SECONDS, "; ".join(fault.reasons))
    world.wait(ASKING_AGAIN_SECONDS)
    return _fault_of(world, rollout)


def _fault_of(world: World, rollout: Rollout) -> Decision | None:
    reported = world.backend.get_traffic(rollout.model)
    finishing = rollout.phase is Phase.BAKING and reported == TrafficSplit.all_to(rollout.candidate.served_name)
    if reported != rollout.split and not finishing:  # its driver sets that split a moment before it writes so
        return _harm(f"the router reports {reported or 'no such route'}, the rollout had set {rollout.split}")
    for version in rollout.arms.candidates:
        loaded = world.backend.loaded_digest(version.served_name)
        if loaded is None:
            return _harm(f"{version.served_name} does not answer; its requests are another model's or nobody's")
        if loaded != version.digest:
            return _harm(f"{version.served_name} has loaded {loaded}, {version} is {version.digest}")
    return None


def _harm(reason: str) -> Decision:
    return Decision(verdict=Verdict.ROLL_BACK, reasons=(reason,))


class Pace:
    """How time passes for one process that looks at a rollout, though clocks are set: the database's dates records."""

    def __init__(self, world: World, until: datetime, allowed: float) -> None:
        """Records are known up to `until`; if they have stood still, half of the `allowed` seconds at most count.

        Longer than this process lives is told by clocks that people set.
        """
        self._world = world
        self._begun_at, self._begun = world.ledger.now(), world.monotonic()
        stood = (self._begun_at - until).total_seconds()
        # What counts may lie ahead, to settle; records that move on until then do not stand still.
        self._until, self._moved = min(until, self._begun_at), self._begun - min(max(stood, 0.0), allowed / 2)

    def at(self, until: datetime) -> datetime:
        """Return the moment of a look whose records are complete up to `until`.

        By the database's clock, unless that was set forward since we began; and when records stand still, so much
        later than they are as that has been seen.
        """
        elapsed = self._world.monotonic() - self._begun
        if until > self._until:
            self._until, self._moved = until, self._world.monotonic()
        stood = timedelta(seconds=self._world.monotonic() - self._moved)
        return max(min(self._world.ledger.now(), self._begun_at + timedelta(seconds=elapsed)), until + stood)


def take_look(
    world: World,
    rollout: Rollout,
    names: tuple[str, ...],
    *,
    since: datetime,
    pace: Pace,
    after: datetime | None = None,
) -> Look:
    """Return what `names` did from `since` up to where the records are complete.

    `after` is the moment of the look before: a clock that was set back does not make this one earlier, or it would
    not count for as long as the clock is behind.
    """
    watermark = world.source.watermark(rollout.model)
    until = max(since, watermark.until) if watermark else since
    at = pace.at(watermark.until if watermark else since)  # not `since`: it may lie ahead, to settle
    window = Window(since=since, until=until)
    split, stage = rollout.split, rollout.stage
    if split is None or stage is None or rollout.stage_started_at is None:
        raise ValueError(
            f"rollout {rollout.id} is {rollout.phase}: there is nothing to look at before a stage is entered"
        )
    return Look(
        at=max(at, after or at),
        window=window,
        stage=stage,
        stage_started_at=rollout.stage_started_at,
        weights={name: split.percent(name) for name in names},
        assignments=dict(world.source.assignments(rollout.model, window)),
        units=world.source.units(rollout.model, window, begun=rollout.started_at),
        **_answers(world.source.scored_by(find(rollout.plan.workload).scoring), rollout, names, window),
    )


def _answers(
    source: MetricSource, rollout: Rollout, names: tuple[str, ...], window: Window
) -> dict[str, dict[str, dict[str, Sample]]]:
    """Return what answers of this stage showed, and those of earlier ones whose truth comes now."""
    model, control, began = rollout.model, rollout.arms.stable.served_name, first_moment(rollout)
    others = [name for name in names if name != control]
    found = {
        "samples": {name: dict(source.samples(model, name, window, answered_since=began)) for name in names},
        "paired": {name: dict(source.paired(model, control, name, window, answered_since=began)) for name in others},
    }
    if rollout.passed:
        earlier = {name: dict(source.outcomes(model, name, window, answered_until=began)) for name in names}
        pairs = {name: dict(source.paired(model, control, name, window, answered_until=began)) for name in others}
        found |= {"earlier": _known(earlier), "earlier_paired": _known(pairs)}
    return found


def _known(samples: dict[str, dict[str, Sample]]) -> dict[str, dict[str, Sample]]:
    """Return what was seen, without the reasons why nothing else was."""
    kept: dict[str, dict[str, Sample]] = {
        name: {metric: sample for metric, sample in found.items() if not isinstance(sample, NoData)}
        for name, found in samples.items()
    }
    return {name: found for name, found in kept.items() if found}


def records_fault(plan: CanaryPlan, look: Look) -> Decision | None:
    """Return INCONCLUSIVE when records have stopped for longer than the plan allows, by the clock.

    A look whose window does not move on holds no news, so `judge`, whose time is that of the windows, would
    wait with the watermark for ever.
    """
    behind = (look.at - look.window.until).total_seconds()
    if behind <= plan.no_data_seconds:
        return None
    reason = (
        f"blind: requests are recorded up to {look.window.until:%H:%M:%S} UTC, {behind:,.0f} s ago, at most "
        f"{plan.no_data_seconds:,.0f} s allowed; is the collector running?"
    )
    return Decision(verdict=Verdict.INCONCLUSIVE, reasons=(reason,), stage=look.stage, at=look.at)
