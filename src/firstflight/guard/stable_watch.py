"""Stable models, rollout or not: one that does not answer is an alarm, and is brought back."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from firstflight.domain.errors import BackendUnavailableError, FirstflightError
from firstflight.notify.messages import Message
from firstflight.world import World

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
ALARM_SECONDS = 30.0
"""A server that ended, or begins with the stack, answers by then (17 s when three start on two busy cores)."""
REVIVE_SECONDS = 90.0
"""Whoever has not answered for so long does not load any more: it hangs, or nobody starts it."""
AGAIN_SECONDS = 180.0
"""A server that was started again gets twice as long, lest starting it be what keeps it from answering."""
GATEWAY = "gateway"
"""Stands for all routes while the router itself does not answer."""


@dataclass
class _Silence:
    since: float
    told: bool = False
    revived: float | None = None


@dataclass
class StableWatch:
    """Looks at each stable model; beside the guard's rounds, for a server that hangs takes long to be asked."""

    world: World
    monotonic: Callable[[], float] = time.monotonic
    _silent: dict[tuple[str, str], _Silence] = field(default_factory=dict, init=False)

    def rounds(self) -> None:
        """Look for ever."""
        while True:
            try:
                self.look()
            except Exception:  # it watches on, whatever it meets
                log.exception("stable models could not be looked at")
            self.world.wait(LOOK_SECONDS)

    def look(self) -> None:
        """Look once: tell people of who has been silent for too long, and have its server started again."""
        now = self.monotonic()
        silent = self._silent_now()
        self._silent = {one: known for one, known in self._silent.items() if one in silent}
        for one in silent:
            self._treat(*one, self._silent.setdefault(one, _Silence(now)), now)

    def _silent_now(self) -> list[tuple[str, str]]:
        try:
            stables = self.world.backend.stables()
            return [(route, name) for route, name in stables.items() if not self.world.backend.is_ready(name)]
        except BackendUnavailableError as error:
            log.warning("the router does not answer: %s", error)
            return [(GATEWAY, GATEWAY)]

    def _treat(self, route: str, name: str, silence: _Silence, now: float) -> None:
        for_seconds = now - silence.since
        if for_seconds >= ALARM_SECONDS and not silence.told:
            log.error("%s: %s has not answered for %.0f s, and it is the stable model", route, name, for_seconds)
            silence.told = self._tell(route, name, for_seconds)
        due = REVIVE_SECONDS if silence.revived is None else silence.revived + AGAIN_SECONDS - silence.since
        if name != GATEWAY and for_seconds >= due:
            silence.revived = now
            log.error("%s: starting the server of %s again", route, name)
            try:
                self.world.backend.revive(name)
            except FirstflightError as error:
                log.warning("%s", error)

    def _tell(self, route: str, name: str, seconds: float) -> bool:
        what = "the gateway does" if name == GATEWAY else f"{name}, the stable model, does"
        message = Message(
            kind="silent",
            model=route,
            rollout="",
            headline=f"{route}: {what} not answer",
            facts=(("Silent for", f"{seconds:.0f} s"), ("What to do", "`firstflight status`, `firstflight doctor`")),
            reasons=("its server is started again while it stays silent",) if name != GATEWAY else (),
        )
        try:
            self.world.notifier.send(message)
        except FirstflightError as error:
            log.warning("%s: nobody could be told: %s", name, error)
            return False
        return True
