"""What a client may send, at most; every home's door is held to it."""

MOST_BYTES = 2**20
"""The longest body of a request."""
LONGEST_ID = 1024
"""Characters of a request's `id` in its body; any there are."""
LONGEST_NAME = 300
"""Characters that are kept of what a client writes into a header: its id of the request, and the unit it is about."""
MOST_CONNECTIONS = 512
"""Connections of clients to the gateway at once. With a connection more for its first and its second try the
gateway stays below the 4,096 files that a hard limit allows at least (Envoy goes up to that by itself). Every limit of
Envoy's that could refuse a request for want of room is this one or the next, so whoever was let in is also answered."""
MOST_CALLS = 4
"""Requests at once on one connection of HTTP/2, which gRPC is; a client has the others wait. A model server answers one
after the other anyway."""
MOST_AT_ONCE = MOST_CONNECTIONS * MOST_CALLS
"""Requests that the gateway may have to hold: with a body each 2 GiB, half a gibibyte when all come by HTTP/1.1."""
SECONDS_TO_SEND = 10
"""For so long a client may send its request."""
