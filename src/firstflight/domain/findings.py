"""What an examination found, one line each: the same value on every home."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from pydantic import model_validator

from firstflight.domain.values import Value

RUNBOOK = "docs/runbooks/doctor.md"


class Status(StrEnum):
    """What a finding means."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    """As wanted."""
    WARN = "warn"
    """Works, or cannot be told; somebody should look."""
    FAIL = "fail"
    """Something does not work, or will not."""


class Finding(Value):
    """One line of an examination.

    Attributes:
        id: The kind of finding, an anchor of the runbook: equal causes have equal ids, whatever they were found on.
        subject: What was looked at, for people: `Model baseline-predictor-v3`.
        status: Whether it is as wanted.
        found: What was seen.
        wanted: What should have been seen; said unless all is well.
        fix: What to do about it; said unless all is well.
    """

    id: str
    subject: str
    status: Status
    found: str
    wanted: str = ""
    fix: str = ""

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if self.status is not Status.PASS and not (self.wanted and self.fix):
            raise ValueError(f"finding {self.id!r} on {self.subject!r} says neither what was wanted nor what to do")
        return self

    @property
    def runbook(self) -> str | None:
        """Where more is written about it; None when there is nothing to do."""
        return f"{RUNBOOK}#{self.id}" if self.status is not Status.PASS else None


class Report(Value):
    """One examination: `home` is what was examined, for people; it took `seconds`."""

    home: str
    findings: tuple[Finding, ...]
    seconds: float

    def count(self, status: Status) -> int:
        """Return how many findings have this status."""
        return sum(finding.status is status for finding in self.findings)

    @property
    def failed(self) -> bool:
        """Whether something does not work."""
        return self.count(Status.FAIL) > 0


def passed(kind: str, subject: str, found: str) -> Finding:
    """Return a finding that is as wanted."""
    return Finding(id=kind, subject=subject, status=Status.PASS, found=found)


def warned(kind: str, subject: str, found: str, *, wanted: str, fix: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(id=kind, subject=subject, status=Status.WARN, found=found, wanted=wanted, fix=fix)


def failed(kind: str, subject: str, found: str, *, wanted: str, fix: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(id=kind, subject=subject, status=Status.FAIL, found=found, wanted=wanted, fix=fix)


def named(names: Sequence[str], most: int = 5) -> str:
    """Return the names as people read them: the first ones, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
