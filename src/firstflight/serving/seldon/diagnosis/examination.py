"""The examination of a cluster: read it once, diagnose it, and ask it for a prediction."""

from functools import partial

from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.findings import Finding, failed, warned
from firstflight.serving.probe import PROBE_SECONDS, probe
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.counters import Counters
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.placement import AVAILABLE, state
from firstflight.serving.seldon.diagnosis.reading import Reads, read_snapshot
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.mesh import Mesh
from firstflight.serving.seldon.objects import condition, name_of, spec
from firstflight.settings import Settings

_MOST_PROBES = 3


def examine(settings: Settings, api: Reads | None = None) -> tuple[Finding, ...]:
    """Return every finding about the cluster that the environment names, or that `api` reads."""
    try:
        snapshot = read_snapshot(api or open_api(settings), settings.namespace, settings.operator_namespace)
    except BackendUnavailableError as error:
        return (
            failed(
                "api-unreachable",
                "Kubernetes API",
                str(error),
                wanted="an answer to /version",
                fix="set KUBECONFIG to a cluster that is up: `kubectl version` uses the same",
            ),
        )
    return (*diagnose(snapshot), *ghosts(snapshot, settings.mesh_stats_url), *_asked(snapshot, settings.gateway_url))


def routes(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the active Experiments of Models whose split is worth a request."""
    active = (
        name_of(one)
        for one in snapshot.items("experiments")
        if spec(one).get("resourceType") != "pipeline" and condition(one, "ExperimentReady").get("status") == "True"
    )
    return tuple(active)[:_MOST_PROBES]


def ghosts(snapshot: Snapshot, stats_url: str) -> tuple[Finding, ...]:
    """Return one line for each model that the mesh leads to and that the API does not know: nothing can end it."""
    if not snapshot.sees("models"):
        return ()
    try:
        routed = Counters(stats_url, PROBE_SECONDS).models()
    except BackendUnavailableError as error:
        return (
            warned(
                "mesh-uncounted",
                "the mesh's counters",
                str(error),
                wanted="each Envoy's own statistics, by which the guard sees a burst of failures",
                fix="from outside a cluster: a port-forward to mesh-stats, and FIRSTFLIGHT_MESH_STATS_URL",
            ),
        )
    return tuple(
        failed(
            "model-ghost",
            f"Model {name}",
            "the mesh leads to it and it takes memory, but there is no such Model",
            wanted="only models that the API knows: this one was deleted while the scheduler was away",
            fix="apply a Model of that name with any storageUri, and delete it once it says that it failed",
        )
        for name in sorted(routed - set(map(name_of, snapshot.items("models"))))
    )


def _asked(snapshot: Snapshot, url: str) -> tuple[Finding, ...]:
    mesh = Mesh(url, PROBE_SECONDS)
    if asked := routes(snapshot):
        return tuple(probe(url, route, partial(mesh.metadata, route)) for route in asked)
    for model in snapshot.items("models"):
        if state(model)[0] == AVAILABLE:
            name = name_of(model)
            return (probe(url, name, partial(mesh.metadata, name, one_model=True), one_model=True),)
    return (
        warned(
            "inference-nobody",
            "a prediction",
            "no Model is available to be asked for one",
            wanted="an answer through the mesh",
            fix="see the findings about Models",
        ),
    )
