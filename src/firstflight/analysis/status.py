"""What a statistic says when it has no number to give: every edge case has a name."""

from enum import StrEnum


class Status(StrEnum):
    """Whether a result holds numbers, and if not, why."""

    OK = "ok"
    NO_DATA = "no_data"  # nothing was observed
    INSUFFICIENT_DATA = "insufficient_data"  # too few observations to know how far off the estimate may be
    ZERO_VARIANCE = "zero_variance"  # every observation was the same, so the error of the estimate is unknown
    NOT_APPLICABLE = "not_applicable"  # the question has no answer for these data, e.g. a ratio to zero
    NOT_FINITE = "not_finite"  # an input or a result exceeds what a number can hold
