"""Numbers and times as a person reads them."""

import math
from datetime import datetime

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def number(value: float | None) -> str:
    """Return `value` with three significant digits and grouped thousands; a dash for None."""
    if value is None:
        return "\N{EN DASH}"
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-6 or size >= 1e12:  # noqa: PLR2004 - where plain digits stop being readable
        return f"{value:.2e}".replace("-", "\N{MINUS SIGN}")
    digits = max(0, 2 - math.floor(math.log10(size)))
    text = f"{value:,.{digits}f}"
    if digits:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}")


def signed(value: float | None) -> str:
    """Return `value` as `number` does, with its sign even when it is positive."""
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def p_value(value: float | None) -> str:
    """Return a p-value; below 0.0001 it is only said to be so."""
    return "< 0.0001" if value is not None and value < 1e-4 else number(value)  # noqa: PLR2004 - as the text says


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: `8.4 s`, `1 min 14 s`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < _MINUTE:
        return f"{number(round(seconds, 1))} s"
    whole = round(seconds)
    for size, name, below, below_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {name}" + (f" {rest} {below_name}" if rest else "")
    return f"{whole} s"


def clock(at: datetime) -> str:
    """Return the time of day to the second."""
    return f"{at:%H:%M:%S}"


def day(at: datetime) -> str:
    """Return the day, e.g. `1 March 2026`."""
    return f"{at.day} {at:%B %Y}"
