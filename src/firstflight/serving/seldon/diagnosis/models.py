"""Why a Model is not available: every cause of `no matching servers`, and of `not enough suitable replicas`, apart.

The scheduler's filters run in this order: a live replica, the pinned server, deletion, requirements. Afterwards
replicas and memory are counted. It says only which of two sentences applies; the cause is worked out here, from what
the API shows. Whatever the sentence, nothing is tried again by itself unless an agent connects or the spec changes.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.serving.seldon.diagnosis.live import LiveServer
from firstflight.serving.seldon.diagnosis.servers import no_server, why_not_live
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot, Unseen
from firstflight.serving.seldon.objects import (
    Object,
    condition,
    is_ending,
    moment,
    name_of,
    quantity,
    spec,
    status,
)

AVAILABLE = "ModelAvailable"
STATES = {
    *("ModelStateUnknown", "ModelProgressing", AVAILABLE, "ModelFailed", "ModelTerminating", "ModelTerminated"),
    *("ModelTerminateFailed", "ScheduleFailed", "ModelScaledDown", "ModelCreate", "ModelTerminate"),
}
NO_SERVER = "no matching servers are available"
TOO_FEW = "no matching server had enough suitable replicas"
SCHEDULER_WAITS = timedelta(seconds=600)
"""How long a scheduler that was restarted waits for the agents it knew of, before it places anything."""
_EXPLAINER = "alibi-explain"

Servers = Mapping[str, LiveServer]


def mebibytes(count: float) -> str:
    """Return bytes as people read them."""
    return f"{count / 2**20:.0f}Mi"


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


def state(model: Object) -> tuple[str, str]:
    """Return the Model's state and the text beside it; the operator writes the state as message, the text as reason."""
    ready = condition(model, "ModelReady")
    message, reason = str(ready.get("message", "")), str(ready.get("reason", ""))
    return (reason, message) if reason in STATES else (message, reason)


def requirements(model: Object) -> frozenset[str]:
    """Return what the Model asks of a server: its requirements, and its type as one more."""
    asked = [*(spec(model).get("requirements") or ()), str(spec(model).get("modelType") or "")]
    return frozenset(one.strip() for one in asked if one.strip())


def replicas(model: Object) -> int:
    """Return how many replicas the Model asks for."""
    said = spec(model)
    return int(said["replicas"] if "replicas" in said else said.get("minReplicas", 1))


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
    hindered = _hindered(model, snapshot, servers)
    return hindered or warned(
        "model-progressing",
        subject,
        f"{said or 'no state yet'}{f': {text[:200]}' if text else ''}",
        wanted=AVAILABLE,
        fix=f"wait, then look again; kubectl describe model {name_of(model)} -n {snapshot.namespace}",
    )


def why_no_server(model: Object, snapshot: Snapshot, servers: Servers) -> Finding:
    """Return the cause of `no matching servers are available`."""
    hindered = _hindered(model, snapshot, servers)
    if hindered is not None:
        return hindered
    if waiting := _scheduler_waits(model, snapshot):
        return waiting
    return _nothing_left(model, snapshot, "a server with a live replica takes it now")


def why_too_few(model: Object, snapshot: Snapshot, servers: Servers) -> Finding:
    """Return the cause of `no matching server had enough suitable replicas`."""
    subject, wanted = f"Model {name_of(model)}", replicas(model)
    if hindered := _hindered(model, snapshot, servers):  # the sentence may be older than what is true now
        return hindered
    suitable = _suitable(model, servers.values())
    if _is_explainer(model) and not any(_EXPLAINER in (one.capabilities or ()) for one in suitable):
        return failed(
            "model-explainer",
            subject,
            "is an explainer, and no Server that takes it offers alibi-explain",
            wanted="a Server with the capability alibi-explain",
            fix="add alibi-explain to the Server whose image has it (MLServer after 1.7.1 has none)",
        )
    draining = [name for server in suitable for name in server.draining]
    if draining and max((server.live or 0) + len(server.draining) for server in suitable) >= wanted:
        return failed(
            "server-draining",
            subject,
            f"would have enough replicas, but {named(draining)} {'is' if len(draining) == 1 else 'are'} going away",
            wanted=f"{wanted} replicas that stay",
            fix="wait until the pods are back: an agent that connects has the Model placed again",
        )
    live = {server.name: server.live or 0 for server in suitable}
    if max(live.values(), default=0) < wanted:
        spread = sum(live.values()) >= wanted
        return failed(
            "model-replicas",
            subject,
            f"asks for {wanted} replicas; live: {', '.join(f'{name} {count}' for name, count in live.items())}"
            + ("; together they would do, but a Model lives on one Server" if spread else ""),
            wanted=f"one Server with {wanted} live replicas, or minReplicas below what there is",
            fix=f"kubectl scale server {next(iter(live), '…')} --replicas={wanted}, or lower the Model's replicas,"
            " or set its minReplicas",
        )
    if short := _short_of_memory(model, snapshot, suitable):
        return short
    return _nothing_left(model, snapshot, "a server with enough live replicas and memory takes it now")


