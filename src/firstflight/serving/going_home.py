"""Traffic goes home, and it is proved: the router says so, and no request reaches the candidate any more."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field

from firstflight.domain.errors import (
    BackendUnavailableError,
    FirstflightError,
    ModelNotLoadedError,
    StaleTokenError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.serving.backend import ServingBackend

log = logging.getLogger(__name__)
T = TypeVar("T")

STALL_SECONDS = 3.0
"""A router that has not obeyed by then is gone around: the candidate itself is stopped."""
QUIET_SECONDS = 0.5
"""For so long at least no request may reach the candidate."""
_CHANCE = 1e-3
"""So many requests must have reached others meanwhile that none would miss a candidate with its share but for this."""
_LONGEST_QUIET = 1.5
"""Then the chance is told instead: the router's own word, and on Seldon requests of ours, prove the same."""
_QUIET_DEADLINE = 3.0
_LOOKS = round(_QUIET_DEADLINE / QUIET_SECONDS)
_FAILURES = (BackendUnavailableError, TrafficNotAppliedError, ModelNotLoadedError, OSError)


class HomeProof(Value):
    """How traffic was brought home and what showed it.

    `reported` is the router's split (None: it could not say); `counted` tells in words what bears it out, of whom and
    how much was counted; `seconds` is from the first attempt to that. `asked` are the requests of each candidate that
    was quiet, None for one that is not served; it is not kept with the rest.
    """

    way: Literal["router", "eviction"]
    reported: TrafficSplit | None
    counted: str
    seconds: float
    asked: Mapping[str, int | None] = Field(default_factory=dict, exclude=True)

    @property
    def told(self) -> str:
        """What is so, in words: after an eviction the router may still name whoever was stopped."""
        if self.way == "router":
            return f"traffic is home by the router: {self.reported}; {self.counted}"
        return f"{self.counted}; the router itself reports {self.reported or 'nothing'}"


Set = Callable[[], TrafficSplit | None]


def bring_traffic_home(
    backend: ServingBackend,
    route: str,
    candidates: Sequence[str],
    first: Set,
    wait: Callable[[float], None] = time.sleep,
    share: float = 0.0,
    proved: HomeProof | None = None,
) -> HomeProof:
    """Send `route` home by `first`, or by stopping `candidates` when it fails or stalls, and return the proof.

    `share` of the requests were the candidates' before, 0 when nobody knows: the less, the longer they must be quiet,
    unless the router's own routes were read.
    What was `proved` a moment ago holds when the same is reported and none of them was asked since; nobody waits again.

    Raises:
        StaleTokenError: `first` was refused: somebody else drives the route.
        SplitPendingError: The way home is written, and comes true once the router reacts; nothing is stopped meanwhile.
        TrafficNotAppliedError: Neither way worked; the message tells why.
    """
    begun = time.monotonic()
    trouble = ""
    try:
        reported = first() if backend.bounds_itself else _within(STALL_SECONDS, first)
        # A promotion that is being finished: what the router falls back to is a candidate no more.
        candidates = [name for name in candidates if reported is None or name != reported.stable]
        if proved is not None and reported == proved.reported and _still_quiet(backend, route, candidates, proved):
            return proved
        if quiet := _quiet(backend, route, candidates, wait, 0.0 if backend.reads_router else share):
            seconds = time.monotonic() - begun
            return HomeProof(way="router", reported=reported, counted=quiet.said, seconds=seconds, asked=quiet.asked)
        trouble = f"the router reports {reported}, but not that no request reaches {', '.join(candidates)} any more"
    except StaleTokenError:
        raise
    except _FAILURES as error:
        trouble = str(error)
    log.error("%s: the first way home failed (%s); stopping %s", route, trouble, ", ".join(candidates))
    return _by_eviction(backend, route, candidates, wait, begun, trouble)


