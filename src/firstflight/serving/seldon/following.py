"""Objects of the API, followed until they are as they should be."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from firstflight.serving.seldon.api import Api, Outdated
from firstflight.serving.seldon.objects import Object, name_of

_WATCH_SECONDS = 10
"""Longest watch: a connection that died without a word costs no more."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to look."""

    model: float = 300.0
    split: float = 60.0
    home: float = 15.0
    """Of one attempt; whoever brings traffic home tries again."""
    events: float = 2.0
    """Until requests are asked, whatever Seldon has said."""
    nudge: float = 8.0
    """Until a split that requests do not show is written anew, as another generation."""
    answer: float = 5.0
    poll: float = 0.5


class Following:
    """Waits by watching, within a patience."""

    def __init__(self, api: Api, patience: Patience) -> None:
        """Keep what is asked, and for how long."""
        self._api = api
        self._patience = patience

    def goes(self, plural: str, ending: Object) -> bool:
        """Wait for the object's end, and say whether it came: there is none of its name, or another."""
        uid = ending["metadata"].get("uid")
        return any(
            latest is None or latest["metadata"].get("uid") != uid
            for latest in self.follow(plural, name_of(ending), ending, self._patience.split)
        )

    def until_none(self, fault: Callable[[], str | None], seconds: float) -> str | None:
        """Return None once there is no fault, else the last one at the deadline."""
        deadline = time.monotonic() + seconds
        while (found := fault()) is not None:
            if time.monotonic() > deadline:
                return found
            time.sleep(self._patience.poll)
        return None

    def follow(self, plural: str, name: str, begin: Object, seconds: float) -> Iterator[Object | None]:
        """Yield the object now, after each change, and at the end of the time; None when there is none.

        A watch that breaks, or that asks for what the API has forgotten, is begun anew from what is there then.
        """
        deadline = time.monotonic() + seconds
        latest: Object | None = begin
        yield begin
        while latest is not None and (left := deadline - time.monotonic()) > 0:
            version = latest["metadata"]["resourceVersion"]
            with suppress(Outdated):
                for latest in self._api.watch(plural, name, version, math.ceil(min(left, _WATCH_SECONDS))):
                    yield latest
            time.sleep(self._patience.poll)
            latest = self._api.get(plural, name)
            yield latest
