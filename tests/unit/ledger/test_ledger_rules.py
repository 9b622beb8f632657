"""What may stand in a record."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.domain.errors import LedgerError
from firstflight.ledger.rules import canonical

PLAIN = st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False))


@given(PLAIN)
def test_equal_bodies_are_equal_text(body: dict[str, Any]) -> None:
    """The order in which keys were set does not show, and the text is ASCII that parses to the body."""
    backwards = dict(reversed(body.items()))
    assert canonical(body) == canonical(backwards)
    assert canonical(body).isascii()
    assert body == json.loads(canonical(body))


def test_a_body_that_never_ends_is_refused() -> None:
    """A body that contains itself is refused like any other that is not JSON."""
    body: dict[str, Any] = {}
    body["self"] = body
    with pytest.raises(LedgerError, match="must be JSON"):
        canonical(body)
