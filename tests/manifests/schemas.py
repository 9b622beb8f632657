"""Strict schemas of what neither Kubernetes nor our client of Seldon has types for: the fields we write, and no others.

Written by hand from the APIs' documentation; a real API server checks them with its own (`tests/cluster`).
"""

from typing import Any

Schema = dict[str, Any]


def fields(required: str = "", **properties: Schema) -> Schema:
    """Return an object with these fields and no others; `required` names some of them."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def listed(items: Schema) -> Schema:
    """Return a list that is not empty."""
    return {"type": "array", "items": items, "minItems": 1}


TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
SELECTOR = fields("matchLabels", matchLabels=TEXTS)

RUNTIME_CONFIG = fields(
    serviceConfig=fields(serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}),
    tracingConfig=fields(disable={"type": "boolean"}),
    kafkaConfig=fields(**{"bootstrap.servers": TEXT}, topics=fields(numPartitions={"type": "integer"})),
    scalingConfig=fields(pipelines=fields(maxShardCountMultiplier={"type": "integer"})),
)
"""`config` of a SeldonRuntime, which no release writes, so that the client has no type for it."""

MONITORING: dict[str, Schema] = {
    "PodMonitor": fields(
        "selector podMetricsEndpoints",
        selector=SELECTOR,
        podMetricsEndpoints=listed(fields("port path interval", port=TEXT, path=TEXT, interval=TEXT)),
    ),
    "PrometheusRule": fields(
        "groups",
        groups=listed(
            fields(
                "name rules",
                name=TEXT,
                rules=listed(
                    {
                        **fields("alert expr labels annotations", alert=TEXT, expr=TEXT, labels=TEXTS),
                        "properties": {"alert": TEXT, "expr": TEXT, "for": TEXT, "labels": TEXTS, "annotations": TEXTS},
                    }
                ),
            )
        ),
    ),
}
