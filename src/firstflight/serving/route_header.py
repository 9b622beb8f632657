"""The name of the header by which a gateway tells who was chosen; `domain.route_header` reads its value."""

ROUTE_HEADER = "x-seldon-route"
"""Of an answer: who was chosen to give it. Sent back, it chooses the same one again."""