def _by_eviction(
    backend: ServingBackend,
    route: str,
    candidates: Sequence[str],
    wait: Callable[[float], None],
    begun: float,
    trouble: str,
) -> HomeProof:
    if (split := _reported(backend, route)) is not None and split.stable in candidates:
        raise TrafficNotAppliedError(
            f"{route}: {trouble}; {split.stable} is what the router falls back to: stopping it would leave nobody"
        )
    for name in candidates:
        try:
            evict = partial(backend.evict, name)
            evict() if backend.bounds_itself else _within(STALL_SECONDS, evict)
        except _FAILURES as error:
            raise TrafficNotAppliedError(
                f"{route}: neither way home worked: {trouble}; stopping {name}: {error}"
            ) from error
    if any(backend.is_ready(name) for name in candidates):
        raise TrafficNotAppliedError(f"{route}: neither way home worked: {trouble}; {', '.join(candidates)} still run")
    stopped = f"{', '.join(candidates)} stopped and no longer answering"
    if quiet := _quiet(backend, route, candidates, wait):
        stopped += f"; {quiet.said}"
    return HomeProof(
        way="eviction", reported=_reported(backend, route), counted=stopped, seconds=time.monotonic() - begun
    )


def _reported(backend: ServingBackend, route: str) -> TrafficSplit | None:
    try:
        return backend.get_traffic(route)
    except BackendUnavailableError:
        return None


class _Quiet(NamedTuple):
    said: str
    asked: Mapping[str, int | None]


def _still_quiet(backend: ServingBackend, route: str, candidates: Sequence[str], proved: HomeProof) -> bool:
    """Whether what was proved is of all `candidates`, by the router, and each was asked as often then as now."""
    if proved.way != "router" or not proved.asked.keys() >= set(candidates):
        return False
    now = _requests(backend, route, candidates)
    return now is not None and all(now.get(name) == proved.asked[name] for name in candidates)


def _quiet(
    backend: ServingBackend,
    route: str,
    candidates: Sequence[str],
    wait: Callable[[float], None],
    share: float = 0.0,
) -> _Quiet | None:
    """Return what shows that nothing reaches `candidates` any more, None when nothing does.

    Of a candidate that is served and not counted nothing is known. One that is not served has nowhere to be reached.
    """
    if not candidates:
        return _Quiet("nobody but the stable model had traffic", {})
    deadline = time.monotonic() + _QUIET_DEADLINE
    before, quiet = _requests(backend, route, candidates), 0.0
    for look in range(1, _LOOKS + 1):
        wait(QUIET_SECONDS)
        quiet += QUIET_SECONDS
        after = _requests(backend, route, candidates)
        late = look == _LOOKS or time.monotonic() > deadline
        if before is None or after is None or any(before.get(name) != after.get(name) for name in candidates):
            before, quiet = after, 0.0
            if late:
                return None
            continue
        others = sum(max(0, asked - before.get(name, 0)) for name, asked in after.items())
        enough = not share or not others or (1 - share) ** others <= _CHANCE
        if enough or late or quiet >= _LONGEST_QUIET:
            asked = {name: after.get(name) for name in candidates}
            return _Quiet(_said(candidates, after, others, quiet, share), asked)
    return None


def _said(candidates: Sequence[str], after: Mapping[str, int], others: int, seconds: float, share: float) -> str:
    # of a candidate that no split names any more a router may have forgotten its count: 0 is then not what was
    counted = [f"{name} ({after[name]:,} before that)" if after[name] else name for name in candidates if name in after]
    said = [f"{name} is not served" for name in candidates if name not in after]
    if counted:
        beside = f"{others:,} reached the others" if others else "nor anybody else: there was no traffic at all"
        if others and share and (chance := (1 - share) ** others) > _CHANCE:
            beside += f", by chance in {chance:.0%}"
        said.append(f"no request reached {', '.join(counted)} for {seconds:g} s, {beside}")
    return "; ".join(said)


def _requests(backend: ServingBackend, route: str, candidates: Sequence[str]) -> Mapping[str, int] | None:
    """Return the requests of each model of `route`; None when they cannot be read, or miss a served candidate."""
    try:
        counted = {name: tally.reached for name, tally in backend.tallies(route).items()}
        missing = set(candidates) - counted.keys()
        unknown = backend.served() & missing if missing else set()
    except BackendUnavailableError as error:
        log.warning("%s: the counters cannot be read: %s", route, error)
        return None
    if unknown:
        log.warning("%s: %s served and not among the counters", route, ", ".join(sorted(unknown)))
        return None
    return counted


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns; when it takes longer it is left alone, and TrafficNotAppliedError raised."""
    answer: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            answer.append(call())
        except (FirstflightError, OSError) as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not answer:
        raise TrafficNotAppliedError(f"no answer within {seconds:g} s")
    return answer[0]
