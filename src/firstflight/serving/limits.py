"""What a client may send, at most; every home's door is held to it."""

MOST_BYTES = 2**20
"""The longest body of a request."""
LONGEST_ID = 1024
"""Characters of a request's `id` in its body; any there are."""
LONGEST_NAME = 300
"""Characters that are kept of what a client writes into a header: its id of the request, and the unit it is about."""