def _hindered(  # noqa: PLR0911 - a return for each filter
    model: Object, snapshot: Snapshot, servers: Servers
) -> Finding | None:
    """Return what keeps every Server from taking the Model at all, in the order of the scheduler's filters."""
    subject, pinned, wanted = f"Model {name_of(model)}", spec(model).get("server"), requirements(model)
    if not snapshot.sees("servers"):
        return None
    if not servers:
        found = no_server(snapshot)
        return failed(
            found.id, subject, f"no Server is there for it: {found.found}", wanted=found.wanted, fix=found.fix
        )
    if pinned and pinned not in servers:
        return failed(
            "model-server-unknown",
            subject,
            f"is pinned to Server {pinned!r}, which does not exist; there are {named(sorted(servers))}",
            wanted="a Server of that name, or no spec.server",
            fix="correct or remove the Model's spec.server, or create that Server",
        )
    allowed = [servers[pinned]] if pinned else list(servers.values())
    if not any(server.lacks(wanted) == frozenset() for server in allowed):
        return _unmet(subject, wanted, allowed, pinned=pinned)
    suitable = _suitable(model, allowed)
    staying = [server for server in suitable if not server.deleting]
    if not staying:
        names = named([server.name for server in suitable])
        return failed(
            "server-deleting",
            subject,
            f"fits {names} alone, which {'is' if len(suitable) == 1 else 'are'} being deleted",
            wanted="a suitable Server that stays",
            fix="wait until it is gone and apply it again, or give another Server the capabilities",
        )
    scaled = [server for server in staying if server.wanted > 0]
    if not scaled:
        return failed(
            "server-scaled-to-zero",
            subject,
            f"fits {named([server.name for server in staying])}, scaled to 0 replicas",
            wanted="a suitable Server with at least one replica",
            fix=f"kubectl scale server {staying[0].name} --replicas=1 -n {snapshot.namespace}",
        )
    if all(server.live == 0 for server in scaled):
        cause = why_not_live(snapshot, scaled[0])
        return failed(
            cause.id,
            subject,
            f"fits {named([server.name for server in scaled])}, none of whose agents is connected: {cause.found}",
            wanted=cause.wanted,
            fix=cause.fix,
        )
    return None


def _unmet(subject: str, wanted: frozenset[str], allowed: list[LiveServer], *, pinned: str | None) -> Finding:
    known = {server.name: lacks for server in allowed if (lacks := server.lacks(wanted)) is not None}
    if len(known) < len(allowed):
        unknown = [server.name for server in allowed if server.name not in known]
        return warned(
            "server-capabilities-unseen",
            subject,
            f"asks for {', '.join(sorted(wanted))}; what {named(unknown)} offers cannot be seen",
            wanted="list on serverconfigs in the operator's namespace, or spec.capabilities on the Server itself",
            fix="kubectl apply -k k8s/extras/operator-access, or set FIRSTFLIGHT_OPERATOR_NAMESPACE",
        )
    closest = min(known, key=lambda name: (len(known[name]), name))
    lacking = sorted(known[closest])
    offered = next(server.capabilities or frozenset() for server in allowed if server.name == closest)
    alike = {one.casefold().replace("_", "-"): one for one in offered}
    meant = [alike[key] for one in lacking if (key := one.casefold().replace("_", "-")) in alike]
    split = len(known) > 1 and not frozenset.intersection(*known.values())
    found = (
        f"is pinned to Server {pinned}, which lacks {', '.join(lacking)}"
        if pinned
        else f"asks for {', '.join(sorted(wanted))}; {closest} comes closest and lacks {', '.join(lacking)}"
    )
    return failed(
        "model-server-lacks" if pinned else "model-requirement",
        subject,
        found
        + (f" (it offers {', '.join(meant)}: names must be equal)" if meant else "")
        + ("; each is offered somewhere, but one Server must offer all" if split else ""),
        wanted="every requirement, and modelType, among the capabilities of one Server",
        fix=f"correct the Model's requirements, or add {', '.join(lacking)} to spec.capabilities of {closest}"
        " if its image has it",
    )


