"""Make the Secrets of the local overlay, with passwords nobody has seen: `python -m deployments.local_secrets`.

Prints them for `kubectl apply -f -`; nothing is written to disk. In staging and production they come from elsewhere
(k8s/examples/external-secrets.yaml). Applied again over a database that exists they would lock everybody out of it:
docs/operations.md says how to rotate.
"""

import json
import secrets
from typing import Any

from firstflight.ledger.checkpoint import Signer

NAMESPACE = "firstflight"
BUCKET = "firstflight"
BUCKET_ENDPOINT = "http://seaweedfs:8333"


def local_secrets() -> list[dict[str, Any]]:
    """Return the Secrets, each call with other values."""
    password = {name: secrets.token_urlsafe(24) for name in ("password", "owner", "firstflight", "prefect", "mlflow")}
    writer, reader = ((secrets.token_hex(8), secrets.token_urlsafe(24)) for _ in range(2))
    server = "postgresql:5432"
    storage = {
        "type": "s3",
        "name": "s3",
        "parameters": {
            "provider": "Other",
            "env_auth": "false",
            "access_key_id": reader[0],
            "secret_access_key": reader[1],
            "endpoint": BUCKET_ENDPOINT,
        },
    }
    return [
        _secret("postgresql", password),
        _secret(
            "firstflight-database",
            {
                "url": f"postgresql://firstflight:{password['firstflight']}@{server}",
                "owner-url": f"postgresql://firstflight_owner:{password['owner']}@{server}/firstflight",
                "prefect-url": f"postgresql+asyncpg://prefect:{password['prefect']}@{server}/prefect",
                "mlflow-url": f"postgresql+psycopg://mlflow:{password['mlflow']}@{server}/mlflow",
            },
        ),
        _secret("prefect-auth", {"auth-string": f"firstflight:{secrets.token_urlsafe(24)}"}),
        _secret(
            "seaweedfs",
            {
                "s3.json": json.dumps(
                    {
                        "identities": [
                            _identity("firstflight", writer, "Read", "List", "Write"),
                            _identity("rclone", reader, "Read", "List"),
                        ]
                    }
                )
            },
        ),
        _secret(
            "object-storage",
            {"access-key-id": writer[0], "secret-access-key": writer[1], "endpoint": BUCKET_ENDPOINT},
        ),
        _secret("model-storage", {"s3": json.dumps(storage)}),
        _secret("firstflight-ledger", {"key": Signer.new().secret()}),
    ]


def _identity(name: str, key: tuple[str, str], *actions: str) -> dict[str, Any]:
    """Return who may do what in the bucket, as SeaweedFS reads it."""
    return {
        "name": name,
        "credentials": [{"accessKey": key[0], "secretKey": key[1]}],
        "actions": [f"{action}:{BUCKET}" for action in actions],
    }


def _secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "firstflight"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": values}


if __name__ == "__main__":
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": local_secrets()}))
