"""What a gateway's header says of whom it chose to answer: `:baseline-predictor-v1_1:`."""

import re
from typing import overload

CHOSEN = "/chosen"
"""Behind a route's name: the client said which model it wants, so the request is no evidence of the split's doing."""


def route_value(name: str) -> str:
    """Return what the header says when `name` was chosen."""
    return f":{name}_1:"


@overload
def served_name(route_header: str) -> str: ...
@overload
def served_name(route_header: None) -> None: ...
@overload
def served_name(route_header: str | None) -> str | None: ...
def served_name(route_header: str | None) -> str | None:
    """Return the served name in the header, whatever the number behind it; other text as it is."""
    found = re.fullmatch(r":([^:]+)_\d+:", route_header or "")
    return found[1] if found else route_header
