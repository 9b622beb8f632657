"""What is recorded: one answered request, one truth, and the two joined."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from firstflight.domain.metrics import JsonValue
from firstflight.domain.questions import Question

Listener = Literal["main", "mirror"]

CLIENT_ERROR, SERVER_ERROR = 400, 500
_ANSWERED = 200
BLOCK_SECONDS = 2.0
"""A block is closed this long after the first truth about one of its units; what arrives later is left out of it."""


def unit_of(asked: str) -> str:
    """Return the unit a request is about: `AAPL@2019-01-02` of `AAPL@2019-01-02~3`.

    The pass is part of the header by which the gateway keeps a unit at one model, so that each pass is
    divided anew: the share of requests then varies as the split's own chance says, pass after pass.
    """
    return asked.partition("~")[0]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One request as the gateway saw it.

    `rid` is the client's name for it, by which its truth comes; two requests may bear the same. `key` is the gateway's
    own, by which it is counted; None in old records, where `rid` is it. `chosen` says that the client itself said
    which model is to answer: such a request is evidence of nothing.
    `assigned` is the served model the gateway chose, `served` the one whose answer was sent.
    `prediction` is what was answered: any JSON value, None where there was no answer.
    `unit` is what it asked about, `~n` behind it says that this is the n-th pass over the units.
    `us` is what the client waited, in microseconds, once it had sent everything; None when it did not
    wait for the end. `code` 0 says that no response was sent. In a cluster the model server takes the
    record: `us` is then what it took itself, and there is none of a request that failed.
    """

    rid: str
    listener: Listener
    route: str
    unit: str | None
    assigned: str | None
    served: str | None
    prediction: JsonValue
    code: int
    us: int | None
    at: datetime
    key: str | None = None
    chosen: bool = False

    @property
    def failed(self) -> bool:
        """Whether the assigned model failed, even where the gateway masked it by asking another one."""
        if self.code >= SERVER_ERROR or self.code < _ANSWERED:
            return True
        return self.listener == "main" and self.assigned is not None and self.assigned != self.served

    @property
    def refused(self) -> bool:
        """Whether it was the client's mistake (4xx), by what the model says: neither a success nor a failure."""
        return CLIENT_ERROR <= self.code < SERVER_ERROR and not self.failed

    @property
    def counted_as(self) -> str:
        """What names this request among all: `key`, or `rid` where there is none."""
        return self.key or self.rid

    @property
    def arm(self) -> str | None:
        """The served model this request counts for: on the mirror no other can step in, so who served was meant."""
        if self.chosen:
            return None
        return self.assigned if self.listener == "main" else self.served or self.assigned


@dataclass(frozen=True, slots=True)
class Outcome:
    """What turned out to be true for the request `rid`; unit, block, truth and payoff as in `Question`.

    The truth is any JSON value but null; the payoff None where nobody told it. Without `rid` it holds for every request
    to `route` about `unit`. A request whose unit nobody names is one of its own; so is a unit its own block.
    """

    rid: str | None
    unit: str | None
    block: str | None
    truth: JsonValue
    payoff: float | None
    observed_at: datetime | None
    route: str | None = None

    @property
    def row(self) -> dict[str, JsonValue]:
        """It as `tell_outcomes` takes it."""
        told: dict[str, JsonValue] = {
            "request": self.rid,
            "model": self.route,
            "unit": self.unit,
            "block": self.block,
            "payoff": self.payoff,
            "time": self.observed_at.isoformat() if self.observed_at else None,
        }
        return {name: value for name, value in told.items() if value is not None} | {"truth": self.truth}

    @classmethod
    def of(cls, rid: str, question: Question, observed_at: datetime) -> Self:
        """Return what `question`, asked as request `rid`, turned out to be."""
        return cls(rid, question.unit, question.block, question.truth, question.payoff, observed_at)


@dataclass(frozen=True, slots=True)
class Scored:
    """The first answer of a served model about a unit whose truth is known; what it is worth, a workload says.

    `at` is when both were known, `answered_at` when the answer was.
    """

    route: str
    served: str
    unit: str
    block: str
    prediction: JsonValue
    truth: JsonValue
    payoff: float | None
    answered_at: datetime
    at: datetime
