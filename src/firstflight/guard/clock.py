"""How long ago each lease last changed, by a clock that nobody can set."""

from collections.abc import Mapping
from datetime import datetime

from firstflight.rollout.machine import Rollout
from firstflight.serving.lease import Lease


class LeaseClock:
    """Measures from when *this* process saw a lease change, so that two machines' clocks need not agree."""

    def __init__(self, seconds: float) -> None:
        """`seconds` is the time an open rollout without any lease is given."""
        self._seconds = seconds
        self._seen: dict[str, tuple[Lease | str, float]] = {}

    def expired(
        self, held: Mapping[str, Lease], told: Mapping[str, Rollout], now: float, at: datetime
    ) -> dict[str, str]:
        """Return why the lease of a route is lost, by route; `now` is monotonic, in seconds, `at` the wall clock."""
        lost = {}
        current: dict[str, Lease | str] = {route: rollout.id for route, rollout in told.items()} | dict(held)
        self._seen = {route: seen for route, seen in self._seen.items() if route in current}
        for route, known in current.items():
            if (seen := self._seen.get(route)) is None or seen[0] != known:
                left = self._left_at_first_sight(known, at) if seen is None else self._lasts(known)
                seen = self._seen[route] = (known, now + left)
            if now > seen[1]:
                lost[route] = _sentence(known, self._lasts(known))
        return lost

    def excuse(self, seconds: float) -> None:
        """Leave `seconds` out of account for every lease: nobody could reach them, so nobody could renew."""
        self._seen = {route: (known, until + seconds) for route, (known, until) in self._seen.items()}

    def ages(self, now: float) -> dict[str, tuple[float, float]]:
        """Return of each route for how many seconds its lease has not changed, and how many it has left."""
        return {
            route: (self._lasts(known) - (until - now), until - now)
            for route, (known, until) in dict(self._seen).items()
        }

    def _lasts(self, known: Lease | str) -> float:
        return known.seconds if isinstance(known, Lease) else self._seconds

    def _left_at_first_sight(self, known: Lease | str, at: datetime) -> float:
        """A lease must not begin anew because the guard was restarted, the less so one of hours.

        Here alone the wall clock is asked; should it be wrong, a driver still has time to renew several times.
        """
        if isinstance(known, str):
            return self._seconds
        left = known.seconds - (at - known.renewed_at).total_seconds()
        return min(known.seconds, max(left, self._seconds / 2))


def _sentence(known: Lease | str, seconds: float) -> str:
    if isinstance(known, str):
        return f"nobody has driven {known} for {seconds:g} s: it is open and has no lease"
    return f"its driver {known.holder} has not been heard of for {seconds:,.0f} s, at most that is allowed"
