"""The gateway's access log: one JSON object a line, turned into predictions.

Who is charged is what the gateway chose when it routed the request, whatever came back and whoever still listened.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast, get_args

from firstflight.domain.calls import http_code
from firstflight.domain.metrics import JsonValue
from firstflight.domain.route_header import CHOSEN, served_name
from firstflight.observation.records import SERVER_ERROR, Listener, Prediction

LONGEST_TEXT = 300
"""What clients write into headers is cut here: longer ones would not fit the store's indexes."""
LONGEST_ANSWER = 256
"""Bytes of a prediction; who serves sends the digest of a longer one."""
TOLD = "_told"
"""Behind a route's name in `matched`: it was no question for a prediction."""
_MOST = 2**53
_MOST_CODE = 1000
_UNAVAILABLE = 503
_LISTENERS = get_args(Listener)


@dataclass(frozen=True)
class Parsed:
    """Predictions, and how many lines could not be read."""

    predictions: tuple[Prediction, ...]
    skipped: int


def parse(lines: Iterable[bytes]) -> Parsed:
    """Return what the lines say; a bad line is counted, a request that no model was chosen for is passed over.

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
        try:
            if entry is not None and _is_routed(entry):
                predictions.append(_prediction(entry))
        except (KeyError, ValueError, TypeError, OverflowError, OSError):  # the last for a time beyond the system's
            skipped += 1
    return Parsed(tuple(predictions), skipped)


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _is_routed(entry: dict[str, Any]) -> bool:
    """Whether a model was to answer; lines of older gateways do not say, nor do model servers, who were."""
    if "matched" not in entry:
        return entry.get("route") is not None
    matched = entry["matched"]
    if not isinstance(matched, str | None):
        raise TypeError(f"{matched!r} is no route")
    if matched is None or matched.endswith(TOLD):
        return False
    if _whole(entry.get("attempts") or 0) > 0:
        return True
    # Of a call that went nowhere the gateway says UNKNOWN when its client sent too much, or too slowly.
    return _code(entry) >= SERVER_ERROR if entry.get("grpc") is None else _code(entry) == _UNAVAILABLE


def _prediction(entry: dict[str, Any]) -> Prediction:
    key = _text(entry.get("key"))
    rid = said(entry["rid"] if key is None else entry.get("rid")) or key
    asked = _text(entry.get("matched", entry["route"]))
    listener = entry["listener"]
    if rid is None or asked is None or listener not in _LISTENERS:
        raise ValueError("names no request, route or known listener")
    cluster = _text(entry.get("cluster"))
    return Prediction(
        rid=rid,
        key=key,
        listener=listener,
        route=asked.removesuffix(CHOSEN).removesuffix(".experiment"),  # what clients say where a route is one
        chosen=asked.endswith(CHOSEN),
        unit=said(entry.get("unit")),
        assigned=cluster.partition("_")[0] if cluster else served_name(_text(entry.get("assigned"))),
        served=_text(entry.get("served")),
        prediction=_answer(entry.get("pred")),
        code=_code(entry),
        us=None if entry["us"] in {None, "-"} else _whole(entry["us"]),
        at=datetime.fromtimestamp(float(entry["ts"]), UTC),
    )


def _code(entry: dict[str, Any]) -> int:
    """Return the code that was sent; of a call by gRPC, whose code is always 200, what its own status means."""
    code = _whole(entry["code"], _MOST_CODE)
    return code if code == 0 or entry.get("grpc") is None else http_code(_whole(entry["grpc"]))


def _text(value: object) -> str | None:
    """Return the text, None for what Envoy writes when there is none; refuse what the store cannot hold."""
    if value is None or value in {"", "-"}:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\x00" in value:
        raise ValueError(f"{str(value)[:LONGEST_TEXT]!r} is no name")
    value.encode()  # half a surrogate pair is valid JSON and no text
    return value


def said(value: object) -> str | None:
    """Return what a client wrote, as much of it as can be kept: no client decides whether its request counts."""
    if not isinstance(value, str) or value in {"", "-"}:
        return None
    return value[:LONGEST_TEXT].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _answer(value: object) -> JsonValue:
    """Return what was answered, None where it is too long to be kept, or nothing that the store can hold."""
    try:
        answer = json.loads(value) if isinstance(value, str) else value
        text = json.dumps(answer, allow_nan=False, ensure_ascii=False)
        if len(text.encode()) > LONGEST_ANSWER or "\\u0000" in text:
            return None
    except (ValueError, RecursionError):  # half a surrogate pair too
        return None
    return cast("JsonValue", answer)


def _whole(value: object, most: int = _MOST) -> int:
    number = int(value) if isinstance(value, str | int) else -1
    if not 0 <= number < most:
        raise ValueError(f"{value!r} is no count")
    return number
