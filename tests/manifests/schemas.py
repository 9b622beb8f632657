"""Strict schemas of the kinds that are not Kubernetes's own: the fields we write, and no others.

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
WHOLE: Schema = {"type": "integer", "minimum": 0}
YES_NO: Schema = {"type": "boolean"}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
TEXTS: Schema = {"type": "object", "additionalProperties": TEXT}
POD: Schema = {"type": "object"}  # checked as a Pod of Kubernetes, strictly
SELECTOR = fields("matchLabels", matchLabels=TEXTS)
SERVICE_TYPE: Schema = {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}

SELDON: dict[str, Schema] = {
    "Model": fields(
        "storageUri",
        storageUri={"type": "string", "pattern": "^s3://"},
        secretName=NAME,
        requirements=listed(TEXT),
        memory={"type": "string", "pattern": "^[0-9]+(Mi|Gi)$"},
        replicas=WHOLE,
        minReplicas=WHOLE,
        maxReplicas=WHOLE,
    ),
    "Experiment": fields(
        "candidates",
        default=NAME,
        candidates=listed(fields("name weight", name=NAME, weight=WHOLE)),
        mirror=fields("name percent", name=NAME, percent={"type": "integer", "minimum": 0, "maximum": 100}),
        resourceType={"enum": ["model", "pipeline"]},
    ),
    "Pipeline": fields(
        "steps",
        steps=listed(
            fields(
                "name",
                name=NAME,
                inputs=listed(TEXT),
                inputsJoinType={"enum": ["inner", "outer", "any"]},
                triggers=listed(TEXT),
                triggersJoinType={"enum": ["inner", "outer", "any"]},
                tensorMap=TEXTS,
            )
        ),
        output=fields("steps", steps=listed(TEXT), stepsJoin={"enum": ["inner", "outer", "any"]}),
    ),
    "Server": fields(
        "serverConfig",
        serverConfig=NAME,
        replicas=WHOLE,
        minReplicas=WHOLE,
        maxReplicas=WHOLE,
        capabilities=listed(TEXT),
        podSpec=POD,
    ),
    "SeldonRuntime": fields(
        "seldonConfig",
        seldonConfig=NAME,
        overrides=listed(
            fields("name", name=NAME, disable=YES_NO, replicas=WHOLE, serviceType=SERVICE_TYPE, podSpec=POD)
        ),
        config=fields(
            serviceConfig=fields(serviceType=SERVICE_TYPE, grpcServicePrefix=TEXT),
            tracingConfig=fields(disable=YES_NO),
            kafkaConfig=fields(**{"bootstrap.servers": TEXT}),
        ),
    ),
}

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

SCHEMAS = {
    **{("mlops.seldon.io/v1alpha1", kind): spec for kind, spec in SELDON.items()},
    **{("monitoring.coreos.com/v1", kind): spec for kind, spec in MONITORING.items()},
}
