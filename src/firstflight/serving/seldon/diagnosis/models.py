"""Why a Model is not well: its state, and what the model server said of a load that failed."""

from collections.abc import Iterator

from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.serving.seldon.diagnosis.placement import (
    AVAILABLE,
    NO_SERVER,
    TOO_FEW,
    Servers,
    hindering,
    replicas,
    state,
    why_no_server,
    why_too_few,
)
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot, Unseen
from firstflight.serving.seldon.objects import (
    Object,
    condition,
    is_ending,
    moment,
    name_of,
    status,
)


def model_findings(snapshot: Snapshot, servers: Servers) -> Iterator[Finding]:
    """Yield one line for each Model that is not well, and one for all that are."""
    well = 0
    for model in snapshot.items("models"):
        finding = model_finding(model, snapshot, servers)
        if finding is None:
            well += 1
        else:
            yield finding
    if well:
        yield passed("model", "Models", f"{well} of {len(snapshot.items('models'))} available, their requirements met")
    elif not snapshot.items("models") and snapshot.sees("models"):
        yield warned(
            "model-none",
            f"Models in {snapshot.namespace}",
            "none",
            wanted="at least one Model: nothing is served",
            fix="deploy a version (flow `deploy`), or apply k8s/base/seldon/models.yaml",
        )


def model_finding(  # noqa: PLR0911 - a return for each state
    model: Object, snapshot: Snapshot, servers: Servers
) -> Finding | None:
    """Return why the Model is not well, None when it is."""
    subject = f"Model {name_of(model)}"
    said, text = state(model)
    if is_ending(model):
        return _going(model, snapshot)
    if not status(model).get("conditions") and not model["metadata"].get("finalizers"):
        return failed(
            "model-not-watched",
            subject,
            "has neither status nor finalizer: the operator has never seen it",
            wanted=f"an operator that watches {snapshot.namespace}",
            fix="is the operator running? It watches its own namespace alone unless installed with "
            "controller.clusterwide=true",
        )
    if said == AVAILABLE and condition(model, "ModelReady").get("status") == "True":
        return _available(model, subject, snapshot, servers)
    if said == "ScheduleFailed" and TOO_FEW in text:
        return why_too_few(model, snapshot, servers)
    if said == "ScheduleFailed" or NO_SERVER in text:
        return why_no_server(model, snapshot, servers)
    if said == "ModelFailed":
        return _load_failure(model, text)
    if "rpc error" in text or "dial" in text:
        return failed(
            "model-scheduler-unreachable",
            subject,
            f"{said}: the operator does not reach the scheduler: {text[:200]}",
            wanted=f"seldon-scheduler.{snapshot.namespace}:9004 answers the operator, which tries again by itself",
            fix="see the findings about SeldonRuntime, and about connections to seldon-scheduler:9004",
        )
    if said == "ModelScaledDown" or replicas(model) == 0:
        return warned(
            "model-scaled-to-zero",
            subject,
            "is scaled to 0 replicas",
            wanted="at least one replica, when it is to answer",
            fix=f"kubectl scale model {name_of(model)} --replicas=1 -n {snapshot.namespace}",
        )
    # Still under way: what would keep it from a server is told now, not when the scheduler has given up.
    hindered = hindering(model, snapshot, servers)
    return hindered or warned(
        "model-progressing",
        subject,
        f"{said or 'no state yet'}{f': {text[:200]}' if text else ''}",
        wanted=AVAILABLE,
        fix=f"wait, then look again; kubectl describe model {name_of(model)} -n {snapshot.namespace}",
    )


