"""Whether quotas and limit ranges leave room for the pods that Servers still need."""

from collections.abc import Iterator

from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.serving.seldon.diagnosis.live import LiveServer
from firstflight.serving.seldon.diagnosis.servers import IMAGE_FAULTS
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.objects import Object, containers, labels, moment, name_of, quantity, spec, status

_NEARLY = 0.9
_NEWS_SECONDS = 3600
_SHAPES = ("requests", "limits")


def room_findings(snapshot: Snapshot, servers: dict[str, LiveServer]) -> Iterator[Finding]:
    """Yield one line for each quota, and for each limit range that a Server's pods break."""
    for quota in snapshot.items("resourcequotas"):
        yield _quota(quota, servers, defaulted=_defaults(snapshot))
    for limits in snapshot.items("limitranges"):
        yield from _limits(limits, servers)
    yield from _flow_runs(snapshot)


def _flow_runs(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield one line for each job of a flow run that gets no pod, or whose pod gets no image."""
    refused: dict[str, str] = {}
    for event in snapshot.items("events"):
        job = event.get("involvedObject") or {}
        at = moment(event.get("lastTimestamp") or event.get("eventTime"))
        if job.get("kind") == "Job" and (at is None or (snapshot.now - at).total_seconds() < _NEWS_SECONDS):
            refused[str(job.get("name"))] = str(event.get("message", ""))[:300]
    for name, why in sorted(refused.items()):
        yield failed(
            "job-refused",
            f"Job {name}",
            f"its pod is refused: {why}",
            wanted="a pod for each flow run, a roll-back at any moment",
            fix="raise what is named or end what is not needed; the guard brings traffic home without a job",
        )
    for pod in snapshot.items("pods"):
        if labels(pod).get("firstflight/role") != "flow":
            continue
        for one in status(pod).get("containerStatuses") or ():
            waiting = (one.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in IMAGE_FAULTS:
                yield failed(
                    "job-image",
                    f"Pod {name_of(pod)}",
                    f"{waiting['reason']}: {one.get('image')}: {str(waiting.get('message', ''))[:200]}",
                    wanted="the image of flow runs, from where the nodes may pull",
                    fix="push it, or correct FIRSTFLIGHT_IMAGE and restart the worker, which registers it",
                )


def _quota(quota: Object, servers: dict[str, LiveServer], defaulted: frozenset[str]) -> Finding:
    subject = f"ResourceQuota {name_of(quota)}"
    hard = status(quota).get("hard") or spec(quota).get("hard") or {}
    used = status(quota).get("used") or {}
    left = {key: quantity(hard[key]) - quantity(used.get(key)) for key in hard}
    for server in servers.values():
        missing = server.wanted - len(server.pods)
        if missing < 1:
            continue
        bare = sorted(_unsaid(server, set(hard)) - defaulted)
        if bare:
            return failed(
                "quota-needs-requests",
                subject,
                f"limits {', '.join(bare)}, which a container of Server {server.name} does not say",
                wanted="that every container says what it asks for, or a LimitRange that says it for them",
                fix="add resources to the Server's podSpec, or k8s/base/limits.yaml",
            )
        asked = _asked(server)
        short = [key for key, each in asked.items() if key in left and each * missing > left[key]]
        if short:
            told = "; ".join(f"{key}: {hard[key]} in all, {used.get(key, '0')} used" for key in sorted(short))
            return failed(
                "quota",
                subject,
                f"has no room for {missing} missing pods of Server {server.name} ({told})",
                wanted="room for every replica, and for one roll-back at any moment",
                fix="raise the quota, or ask for less in the Server's podSpec",
            )
    full = sorted(
        key for key in hard if quantity(used.get(key)) >= quantity(hard[key]) and not _is_forbidden(key, hard, used)
    )
    if full:
        return failed(
            "quota-full",
            subject,
            "; ".join(f"{key}: {used.get(key, '0')} of {hard[key]}" for key in full),
            wanted="room: no pod can be made now, of a roll-back neither",
            fix="raise the quota, or end what is not needed",
        )
    nearly = sorted(
        key for key in hard if quantity(hard[key]) and quantity(used.get(key)) / quantity(hard[key]) >= _NEARLY
    )
    if nearly:
        return warned(
            "quota-nearly-full",
            subject,
            "; ".join(f"{key}: {used.get(key)} of {hard[key]}" for key in nearly),
            wanted="a tenth left: a pod that is replaced, and a roll-back, need room",
            fix="raise the quota, or end what is not needed",
        )
    return passed("quota", subject, "room is left")


def _is_forbidden(key: str, hard: Object, used: Object) -> bool:
    """Whether none of it may be made, on purpose, and none is: that takes no pod its room."""
    of_pods = key == "pods" or key.startswith(tuple(f"{shape}." for shape in _SHAPES))
    return not of_pods and not quantity(hard[key]) and not quantity(used.get(key))


def _limits(limits: Object, servers: dict[str, LiveServer]) -> Iterator[Finding]:
    rules = [one for one in spec(limits).get("limits") or () if one.get("type") == "Container"]
    for server in servers.values():
        breaches = [
            f"container {name} asks for {shape}.{key} {value}, at {word} {bound[key]} allowed"
            for rule in rules
            for name, container in _template(server).items()
            for shape in _SHAPES
            for key, value in ((container.get("resources") or {}).get(shape) or {}).items()
            for word, bound in (("most", rule.get("max") or {}), ("least", rule.get("min") or {}))
            if key in bound
            and (quantity(value) > quantity(bound[key]) if word == "most" else quantity(value) < quantity(bound[key]))
        ]
        if breaches:
            yield failed(
                "limit-range",
                f"LimitRange {name_of(limits)}",
                f"refuses pods of Server {server.name}: {'; '.join(breaches)}",
                wanted="containers within the limits",
                fix="change the Server's podSpec or the LimitRange",
            )


def _template(server: LiveServer) -> dict[str, Object]:
    template = spec(server.workload).get("template") or {} if server.workload else {}
    return containers(spec(template))


def _asked(server: LiveServer) -> dict[str, float]:
    """Return what one pod of the Server takes of a quota, by the quota's words."""
    asked = {"pods": 1.0}
    for container in _template(server).values():
        for shape in _SHAPES:
            for key, value in ((container.get("resources") or {}).get(shape) or {}).items():
                asked[f"{shape}.{key}"] = asked.get(f"{shape}.{key}", 0.0) + quantity(value)
    return asked


def _unsaid(server: LiveServer, hard: set[str]) -> set[str]:
    limited = {key for key in hard if key in {f"{shape}.{of}" for shape in _SHAPES for of in ("cpu", "memory")}}
    return {key for key in limited for container in _template(server).values() if not _says(container, *key.split("."))}


def _says(container: Object, shape: str, key: str) -> bool:
    resources = container.get("resources") or {}
    return key in (resources.get(shape) or {}) or (shape == "requests" and key in (resources.get("limits") or {}))


def _defaults(snapshot: Snapshot) -> frozenset[str]:
    """Return what limit ranges say for containers that do not."""
    found = set()
    for limits in snapshot.items("limitranges"):
        for rule in spec(limits).get("limits") or ():
            found |= {f"limits.{key}" for key in rule.get("default") or ()}
            found |= {f"requests.{key}" for key in (*(rule.get("defaultRequest") or ()), *(rule.get("default") or ()))}
    return frozenset(found)
