"""What a client may send, at most; every home's door is held to it."""

MOST_BYTES = 2**20
"""The longest body of a request."""
LONGEST_ID = 1024
"""Characters of a request's `id` in its body; any there are."""
LONGEST_NAME = 300
"""Characters that are kept of what a client writes into a header: its id of the request, and the unit it is about."""
MOST_CONNECTIONS = 256
"""Clients of the gateway at once, each with one request: with an answer's and a second try's connection for each the
gateway stays below the 1,024 files a process may open. Every limit of Envoy's that could refuse a request for want of
room is this one, so whoever was let in is also answered."""
SECONDS_TO_SEND = 10
"""For so long a client may send its request."""
