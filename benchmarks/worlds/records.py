"""What is on its way and what has arrived: an answer when it is given, a label when it comes, a block when complete."""

from dataclasses import dataclass
from typing import Literal

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
        self._nothing = nothing
        self._coming = nothing
        self._unlabelled: list[Events] = []
        self._open: list[Events] = []

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
        self._unlabelled.append(requests.where(np.isfinite(requests.known)))
        labelled = self._draw(self._unlabelled, "known", until)
        first = min([growing, *(int(part.block.min()) for part in (self._coming, *self._unlabelled) if len(part))])
        self._open.append(labelled)
        over = self._draw(self._open, "closes", until)
        complete = over.block < first
        self._open.append(over.where(~complete))
        return Seen(requests.where(requests.answered > since), labelled, over.where(complete))

    def _draw(self, parts: list[Events], column: Literal["known", "closes"], until: float) -> Events:
        """Take out of `parts` the rows that are due; parts of which none is due are left as they are."""
        due = [part for part in parts if len(part) and getattr(part, column).min() <= until]
        parts[:] = [part for part in parts if len(part) and getattr(part, column).min() > until]
        together = Events.joined([self._nothing, *due])
        now = getattr(together, column) <= until
        parts.append(together.where(~now))
        return together.where(now)
