"""Which cluster, and as whom."""

import os

from kubernetes import client, config

from firstflight.domain.errors import BackendUnavailableError
from firstflight.serving.seldon.api import Api
from firstflight.settings import Cluster


def configuration(context: str | None = None) -> client.Configuration:
    """Return how to reach the cluster: of the pod this runs in, else of KUBECONFIG's (or `context` there).

    Raises:
        BackendUnavailableError: No cluster is named, or the kubeconfig cannot be read.
    """
    found = client.Configuration()
    found.retries = False
    files = os.environ.get("KUBECONFIG")  # the package reads the variable once, when it is imported
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and files is None:
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]  # the package types none
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]  # the same
                config_file=files, context=context, client_configuration=found, persist_config=False
            )
    except (config.ConfigException, OSError) as error:
        raise BackendUnavailableError(
            f"no cluster is named: {error}; set KUBECONFIG, or run inside a pod that has a service account's token"
        ) from error
    return found


def open_api(settings: Cluster) -> Api:
    """Return the API of the namespace and cluster that `settings` and the environment name; nothing is asked yet.

    Raises:
        BackendUnavailableError: No cluster is named.
    """
    return Api(configuration(settings.kube_context), settings.namespace)
