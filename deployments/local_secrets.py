"""Make the Secrets of the local overlay, with passwords nobody has seen: `python -m deployments.local_secrets`.

Prints them for `kubectl apply -f -`; nothing is written to disk. In staging and production they come from elsewhere
(k8s/examples/external-secrets.yaml). Applied again over a database that exists they would lock everybody out of it:
docs/operations.md says how to rotate.
"""

import json
import secrets
from typing import Any

NAMESPACE = "firstflight"
BUCKET_ENDPOINT = "http://minio:9000"


def local_secrets() -> list[dict[str, Any]]:
    """Return the Secrets, each call with other values."""
    database, user, key = secrets.token_urlsafe(24), secrets.token_hex(8), secrets.token_urlsafe(24)
    server = f"firstflight:{database}@postgresql:5432"
    storage = {
        "type": "s3",
        "name": "s3",
        "parameters": {
            "provider": "Minio",
            "env_auth": "false",
            "access_key_id": user,
            "secret_access_key": key,
            "endpoint": BUCKET_ENDPOINT,
        },
    }
    return [
        _secret("postgresql", {"password": database}),
        _secret(
            "firstflight-database",
            {
                "url": f"postgresql://{server}",
                "prefect-url": f"postgresql+asyncpg://{server}/prefect",
                "mlflow-url": f"postgresql+psycopg://{server}/mlflow",
            },
        ),
        _secret("prefect-auth", {"auth-string": f"firstflight:{secrets.token_urlsafe(24)}"}),
        _secret("object-storage", {"access-key-id": user, "secret-access-key": key, "endpoint": BUCKET_ENDPOINT}),
        _secret("model-storage", {"s3": json.dumps(storage)}),
    ]


def _secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "firstflight"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": values}


if __name__ == "__main__":
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": local_secrets()}))
