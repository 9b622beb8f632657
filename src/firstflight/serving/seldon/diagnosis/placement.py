"""Why no Server takes a Model: every cause of `no matching servers`, and of `not enough suitable replicas`, apart.

The scheduler's filters run in this order: a live replica, the pinned server, deletion, requirements. Afterwards
replicas and memory are counted. It says only which of two sentences applies; the cause is worked out here, from what
the API shows. Whatever the sentence, nothing is tried again by itself unless an agent connects or the spec changes.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from firstflight.domain.findings import Finding, failed, named, warned
from firstflight.serving.seldon.diagnosis.live import LiveServer
from firstflight.serving.seldon.diagnosis.servers import no_server, why_not_live
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.objects import (
    Object,
    condition,
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


def why_no_server(model: Object, snapshot: Snapshot, servers: Servers) -> Finding:
    """Return the cause of `no matching servers are available`."""
    hindered = hindering(model, snapshot, servers)
    if hindered is not None:
        return hindered
    if waiting := _scheduler_waits(model, snapshot):
        return waiting
    return _nothing_left(model, snapshot, "a server with a live replica takes it now")


def why_too_few(model: Object, snapshot: Snapshot, servers: Servers) -> Finding:
    """Return the cause of `no matching server had enough suitable replicas`."""
    subject, wanted = f"Model {name_of(model)}", replicas(model)
    if hindered := hindering(model, snapshot, servers):  # the sentence may be older than what is true now
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


def hindering(  # noqa: PLR0911 - a return for each filter
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
