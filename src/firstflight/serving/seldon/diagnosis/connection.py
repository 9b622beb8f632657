"""A cluster to be read from and nothing else: any path, any kind, whatever the answer."""

import json
from typing import Any

import urllib3
from kubernetes import client

from firstflight.domain.errors import BackendUnavailableError
from firstflight.serving.seldon.diagnosis.reading import Answer

_ANSWER_SECONDS = (3.0, 10.0)
_AT_ONCE = 8


class Cluster:
    """The Kubernetes API that `configuration` leads to; it may be asked from several threads."""

    def __init__(self, configuration: client.Configuration) -> None:
        """Keep where it is; nothing is asked yet."""
        configuration.connection_pool_maxsize = _AT_ONCE
        self._configuration = configuration
        self._client = client.ApiClient(configuration)

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return str(self._configuration.host)

    def get(self, path: str) -> Answer:
        """GET the path. Raises BackendUnavailableError when there is no answer."""
        try:
            response: Any = self._client.call_api(
                "GET", self.address + path, self._headers(), None, None, _ANSWER_SECONDS
            )
            body = response.read()
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise BackendUnavailableError(f"the Kubernetes API at {self.address} does not answer: {error}") from error
        try:
            return Answer(int(response.status), json.loads(body))
        except ValueError:
            return Answer(int(response.status), body.decode(errors="replace")[:300])

    def _headers(self) -> dict[str, str]:
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Accept": "application/json", **({"Authorization": token} if token else {})}