def _available(model: Object, subject: str, snapshot: Snapshot, servers: Servers) -> Finding | None:
    wanted, live = replicas(model), int(status(model).get("availableReplicas", 0))
    placed = str(status(model).get("selector", "")).removeprefix("server=")
    if placed in servers and servers[placed].live == 0:
        return failed(
            "model-server-gone",
            subject,
            f"says {AVAILABLE}, but {placed} has no live replica",
            wanted="a live replica behind an available Model",
            fix=f"see the finding about Server {placed}; if it is well again, change the Model's spec",
        )
    if snapshot.sees("servers") and placed and placed not in servers:
        return failed(
            "model-server-gone",
            subject,
            f"says {AVAILABLE} on Server {placed}, which does not exist",
            wanted="a live replica behind an available Model",
            fix="bring that Server back, or change the Model's spec to have it placed anew",
        )
    if live < wanted:
        return warned(
            "model-partial",
            subject,
            f"available with {live} of {wanted} replicas",
            wanted=f"{wanted} replicas",
            fix=f"kubectl scale server {placed or '…'} --replicas={wanted}, or lower the Model's replicas",
        )
    return None


def _going(model: Object, snapshot: Snapshot) -> Finding:
    since = moment(model["metadata"]["deletionTimestamp"])
    minutes = (snapshot.now - since).total_seconds() / 60 if since else 0
    make = failed if minutes > 5 else warned  # noqa: PLR2004 - unloading takes seconds
    return make(
        "model-deleting",
        f"Model {name_of(model)}",
        f"is being deleted since {minutes:.0f} minutes",
        wanted="an end within a minute: its finalizer goes when the scheduler has unloaded it",
        fix="is the scheduler reachable? A Model of the same name can be made only when this one is gone",
    )


_LOAD_FAILURES = (
    (
        ("Secret does not have 1 key",),
        "secret-keys",
        "a Secret with exactly one key, which holds one rclone remote",
        "make it anew: k8s/base/seldon/models.yaml names it, deployments/local_secrets.py shows its shape",
    ),
    (
        ("does not match secret",),
        "secret-remote",
        "a remote's `name` in the Secret equal to the prefix of the Model's storageUri",
        "correct `name` in the Secret or the prefix of storageUri",
    ),
    (
        ("failed to sync", "Failed rclone request", "Failed to download from"),
        "model-artifact",
        "an artifact at storageUri that the Secret's account may read",
        "look into the bucket, and for the cause into rclone's log; then deploy again: the same URI is not read anew",
    ),
    (
        ("Can't create model-settings", "model-settings"),
        "model-settings",
        "a model-settings.json, or files that one can be made of",
        "put a model-settings.json beside the model; `python` needs `mlserver` or `triton` beside it",
    ),
    (
        ("server replica is draining",),
        "server-draining",
        "a replica that stays",
        "change the Model's spec when the Server is back",
    ),
    (
        ("scaling spec is invalid",),
        "model-scaling",
        "minReplicas ≤ replicas ≤ maxReplicas",
        "correct the three",
    ),
    (
        ("does not have a valid name",),
        "model-name",
        "a name of small letters, digits and dashes",
        "make a Model of another name",
    ),
    (
        ("is in process of deletion",),
        "model-deleting",
        "the end of the Model of the same name",
        "delete the Model and deploy it again: the scheduler does not try a second time by itself",
    ),
    (
        ("code = FailedPrecondition", "code = Unimplemented"),  # a model server's own error is `Internal`
        "model-refused",
        "a scheduler that takes it: this refusal is for good",
        "correct what it names, by changing the Model's spec",
    ),
)


def _load_failure(model: Object, text: str) -> Finding:
    subject = f"Model {name_of(model)}"
    for marks, kind, wanted, fix in _LOAD_FAILURES:
        if any(mark in text for mark in marks):
            return failed(kind, subject, f"ModelFailed: {text[:300]}", wanted=wanted, fix=fix)
    return failed(
        "model-load-failed",
        subject,
        f"ModelFailed: {text[:300] or 'no reason given'}",
        wanted="a model server that loads it",
        fix="kubectl logs of the Server's pods, container mlserver (or triton) and agent",
    )


def unseen_kinds(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield one line for each list that was refused; kinds the API does not know are told by another line."""
    for listing in (*snapshot.listings.values(), *snapshot.secrets.values()):
        if isinstance(listing, Unseen) and not listing.absent:
            yield listing.finding()
