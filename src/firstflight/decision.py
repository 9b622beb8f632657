"""The one place where evidence becomes a verdict."""

from enum import StrEnum

from firstflight.values import Value


class Verdict(StrEnum):
    """What a check concludes."""

    CONTINUE = "CONTINUE"  # not enough is known yet; look again
    PROMOTE = "PROMOTE"  # certainly not worse: go to the next stage
    ROLL_BACK = "ROLL_BACK"  # harm is certain
    INCONCLUSIVE = "INCONCLUSIVE"  # time is up, or the data cannot answer


class Decision(Value):
    """A verdict and why; the reasons are whole sentences with value, interval, limit and sample."""

    verdict: Verdict
    reasons: tuple[str, ...]
