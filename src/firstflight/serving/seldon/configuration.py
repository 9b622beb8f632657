"""Which cluster, and as whom."""

import os

from kubernetes import client, config

from firstflight.errors import BackendUnavailableError


def configuration(context: str | None = None) -> client.Configuration:
    """Return how to reach the cluster: of the pod this runs in, else of KUBECONFIG's (or `context` there).

    Raises:
        BackendUnavailableError: No cluster is named, or the kubeconfig cannot be read.
    """
    found = client.Configuration()
    found.retries = False
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]  # the package types none
        else:
            config.load_kube_config(context=context, client_configuration=found)  # type: ignore[no-untyped-call]  # the same
    except (config.ConfigException, OSError) as error:
        raise BackendUnavailableError(
            f"no cluster is named: {error}; set KUBECONFIG, or run inside a pod that has a service account's token"
        ) from error
    return found
