"""What a Model loads: the registered folder and its settings, in object storage; code comes with the server's image."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.versions import MLFLOW_FILE, ModelVersion
from firstflight.serving.runtime import PREDICTOR

ARTIFACT = "artifact"
"""The registered folder lies in one of its own, so that its digest is taken of nothing else."""
SETTINGS = "model-settings.json"
_PROBE = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
_CLIENT = Config(connect_timeout=3, read_timeout=30, retries={"max_attempts": 2})


@dataclass(frozen=True)
class Stored:
    """Where rclone finds a model's folder, and the Secret that opens it."""

    uri: str
    secret: str


class Storage:
    """A bucket of an S3 API; boto3's own variables (AWS_…) say where, and with which keys."""

    def __init__(self, bucket: str, remote: str, secret: str) -> None:
        """Keep the names; `remote` is rclone's name of the storage, in the Secret `secret`."""
        self._bucket = bucket
        self._remote = remote
        self._secret = secret

    def put(self, name: str, version: ModelVersion, artifact: Path) -> Stored:
        """Upload all that serves `version` as `name`, and return where it is; what lies there already is left alone.

        The key is taken of the content, so what lies there never changes: Seldon does not look again at a URI. By the
        storage's own digest: one of the same size that is another was changed by somebody, and is written anew.

        Raises:
            BackendUnavailableError: The storage does not answer.
            ServingError: It refuses.
        """
        files = dict(contents(name, version, artifact))
        key = f"models/{version.model}/{name}/{_key(files)}"
        try:
            with closing(boto3.client("s3", config=_CLIENT)) as client:
                pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{key}/")
                present = {one["Key"] for page in pages for one in page.get("Contents", ())}
                # The settings come last: what has them is whole.
                for path, content in sorted(files.items(), key=lambda file: file[0] == SETTINGS):
                    where = {"Bucket": self._bucket, "Key": f"{key}/{path}"}
                    digest = b64encode(hashlib.sha256(content).digest()).decode()
                    if where["Key"] in present:
                        found = client.head_object(**where, ChecksumMode="ENABLED")
                        if found.get("ChecksumSHA256") == digest:
                            continue
                    client.put_object(**where, Body=content, ChecksumAlgorithm="SHA256")
        except ClientError as error:
            code = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            what = BackendUnavailableError if code >= 500 else ServingError  # noqa: PLR2004 HTTP: the server's fault
            raise what(f"{name}: cannot upload to s3://{self._bucket}/{key}: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            raise BackendUnavailableError(
                f"{name}: object storage does not answer for s3://{self._bucket}/{key}: {error}"
            ) from error
        return Stored(uri=f"{self._remote}://{self._bucket}/{key}", secret=self._secret)


def is_there(uri: str, remote: Mapping[str, str]) -> bool:
    """Return whether anything lies at `uri`, asked as rclone would by the parameters of a `remote` of type s3.

    Raises:
        BackendUnavailableError: The storage does not answer.
        ServingError: It refuses.
    """
    bucket, _, key = uri.partition(":")[2].lstrip("/").partition("/")
    try:
        with closing(
            boto3.client(
                "s3",
                config=_PROBE,
                endpoint_url=remote.get("endpoint") or None,
                region_name=remote.get("region") or "us-east-1",
                aws_access_key_id=remote.get("access_key_id"),
                aws_secret_access_key=remote.get("secret_access_key"),
            )
        ) as client:
            return bool(client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("Contents"))
    except ClientError as error:
        raise ServingError(f"the storage refuses a list of {uri}: {error}") from error
    except (BotoCoreError, Boto3Error, ValueError) as error:  # a ValueError is an endpoint that is none
        raise BackendUnavailableError(f"the storage of {uri} gives no answer: {error}") from error


def contents(name: str, version: ModelVersion, artifact: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a Model's folder with their paths in it."""
    for path in sorted(path for path in artifact.rglob("*") if path.is_file()):
        yield f"{ARTIFACT}/{path.relative_to(artifact).as_posix()}", path.read_bytes()
    yield SETTINGS, json.dumps(_settings(name, version, artifact), indent=1, sort_keys=True).encode()


def _settings(name: str, version: ModelVersion, artifact: Path) -> dict[str, Any]:
    """Return MLServer's settings; Seldon's agent rewrites them and keeps little besides these.

    An MLflow model may run code when it is loaded, so its server is told which digest it must have.
    """
    apart = {"digest": version.digest, "variant": version.variant} if (artifact / MLFLOW_FILE).is_file() else {}
    return {
        "name": name,
        "implementation": PREDICTOR,
        "platform": "mlflow" if apart else "onnx",
        "parameters": {
            "uri": f"./{ARTIFACT}",
            "version": str(version.number),
            # A name of its own is a shadow's: nobody gets its answers, and its records must say so.
            "extra": {
                "served_name": name,
                "listener": "main" if name == version.served_name else "mirror",
                **apart,
            },
        },
    }


def _key(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for path, content in sorted(files.items()):
        whole.update(hashlib.sha256(content).hexdigest().encode() + b"  " + path.encode() + b"\n")
    return whole.hexdigest()
