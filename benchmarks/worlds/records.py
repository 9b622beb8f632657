"""What is on its way and what has arrived: an answer when given, a label when it comes, a block when it closes."""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.events import ARMS, Bools, Events, Floats

BLOCK_SECONDS = 2.0
"""A block closes this long after the first label of one of its units, as in the product; later ones are left out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was first seen in one window.

    `requests` were answered; `judged` are the units of blocks that closed for the model that answered them, `pairs`
    those of blocks that closed for both models. `units` are those first met, by arm, None where units are no matter.
    """

    requests: Events
    judged: Events
    pairs: Events
    units: tuple[int, ...] | None = None


class Records:
    """Every request is in one place: not answered yet, answered without a label, labelled in an open block, gone."""

    def __init__(self, nothing: Events, *, mirrored: bool = False, sticky: bool = False) -> None:
        """Begin empty; `nothing` holds no rows. Where units are `sticky` those first met are counted."""
        self._mirrored, self._sticky = mirrored, sticky
        self._coming = self._open = self._paired = nothing
        self._unlabelled: list[Events] = [nothing]
        self._opened = np.full((len(ARMS), 0), np.inf)
        self._met = np.zeros(0, dtype=bool)

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
        labelled = self._labelled(until)
        first = min([growing, *(int(part.block.min()) for part in (self._coming, *self._unlabelled) if len(part))])
        self._note(labelled)
        self._open = Events.joined((self._open, labelled))
        closes = self._opened[self._open.arm, self._open.block] + BLOCK_SECONDS
        judged, self._open = _closed(self._open, closes, until)
        self._paired = Events.joined((self._paired, labelled))
        first_of = np.min if self._mirrored else np.max
        closes = first_of(self._opened[:, self._paired.block], axis=0) + BLOCK_SECONDS
        alone = np.isinf(closes) & (self._paired.closes <= until) & (self._paired.block < first)
        pairs, self._paired = _closed(self._paired.where(~alone), closes[~alone], until)
        answered = requests.answered > since
        units = self._first_met(requests, answered) if self._sticky else None
        return Seen(requests.where(answered), judged, pairs, units)

    def _labelled(self, until: float) -> Events:
        """Take out the answers whose label has come; parts of which none has are left as they are."""
        due = [part for part in self._unlabelled if len(part) and part.known.min() <= until]
        later = [part for part in self._unlabelled if len(part) and part.known.min() > until]
        together = Events.joined([self._open.where(np.zeros(len(self._open), dtype=bool)), *due])
        now = together.known <= until
        self._unlabelled = [*later, together.where(~now)]
        return together.where(now)

    def _note(self, labelled: Events) -> None:
        """Remember when each model's label of a block was first known."""
        missing = int(labelled.block.max(initial=-1)) + 1 - self._opened.shape[1]
        if missing > 0:
            more = np.full((len(ARMS), missing + self._opened.shape[1]), np.inf)
            self._opened = np.concatenate([self._opened, more], axis=1)
        np.minimum.at(self._opened, (labelled.arm, labelled.block), labelled.known)

    def _first_met(self, requests: Events, answered: Bools) -> tuple[int, ...]:
        """Return by arm how many units were never met before; those that the split before routed are met now."""
        missing = int(requests.unit.max(initial=-1)) + 1 - self._met.size
        self._met = np.concatenate([self._met, np.zeros(max(0, missing), dtype=bool)])
        self._met[requests.unit[~answered]] = True
        fresh = requests.where(answered & ~self._met[requests.unit])
        self._met[fresh.unit] = True
        return tuple(np.unique(fresh.unit[fresh.arm == arm]).size for arm in ARMS)


def _closed(events: Events, closes: Floats, until: float) -> tuple[Events, Events]:
    """Return the units of blocks that have closed, and those of blocks still open; what came too late is gone."""
    in_time = events.known <= closes
    return events.where(in_time & (closes <= until)), events.where(in_time & (closes > until))
