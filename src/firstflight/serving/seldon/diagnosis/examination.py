"""The examination of a cluster: read it once, diagnose it, and ask it for a prediction."""

from collections.abc import Mapping
from functools import partial
from itertools import islice

from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.findings import Finding, failed, warned
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.probe import PROBE_SECONDS, is_judged, probe, unasked
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.counters import Counters
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.experiments import members, only_says_inactive
from firstflight.serving.seldon.diagnosis.placement import AVAILABLE, state
from firstflight.serving.seldon.diagnosis.reading import Reads, read_snapshot
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.diagnosis.stored import stored_findings
from firstflight.serving.seldon.experiments import readable
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
    if not snapshot.exists:
        return diagnose(snapshot)
    stored = stored_findings(snapshot)
    explained = {one.subject for one in stored}
    return (
        *(one for one in diagnose(snapshot) if one.id != "model-artifact" or one.subject not in explained),
        *stored,
        *scheduler_finding(settings.mesh_stats_url),
        *ghosts(snapshot, settings.mesh_stats_url),
        *lagging(snapshot, settings.gateway_url),
        *predictions(snapshot, settings.gateway_url),
    )


def routes(snapshot: Snapshot) -> Mapping[str, TrafficSplit]:
    """Return the splits of the active Experiments of Models, as many as are asked."""
    active = {
        name_of(one): readable(one)
        for one in snapshot.items("experiments")
        if spec(one).get("resourceType") != "pipeline" and condition(one, "ExperimentReady").get("status") == "True"
    }
    return dict(islice(((route, split) for route, split in active.items() if split), _MOST_PROBES))


def scheduler_finding(stats_url: str) -> tuple[Finding, ...]:
    """Return the line that the scheduler is gone, by the word of the Envoys that it should lead: pods say ready."""
    try:
        lost, all_of_them = Counters(stats_url, PROBE_SECONDS).without_scheduler()
    except BackendUnavailableError:
        return ()  # another line says so
    if not lost:
        return ()
    return (
        failed(
            "scheduler-lost",
            "seldon-scheduler",
            f"{lost} of {all_of_them} Envoys are not connected to it, whatever its pod says",
            wanted="each Envoy led by seldon-scheduler:9002: no model, split or way home comes into force without",
            fix="kubectl logs seldon-scheduler-0, and delete that pod: what is written comes into force once it is"
            " back; requests go on by the routes that Envoy knows",
        ),
    )


def lagging(snapshot: Snapshot, url: str) -> tuple[Finding, ...]:
    """Return one line for each Experiment whose status alone says that it is not active: requests decide."""
    found = []
    for one in filter(lambda one: only_says_inactive(one, snapshot), snapshot.items("experiments")):
        subject, names = f"Experiment {name_of(one)}", members(one)
        try:
            missed = Mesh(url, PROBE_SECONDS).misses(name_of(one), names) if len(names) > 1 else None
        except BackendUnavailableError as error:
            missed = str(error)
        make = failed if missed else warned
        found.append(
            make(
                "experiment-lagging",
                subject,
                f"says that it is not active, though all its models are available; {missed or 'requests reach each'}",
                wanted="a status that says what requests show; where they differ, requests are right",
                fix="write the same split once more (a new generation heals it); see also the line of seldon-scheduler",
            )
        )
    return tuple(found)


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


def predictions(snapshot: Snapshot, url: str) -> tuple[Finding, ...]:
    """Return what came of a prediction of each route; of one that is judged, whether its models are reached.

    Envoy counts what it sends to a model, whoever asked and whatever stands in the headers, so nothing that is judged
    is asked for any.
    """
    mesh = Mesh(url, PROBE_SECONDS)
    if asked := routes(snapshot):
        return tuple(
            unasked(route, split, partial(mesh.misses, route, _fixed(split)))
            if is_judged(split)
            else probe(url, route, partial(mesh.metadata, route))
            for route, split in asked.items()
        )
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


def _fixed(split: TrafficSplit) -> tuple[str, ...]:
    """Return the models of the split that have a route of their own in it: those with a share, where there are two."""
    return tuple(name for name, weight in split.weights.items() if weight) if len(split.weights) > 1 else ()
