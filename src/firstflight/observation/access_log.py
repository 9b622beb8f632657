"""The gateway's access log: one JSON object a line, turned into predictions."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from firstflight.domain.route_header import served_name
from firstflight.observation.records import Listener, Prediction

LONGEST_TEXT = 300
"""Names come from request headers: what is longer than any honest one would not fit the store's indexes."""
_MOST = 2**53
_LISTENERS = get_args(Listener)


@dataclass(frozen=True)
class Parsed:
    """Predictions, and how many lines could not be read."""

    predictions: tuple[Prediction, ...]
    skipped: int


def parse(lines: Iterable[bytes]) -> Parsed:
    """Return what the lines say; a bad line is counted, a request that asked for no model is passed over.

    A gateway that was killed leaves half a line and its successor writes behind it: the whole record after the
    half is kept, the half is counted.
    """
    predictions = []
    skipped = 0
    for line in lines:
        entry = _entry(line)
        if entry is None:
            skipped += 1
            entry = _entry(line[line.rfind(b"{") :]) if line.rfind(b"{") > 0 else None
        if entry is None or entry.get("route") is None:
            continue
        try:
            predictions.append(_prediction(entry))
        except (KeyError, ValueError, TypeError, OverflowError):
            skipped += 1
    return Parsed(tuple(predictions), skipped)


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _prediction(entry: dict[str, Any]) -> Prediction:
    rid, asked = _text(entry["rid"]), _text(entry["route"])
    listener = entry["listener"]
    if rid is None or asked is None or listener not in _LISTENERS:
        raise ValueError("names no request, route or known listener")
    return Prediction(
        rid=rid,
        listener=listener,
        route=asked.removesuffix(".experiment"),  # what clients say where a route is an experiment
        unit=_text(entry.get("unit")),
        assigned=served_name(_text(entry.get("assigned"))),
        served=_text(entry.get("served")),
        prediction=_probability(entry.get("pred")),
        code=_whole(entry["code"]),
        us=None if entry["us"] in {None, "-"} else _whole(entry["us"]),
        at=datetime.fromtimestamp(float(entry["ts"]), UTC),
    )


def _text(value: object) -> str | None:
    """Return the text, None for what Envoy writes when there is none; refuse what the store cannot hold."""
    if value is None or value in {"", "-"}:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\x00" in value:
        raise ValueError(f"{str(value)[:LONGEST_TEXT]!r} is no name")
    value.encode()  # half a surrogate pair is valid JSON and no text
    return value


def _probability(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int:
    number = int(value) if isinstance(value, str | int) else -1
    if not 0 <= number < _MOST:
        raise ValueError(f"{value!r} is no count")
    return number
