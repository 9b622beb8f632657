"""Envoy's configuration, as pure functions from splits to JSON, and back.

A client sees what Seldon Core v2 shows: the request header `seldon-model` chooses the route, the answer's
`x-seldon-route` names the served model that was chosen, sent back it chooses the same one again, and a
shadow is mirrored through a second listener. https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3

Profiles: `seldon` retries at the same model server, as a cluster does. `safe` tries the chosen server first
and then stable, so that clients do not notice when a candidate dies; `x-seldon-route` still names the one that
was chosen, `x-served-by` the one that answered.

Clusters, by served name (none changes its meaning while it is in use):
    <name>_http          the server, as it is
    <name>_guarded       the same, left alone as soon as it fails (safe; candidates only, never the last resort)
    <name>_or_<stable>   first `<name>_guarded`, at the second try `<stable>_http` (safe)
    …_chosen             the same three for requests whose clients chose the model: what they do is counted apart, and
                         has nobody left alone for others
    mirror               our own second listener
"""