def _suitable(model: Object, servers: Iterable[LiveServer]) -> list[LiveServer]:
    pinned, wanted = spec(model).get("server"), requirements(model)
    return [server for server in servers if pinned in {None, "", server.name} and server.lacks(wanted) == frozenset()]


def _is_explainer(model: Object) -> bool:
    return "explainer" in spec(model)


def _short_of_memory(model: Object, snapshot: Snapshot, suitable: list[LiveServer]) -> Finding | None:
    left = {}
    needed = {}
    for server in suitable:
        if server.memory is not None:
            left[server.name] = server.memory - _placed(server, model, snapshot)
            needed[server.name] = quantity(spec(model).get("memory")) * server.workers
    if not left or any(left[name] >= needed[name] for name in left):
        return None
    roomiest = max(left, key=lambda name: left[name])
    workers = next(server.workers for server in suitable if server.name == roomiest)
    each = quantity(spec(model).get("memory"))
    multiplied = f" ({mebibytes(each)} times {workers} parallel workers)" if workers > 1 else ""
    return failed(
        "model-memory",
        f"Model {name_of(model)}",
        f"needs {mebibytes(needed[roomiest])}{multiplied}; {roomiest} has {mebibytes(max(0.0, left[roomiest]))} left",
        wanted="a replica with that much left of its container's memory request and a tenth",
        fix="raise the model server container's memory request, lower the Model's `memory` to its true need, or"
        " undeploy what is not needed; then change the spec: freed memory alone has nothing placed again",
    )


def _placed(server: LiveServer, model: Object, snapshot: Snapshot) -> float:
    """Return the bytes that other Models reserve on each replica of the Server, by what their status says."""
    return sum(
        quantity(spec(other).get("memory")) * server.workers
        for other in snapshot.items("models")
        if name_of(other) != name_of(model)
        and status(other).get("selector") == f"server={server.name}"
        and state(other)[0] == AVAILABLE
    )


def _scheduler_waits(model: Object, snapshot: Snapshot) -> Finding | None:
    for runtime in snapshot.items("seldonruntimes"):
        ready = condition(runtime, "SchedulerReady")
        since = moment(ready.get("lastTransitionTime"))
        if since and ready.get("status") == "True" and snapshot.now - since < SCHEDULER_WAITS:
            seconds = int((snapshot.now - since).total_seconds())
            return warned(
                "scheduler-waiting",
                f"Model {name_of(model)}",
                f"the scheduler is back since {seconds} s and may still wait for the agents it knew of",
                wanted=f"patience of up to {SCHEDULER_WAITS.seconds} s, or every Server's replicas live",
                fix="wait and look again; bring missing Server replicas back to end the wait sooner",
            )
    return None


def _nothing_left(model: Object, snapshot: Snapshot, why: str) -> Finding:
    name = name_of(model)
    said, text = state(model)
    return failed(
        "model-needs-nudge",
        f"Model {name}",
        f"{said}: {text}; the cause is gone ({why}), and nothing tries again by itself",
        wanted="a change of its spec, which has it placed anew (annotations do not count)",
        fix=f"kubectl patch model {name} -n {snapshot.namespace} --type=merge -p "
        '\'{"spec":{"parameters":[{"name":"nudged","value":"1"}]}}\' (another value each time)',
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
        ("failed to sync", "failed to copy", "directory not found", "NoSuchKey", "NoSuchBucket", "AccessDenied"),
        "model-artifact",
        "an artifact at storageUri that the Secret's account may read",
        "look into the bucket; then change the spec: files under an unchanged storageUri are not read again",
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
        "wait until it is gone, then apply again",
    ),
    (
        ("rpc error",),
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
