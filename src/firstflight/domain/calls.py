"""What became of a call by gRPC, as HTTP says it: to a gateway a failed call is an answer of code 200.

https://grpc.io/docs/guides/status-codes/
"""

OK = 0
_REFUSED = {3: 400, 5: 404, 6: 409, 7: 403, 9: 422, 11: 400, 16: 401}
_FAILED = {4: 504, 12: 501, 14: 503}


def http_code(status: int) -> int:
    """Return the HTTP code for gRPC's `status`: 4xx where the client is to blame, 5xx for all other failures."""
    return 200 if status == OK else _REFUSED.get(status) or _FAILED.get(status, 500)
