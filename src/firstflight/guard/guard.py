"""The guard: it watches every rollout from outside, and brings home what nobody looks after.

It needs the backend alone to send traffic home: not Prefect, MLflow or Slack, and not the database. It never
promotes and never raises traffic. Any number of guards may run: every act is idempotent, and the ledger takes one
end of a rollout.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from firstflight.acts.approve import refused, reject
from firstflight.acts.lease import surrender_lease
from firstflight.acts.ledger_view import history, open_rollouts
from firstflight.acts.roll_back import bring_home, send_home
from firstflight.acts.tell import NEWS, retell, tell_ended
from firstflight.acts.unrecorded import guarded
from firstflight.domain.errors import FirstflightError, UnreadableRecordError
from firstflight.domain.values import Value
from firstflight.guard.clock import LeaseClock
from firstflight.guard.counter_check import CounterCheck
from firstflight.guard.runs import Runs, Unheard
from firstflight.guard.watch import Watch
from firstflight.notify.messages import Message
from firstflight.rollout.approval import Answer, refusal
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving.going_home import HomeProof
from firstflight.serving.lease import Lease, Surrender
from firstflight.world import World

log = logging.getLogger(__name__)
T = TypeVar("T")
ACTOR = "guard"
RETELL_SECONDS = 30.0
"""Between two tries of messages that did not arrive: Slack takes about one a second."""


class BroughtHome(Value):
    """What the guard did for one route: why, and the proof; `recorded` when the ledger knows."""

    route: str
    rollout: str
    reason: str
    proof: HomeProof
    recorded: bool


@dataclass
class Paged:
    """What people are to be told without the ledger, since when; `sent` when somebody was."""

    message: Message
    since: float
    sent: bool = False


@dataclass
class Guard:
    """Goes its rounds in `world`; what it remembers only spares it work and may be lost at any time.

    `runs` tells of the runs that drive, `announce` tells the orchestrator's event feed, `went` is called after each
    round, with the seconds it took. `aside` does what no round is to wait for: people's chat may hang.
    """

    world: World
    runs: Runs | None = None
    announce: Callable[[str, Mapping[str, str]], None] = lambda _event, _payload: None
    went: Callable[[float], None] = lambda _seconds: None
    aside: Callable[[Callable[[], None]], None] = lambda duty: duty()
    monotonic: Callable[[], float] = time.monotonic
    clock: LeaseClock = field(init=False)
    counters: CounterCheck = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.world = replace(self.world, home_seconds=0.0)  # it goes on to the next route, and comes back
        self.clock = LeaseClock(self.world.lease_seconds)
        self.counters = CounterCheck(self.world.wait)
        self.watch = Watch(self.world)
        self._heard: Runs = self.runs or Unheard(self.world.wait)
        self._paged: dict[str, Paged] = {}
        self._blind = False
        self._read_at = self._retold_at = self.monotonic()

    def round(self) -> tuple[BroughtHome, ...]:
        """Look at every rollout once and bring home what has to come home.

        What cannot be reached now is tried in the next round.
        """
        try:
            held = self.world.leases.held()
        except (FirstflightError, OSError) as error:
            log.error("leases cannot be read, nothing can be said about any rollout: %s", error)
            self._blind = True
            return ()
        now, told = self.monotonic(), self._told()
        held = {route: lease for route, lease in held.items() if not _is_of_another(lease, told.get(route))}
        self.watch.forget_all_but({rollout.id for rollout in told.values()})
        self._heard.follow([*(lease.holder for lease in held.values()), *(one.driver for one in told.values())])
        if returned := self._blind:
            self.clock.excuse(now - self._read_at)
        self._blind, self._read_at = False, now
        lost = self.clock.expired(held, told, now, self.world.now())
        homecomings = []
        for route in sorted({*held, *told}):
            try:
                rollout = told.get(route)
                why = _unfinished(rollout) if returned and rollout else None
                done = self._inspect(route, held.get(route), rollout, why or lost.get(route), now)
            except (FirstflightError, OSError) as error:
                log.error("%s: %s; the next round tries again", route, error)
                continue
            except Exception:  # whatever one route holds must leave no other without a guard
                log.exception("%s: this round could not be gone to its end; the next tries again", route)
                continue
            homecomings += [done] if done else []
        if now - self._retold_at >= RETELL_SECONDS:
            self._retold_at = now
            self.aside(self._tell_again)
        return tuple(homecomings)

    def rounds(self, every: float, seconds: float) -> Iterator[BroughtHome]:
        """Go a round every so many seconds for `seconds` (inf: for ever), and yield what was brought home."""
        end = self.monotonic() + seconds
        while True:
            begun = self.monotonic()
            yield from self.round()
            self.went(self.monotonic() - begun)
            if self.monotonic() >= end:
                return
            self._heard.pause(max(0.0, every - (self.monotonic() - begun)))

    def _told(self) -> dict[str, Rollout]:
        """Return the open rollouts by model; none when the ledger does not answer."""
        try:
            return {rollout.model: rollout for rollout in open_rollouts(self.world.ledger)}
        except FirstflightError as error:
            log.warning("the ledger does not answer, watching by leases and counters alone: %s", error)
            return {}

    def _inspect(
        self, route: str, lease: Lease | None, rollout: Rollout | None, lost: str | None, now: float
    ) -> BroughtHome | None:
        told = self._history(lease) if lease and rollout is None else None
        if lease and (lease.surrendered or _has_ended(lease, told)):
            return self._settle(lease, rollout, told)
        candidates = lease.candidates if lease else _candidates(rollout)
        if rollout and (no := refusal(rollout, self._heard.answers(rollout.driver))):
            return self._bring_home(route, lease, rollout, candidates, refused(no), no)
        over = self._heard.over(rollout.driver if rollout else lease.holder if lease else "")
        gone = over.why if over else lost
        if gone and not (over and over.asked) and rollout and self._alone(partial(self.watch.holds, rollout)):
            log.error("%s: %s, but the stable model fails: the split is held until a person decides", route, gone)
            return None
        if lease and told is not None and not any(one.id == lease.rollout for one in told):
            gone = gone or f"the ledger does not know {lease.rollout}, which holds the lease, or cannot read it"
        reason = gone or self._danger(route, candidates, rollout, now)
        if reason is None:
            return None
        why = Surrender(actor=ACTOR, reason=reason, trigger="run ended" if over else ACTOR)
        return self._bring_home(route, lease, rollout, candidates, why)

    def _history(self, lease: Lease) -> tuple[Rollout, ...] | None:
        """Return the rollouts of the lease's route, None when the ledger does not tell."""
        try:
            return history(self.world.ledger, lease.route)
        except FirstflightError:
            return None

    def _danger(self, route: str, candidates: tuple[str, ...], rollout: Rollout | None, now: float) -> str | None:
        fault = self.counters.fault(self.world.backend, route, candidates, now)
        if fault or rollout is None:
            return fault
        try:
            return self.watch.trigger(rollout)
        except UnreadableRecordError as error:
            return str(error)
        except FirstflightError:
            raise
        except Exception as error:  # a plan or a record that nobody can judge by is no health
            log.exception("%s: cannot be judged", rollout.id)
            return f"it cannot be judged: {type(error).__name__}: {error}"

    def _bring_home(
        self,
        route: str,
        lease: Lease | None,
        rollout: Rollout | None,
        candidates: tuple[str, ...],
        why: Surrender,
        no: Answer | None = None,
    ) -> BroughtHome:
        reason = why.reason
        log.error("%s: bringing traffic home: %s", route, reason)
        surrender_lease(self.world, route, why)
        proof = send_home(self.world, route, candidates, rollout.split if rollout else None)
        log.error("%s: %s", route, proof.told)
        name = lease.rollout if lease else rollout.id if rollout else route
        recorded = rollout is not None and self._record(rollout, why, no)
        if not recorded:
            self._page(name, guarded(route, name, candidates, reason, proof.counted))
        payload = {"model": route, "rollout": name, "reason": reason, "by": why.actor}
        self._alone(partial(self.announce, "firstflight.brought-home", payload))
        return BroughtHome(route=route, rollout=name, reason=reason, proof=proof, recorded=recorded)

    def _settle(self, lease: Lease, rollout: Rollout | None, told: tuple[Rollout, ...] | None) -> BroughtHome | None:
        """Finish what was begun: traffic home again if it is not, and the ledger told."""
        ended = f"{lease.rollout} has ended, and the router still sends to its candidate"
        why = lease.surrendered or Surrender(actor=ACTOR, reason=ended, trigger=ACTOR)
        reported = self.world.backend.get_traffic(lease.route)
        if reported is not None and any(reported.percent(name) for name in lease.candidates if name != reported.stable):
            return self._bring_home(lease.route, lease, rollout, lease.candidates, why)
        if rollout is not None:
            self._record(rollout, why)
        elif _has_ended(lease, told):
            self.world.leases.release(lease.route, lease.token)
        return None

    def _record(self, rollout: Rollout, why: Surrender, no: Answer | None = None) -> bool:
        """Write down that the rollout has ended, by a person's `no`, and tell people; False when the ledger is away."""
        by = partial(reject, self.world, rollout, no) if no else partial(bring_home, self.world, rollout, why)
        ended = self._alone(by)
        if ended is None:
            log.warning("%s: home, but the ledger does not know yet", rollout.model)
            return False

        def tell() -> bool:
            tell_ended(self.world, ended)
            return True

        if not self._alone(tell):
            proof = "by its records it has ended"
            self._page(ended.id, guarded(ended.model, ended.id, _candidates(ended), why.reason, proof))
        return True

    def _page(self, name: str, message: Message) -> None:
        """Tell people without the ledger, once for each rollout; who could not be reached is told in a later round."""
        paged = self._paged.setdefault(name, Paged(message, self.monotonic()))
        self._send(name, paged)

    def _tell_again(self) -> None:
        """Tell what could not be told, as long as it is news: what only we know, and what the ledger keeps."""
        now = self.monotonic()
        for name, paged in list(self._paged.items()):
            if not paged.sent and now - paged.since < NEWS.total_seconds():
                self._send(name, paged)
        self._alone(partial(retell, self.world))

    def _send(self, name: str, paged: Paged) -> None:
        if not paged.sent:
            paged.sent = self._alone(partial(self.world.notifier.send, paged.message)) is not None
            if not paged.sent:
                log.warning("%s: nobody could be told; it is tried again", name)

    def _alone(self, duty: Callable[[], T]) -> T | None:
        """Return what `duty` does; when it fails that is logged, and no other duty is left undone for it."""
        try:
            return duty()
        except (FirstflightError, OSError) as error:
            log.warning("%s", error)
        except Exception:  # the guard's duties each stand alone, whatever one meets
            log.exception("a duty of the guard failed")
        return None


def _unfinished(rollout: Rollout) -> str | None:
    """Return why a rollout was to go home whose driver may have been unable to, None when it was not to."""
    return "; ".join(rollout.reasons) or "its roll back had begun" if rollout.phase is Phase.ROLLING_BACK else None


def _has_ended(lease: Lease, told: tuple[Rollout, ...] | None) -> bool:
    """Whether the ledger tells that the lease's rollout has ended: its driver died before releasing it."""
    return any(rollout.id == lease.rollout and rollout.final for rollout in told or ())


def _is_of_another(lease: Lease, rollout: Rollout | None) -> bool:
    """Whether the lease was left by an earlier rollout than the one that is open now."""
    return rollout is not None and lease.rollout != rollout.id


def _candidates(rollout: Rollout | None) -> tuple[str, ...]:
    return tuple(version.served_name for version in rollout.arms.candidates) if rollout else ()
