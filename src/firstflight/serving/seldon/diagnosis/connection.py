"""The cluster that the environment names, to be read from and nothing else."""

import json
import os
from typing import Any

import urllib3
from kubernetes import client, config

from firstflight.errors import BackendUnavailableError
from firstflight.serving.seldon.diagnosis.reading import Answer

_ANSWER_SECONDS = (3.0, 10.0)
_AT_ONCE = 8


class Cluster:
    """A Kubernetes API: inside a pod the one around it, elsewhere that of KUBECONFIG or ~/.kube/config."""

    def __init__(self, configuration: client.Configuration) -> None:
        """Keep where it is; nothing is asked yet."""
        configuration.retries = False
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


def open_cluster() -> Cluster:
    """Open the cluster that the environment names.

    Raises:
        BackendUnavailableError: It names none, or its kubeconfig cannot be read.
    """
    configuration = client.Configuration()
    files = os.environ.get("KUBECONFIG")  # the package reads the variable once, when it is imported
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and files is None:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # untyped
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]  # untyped
                config_file=files, client_configuration=configuration, persist_config=False
            )
    except (config.ConfigException, OSError) as error:
        raise BackendUnavailableError(
            f"no cluster is named: {error}; set KUBECONFIG, or run inside a pod that has a service account's token"
        ) from error
    return Cluster(configuration)
