"""The header by which a gateway tells who was chosen to answer, in Seldon's form: `:baseline-predictor-v1_1:`."""

ROUTE_HEADER = "x-seldon-route"
"""Of an answer: who was chosen to give it. Sent back, it chooses the same one again."""


def route_value(name: str) -> str:
    """Return what the header says when `name` was chosen."""
    return f":{name}_1:"


def served_name(route_header: str | None) -> str | None:
    """Return the served name in the header, whatever the number behind it; None when there is no header."""
    return route_header.strip(":").rpartition("_")[0] if route_header else None
