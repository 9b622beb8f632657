"""Numbers, units and lengths of time as a person reads them: the one place that turns figures into text."""

import functools
import math
import re
from typing import Literal

Unit = Literal["share", "ms", ""]
UNKNOWN = "\N{EN DASH}"
_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_MOST_ODDS = 1e6
_HIDDEN = "\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
_CONTROLS = re.compile(f"[{_HIDDEN}\ud800-\udfff]")


def visible(text: str, *, lines: bool = False) -> str:
    """Return `text` with each control character written out: none moves a cursor, colours or hides words.

    Line breaks too, so that nobody's words look like the next line, unless the text is of `lines`.
    """
    kept = "\n\t" if lines else ""
    return _CONTROLS.sub(lambda found: found[0] if found[0] in kept else ascii(found[0])[1:-1], text)


def number(value: float | None) -> str:
    """Return `value` with three significant digits and grouped thousands; a dash for None."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-6 or size >= 1e12:  # noqa: PLR2004 - where plain digits stop being readable
        return f"{value:.2e}".replace("-", "\N{MINUS SIGN}")
    digits = 2 - math.floor(math.log10(size))
    text = f"{size:,.{digits}f}".rstrip("0").rstrip(".") if digits > 0 else f"{size:,.0f}"
    return text if value > 0 else f"\N{MINUS SIGN}{text}"


def signed(value: float | None) -> str:
    """Return `value` as `number` does, with its sign even when it is positive."""
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def scaled(value: float, unit: Unit) -> float:
    """Return `value` on the scale on which people read it: a share as percent."""
    return 100.0 * value if unit == "share" else value


def quantity(value: float | None, unit: Unit) -> str:
    """Return a metric's value with its unit: a share of 0.0125 is `1.25 %`."""
    if value is None:
        return UNKNOWN
    return f"{number(scaled(value, unit))} {'%' if unit == 'share' else unit}".strip()


def gap(value: float | None, unit: Unit, *, sign: bool = False) -> str:
    """Return the distance of two values: between shares in points, with its sign when asked for."""
    if value is None:
        return UNKNOWN
    shown = (signed if sign else number)(scaled(value, unit))
    return f"{shown} {'points' if unit == 'share' else unit}".strip()


def span(low: str | None, high: str | None) -> str:
    """Return an interval between two ends as they read; None where the data do not bound it."""
    if low is None and high is None:
        return "not bounded yet"
    if low is None or high is None:
        return f"above {low}" if low is not None else f"up to {high}"
    number_of, _, unit = low.rpartition(" ")
    return f"{number_of if unit and high.endswith(f' {unit}') else low} to {high}"


def odds(log_e: float) -> str:
    """Return evidence, the natural logarithm of an e-value, as odds; beyond a million nobody counts."""
    return "over a million to 1" if log_e > math.log(_MOST_ODDS) else f"{number(math.exp(log_e))} to 1"


@functools.lru_cache(maxsize=256)
def metric_name(metric: str, quantile: float | None = None) -> str:
    """Return a metric as people call it: `p95 latency`, `error rate`."""
    name = metric.replace("_", " ")
    return name if quantile is None else f"p{100 * quantile:g} {name}"


def p_words(value: float) -> str:
    """Return a p-value, `p = 0.0412`; below 0.0001 it is only said to be so."""
    return "p < 0.0001" if value < 1e-4 else f"p = {number(value)}"  # noqa: PLR2004 - as the text says


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
