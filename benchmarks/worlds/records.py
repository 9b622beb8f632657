"""What is on its way and what has arrived: an answer when it is given, a label when it comes, a block when complete."""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.events import Events


@dataclass(frozen=True, slots=True)
class Seen:
    """What was first seen in one window: requests answered, labels of earlier answers, units of complete blocks."""

    requests: Events
    labelled: Events
    closed: Events


class Records:
    """Every request is in one place: not answered yet, answered without a label, labelled in an open block, gone."""

    def __init__(self, nothing: Events) -> None:
        """Begin empty; `nothing` holds no rows."""
        self._coming = self._unlabelled = self._open = nothing

    def add(self, events: Events) -> None:
        """Take in requests as they arrive."""
        self._coming = Events.joined((self._coming, events))

    def take(self, since: float, until: float, growing: int) -> Seen:
        """Return what is first seen after `since` and up to `until`; blocks from `growing` on may gain requests.

        What was answered up to `since` and never taken (requests that the split before had routed) is not returned,
        its labels are.
        """
        arrived = self._coming.answered <= until
        requests, self._coming = self._coming.where(arrived), self._coming.where(~arrived)
        waiting = Events.joined((self._unlabelled, requests.where(np.isfinite(requests.known))))
        known = waiting.known <= until
        labelled, self._unlabelled = waiting.where(known), waiting.where(~known)
        first = min([growing, *(int(part.block.min()) for part in (self._coming, self._unlabelled) if len(part))])
        candidates = Events.joined((self._open, labelled))
        complete = (candidates.block < first) & (candidates.closes <= until)
        closed, self._open = candidates.where(complete), candidates.where(~complete)
        return Seen(requests.where(requests.answered > since), labelled, closed)
