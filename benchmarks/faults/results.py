"""What the bench writes down, line by line, so that a run that is interrupted can be continued."""

from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Literal

from pydantic import Field, TypeAdapter

from firstflight.domain.values import Value

DEADLINE_SECONDS = 180.0
"""Three times what is promised: what takes longer is given up, and brought home by hand."""


class Point(Value):
    """One kill and how the rollout got over it."""

    kind: Literal["point"] = "point"
    scenario: int
    model: str
    killed: str = Field(description="Who died: `flow process + worker`, `postgres`.")
    crossing: str = Field(description="Where: a transition, or `any instant`.")
    at: float = Field(description="Seconds since 1970.")
    seconds: float | None = Field(description="Until the rollout was right again; None: not within the deadline.")
    back: float | None = Field(default=None, description="Of parts: seconds until they answered again.")
    state: str = Field(description="Where it was then: a phase and stage.")
    load: float = Field(description="Processes that wanted a core then, the last minute's average.")
    data: bool = Field(default=False, description="Whether clients may meet it: the gateway or a model server died.")


class Ended(Value):
    """One rollout, judged when it had ended."""

    kind: Literal["ended"] = "ended"
    scenario: int
    rollout: str
    phase: str
    reasons: tuple[str, ...]
    faults: tuple[str, ...]


class Played(Value):
    """One scenario that is over; `problem` says why it was given up."""

    kind: Literal["played"] = "played"
    scenario: int
    seconds: float
    problem: str = ""


Line = Point | Ended | Played
_lines: TypeAdapter[Line] = TypeAdapter(Line)


class Results:
    """A file of lines; safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alone = Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, line: Line) -> None:
        """Write one line."""
        with self._alone, self._path.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json() + "\n")

    def __iter__(self) -> Iterator[Line]:
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                yield _lines.validate_json(line)
