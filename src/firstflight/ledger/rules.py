"""What every store asks of a record: its spelling, its texts, its place behind the last one."""

import json
from typing import Any

from firstflight.domain.errors import HeadMovedError, LedgerError


def canonical(body: dict[str, Any]) -> str:
    """Return `body` as JSON: keys sorted, no blanks, ASCII only, so that equal bodies are equal text.

    Raises:
        LedgerError: The body would not come back as it went in (a tuple, a date, NaN, a key that is no string).
    """
    try:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise LedgerError(f"a record's body must be JSON: {error}") from error
    if json.loads(text) != body:
        raise LedgerError(f"a record's body must come back from JSON as it went in; {text[:200]} does not")
    return text


def check_text(**texts: str) -> None:
    """Refuse texts that a database cannot hold.

    Raises:
        LedgerError: A text is empty, holds a NUL or half of a surrogate pair.
    """
    for name, text in texts.items():
        if not text or "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise LedgerError(f"{name} {text!r} of a record must be text, not empty, without NUL or lone surrogates")


def head_moved(stream: str, expect: int, head: int) -> HeadMovedError:
    """The error that names both heads."""
    return HeadMovedError(
        f"stream {stream} ends at record {head}, the writer expected {expect}: somebody else appended; read it again"
    )
