"""The guard: it watches every rollout from outside, and brings home what nobody looks after.

It needs the backend alone to send traffic home: not Prefect, MLflow or Slack, and not the database. It never
promotes and never raises traffic. Any number of guards may run: every act is idempotent, and the ledger takes one
end of a rollout.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from firstflight.acts import notices
from firstflight.acts.lease import surrender_lease
from firstflight.acts.ledger_view import history, open_rollouts
from firstflight.acts.roll_back import bring_home
from firstflight.acts.tell import tell_ended
from firstflight.domain.errors import FirstflightError, HeadMovedError, Outage
from firstflight.domain.values import Value
from firstflight.guard.clock import LeaseClock
from firstflight.guard.counter_check import CounterCheck
from firstflight.guard.runs import Runs, Unheard
from firstflight.guard.watch import Watch
from firstflight.rollout.machine import Rollout
from firstflight.serving.going_home import HomeProof, bring_traffic_home
from firstflight.serving.lease import Lease, Surrender
from firstflight.world import World

log = logging.getLogger(__name__)
ACTOR = "guard"


class BroughtHome(Value):
    """What the guard did for one route: why, and the proof; `recorded` when the ledger knows."""

    route: str
    rollout: str
    reason: str
    proof: HomeProof
    recorded: bool


@dataclass
class Guard:
    """Goes its rounds in `world`; what it remembers only spares it work and may be lost at any time.

    `runs` tells of the runs that drive, `announce` tells the orchestrator's event feed, `went` is called after each
    round.
    """

    world: World
    runs: Runs | None = None
    announce: Callable[[str, Mapping[str, str]], None] = lambda _event, _payload: None
    went: Callable[[], None] = lambda: None
    monotonic: Callable[[], float] = time.monotonic
    clock: LeaseClock = field(init=False)
    counters: CounterCheck = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.clock = LeaseClock(self.world.lease_seconds)
        self.counters = CounterCheck(self.world.wait)
        self.watch = Watch(self.world)
        self._heard: Runs = self.runs or Unheard(self.world.wait)
        self._paged: set[str] = set()
        self._blind = False
        self._read_at = self.monotonic()

    def round(self) -> tuple[BroughtHome, ...]:
        """Look at every rollout once and bring home what has to come home.

        What cannot be reached now is tried in the next round.
        """
        try:
            held = self.world.leases.held()
        except (FirstflightError, OSError) as error:
            log.error("leases cannot be read, nothing can be said about any rollout: %s", error)  # noqa: TRY400 - the message is the whole story
            self._blind = True
            return ()
        told = self._told()
        held = {route: lease for route, lease in held.items() if not _is_of_another(lease, told.get(route))}
        self.watch.forget_all_but({rollout.id for rollout in told.values()})
        self._heard.follow([*(lease.holder for lease in held.values()), *(one.driver for one in told.values())])
        now = self.monotonic()
        if self._blind:
            self.clock.excuse(now - self._read_at)
        self._blind, self._read_at = False, now
        lost = self.clock.expired(held, told, now, self.world.now())
        homecomings = []
        for route in sorted({*held, *told}):
            try:
                done = self._inspect(route, held.get(route), told.get(route), lost.get(route), now)
            except (FirstflightError, OSError) as error:
                log.error("%s: %s; the next round tries again", route, error)  # noqa: TRY400 - the same
                continue
            homecomings += [done] if done else []
        return tuple(homecomings)

    def rounds(self, every: float, seconds: float) -> Iterator[BroughtHome]:
        """Go a round every so many seconds for `seconds` (inf: for ever), and yield what was brought home."""
        end = self.monotonic() + seconds
        while True:
            begun = self.monotonic()
            yield from self.round()
            self.went()
            if self.monotonic() >= end:
                return
            self._heard.pause(max(0.0, every - (self.monotonic() - begun)))

    def _told(self) -> dict[str, Rollout]:
        """Return the open rollouts by model; none when the ledger does not answer."""
        try:
            return {rollout.model: rollout for rollout in open_rollouts(self.world.ledger)}
        except Outage as error:
            log.warning("the ledger does not answer, watching by leases and counters alone: %s", error)
            return {}

    def _inspect(
        self, route: str, lease: Lease | None, rollout: Rollout | None, lost: str | None, now: float
    ) -> BroughtHome | None:
        if lease and (lease.surrendered or (rollout is None and self._has_ended(lease))):
            return self._settle(lease, rollout)
        candidates = lease.candidates if lease else _candidates(rollout)
        over = self._heard.over(rollout.driver if rollout else lease.holder if lease else "")
        gone = lost or (over.why if over else None)
        if gone and not (over and over.asked) and rollout and self.watch.holds(rollout):
            log.error("%s: %s, but the stable model fails: the split is held until a person decides", route, gone)
            return None
        reason = (over.why if over else lost) or self._danger(route, candidates, rollout, now)
        if reason is None:
            return None
        why = Surrender(actor=ACTOR, reason=reason, trigger="run ended" if over else ACTOR)
        return self._bring_home(route, lease, rollout, candidates, why)

    def _has_ended(self, lease: Lease) -> bool:
        """Whether the ledger tells that the lease's rollout has ended: its driver died before releasing it."""
        try:
            told = history(self.world.ledger, lease.route)
        except Outage:
            return False
        return any(rollout.id == lease.rollout and rollout.final for rollout in told)

    def _danger(self, route: str, candidates: tuple[str, ...], rollout: Rollout | None, now: float) -> str | None:
        return self.counters.fault(self.world.backend, route, candidates, now) or (
            self.watch.trigger(rollout) if rollout else None
        )

    def _bring_home(
        self, route: str, lease: Lease | None, rollout: Rollout | None, candidates: tuple[str, ...], why: Surrender
    ) -> BroughtHome:
        reason = why.reason
        log.error("%s: bringing traffic home: %s", route, reason)
        surrender_lease(self.world, route, why)
        proof = self._send_home(route, candidates)
        log.error("%s: traffic is home by the %s: %s; %s", route, proof.way, proof.reported, proof.counted)
        recorded = self._record(rollout, why) if rollout else False
        name = lease.rollout if lease else rollout.id if rollout else route
        if not recorded:
            self._page(route, name, candidates, reason, proof)
        payload = {"model": route, "rollout": name, "reason": reason, "by": why.actor}
        self.announce("firstflight.brought-home", payload)
        return BroughtHome(route=route, rollout=name, reason=reason, proof=proof, recorded=recorded)

    def _send_home(self, route: str, candidates: tuple[str, ...]) -> HomeProof:
        backend = self.world.backend
        return bring_traffic_home(backend, route, candidates, lambda: backend.go_home(route), self.world.wait)

    def _settle(self, lease: Lease, rollout: Rollout | None) -> BroughtHome | None:
        """Finish what was begun: traffic home again if it is not, and the ledger told."""
        ended = f"{lease.rollout} has ended, and the router still sends to its candidate"
        why = lease.surrendered or Surrender(actor=ACTOR, reason=ended, trigger=ACTOR)
        reported = self.world.backend.get_traffic(lease.route)
        if reported is not None and any(reported.percent(name) for name in lease.candidates if name != reported.stable):
            return self._bring_home(lease.route, lease, rollout, lease.candidates, why)
        if rollout is not None:
            self._record(rollout, why)
        elif self._has_ended(lease):
            self.world.leases.release(lease.route, lease.token)
        return None

    def _record(self, rollout: Rollout, why: Surrender) -> bool:
        """Write down that the rollout has ended and tell people; False when the ledger does not answer."""
        try:
            ended = bring_home(self.world, rollout, why)
            tell_ended(self.world, ended)
        except (Outage, HeadMovedError) as error:
            log.warning("%s: home, but the ledger does not know yet: %s", rollout.model, error)
            return False
        return True

    def _page(self, route: str, name: str, candidates: tuple[str, ...], reason: str, proof: HomeProof) -> None:
        """Tell people without the ledger, once for each rollout."""
        if name in self._paged:
            return
        self._paged.add(name)
        message = notices.guarded(route, name, candidates, reason, proof.counted)
        try:
            self.world.notifier.send(message)
        except Outage as error:
            log.warning("%s: nobody could be told: %s", route, error)


def _is_of_another(lease: Lease, rollout: Rollout | None) -> bool:
    """Whether the lease was left by an earlier rollout than the one that is open now."""
    return rollout is not None and lease.rollout != rollout.id


def _candidates(rollout: Rollout | None) -> tuple[str, ...]:
    return tuple(version.served_name for version in rollout.arms.candidates) if rollout else ()
