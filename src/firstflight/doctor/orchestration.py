"""Whether Prefect answers, its services do their work, and somebody works for the pool in which our flows run."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from firstflight.domain.errors import OrchestratorUnavailableError
from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.orchestrator import AUTOMATIONS, FlowRun, Orchestrator, Pool, Schedule
from firstflight.settings import Settings

NEEDED = ("canary", "roll-back")
LATE = timedelta(minutes=2)
"""Prefect's services go their rounds every 5 to 60 s; what none of them did in this time, none will do."""
_START = {
    "local": "`firstflight up` starts it; its log says why it does not stay",
    "kubernetes": "kubectl get deploy prefect-worker; its log says why it does not stay",
}


def orchestration_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what Prefect says."""
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    now = datetime.now(UTC)
    try:
        pool, deployments = orchestrator.pool(settings.work_pool), orchestrator.deployments()
        schedules, automations = orchestrator.schedules(), orchestrator.automations()
        overdue, asking = orchestrator.overdue(now - LATE), orchestrator.suspended()
        cancelling, pending = orchestrator.in_state("CANCELLING"), orchestrator.in_state("PENDING")
    except OrchestratorUnavailableError as error:
        return (
            failed(
                "prefect-unreachable",
                "Prefect",
                str(error),
                wanted="an answer: no flow starts without. Rolling back needs none: `firstflight roll-back`",
                fix="correct PREFECT_API_URL (and PREFECT_API_AUTH_STRING), or start the server",
            ),
        )
    return (
        *pool_findings(settings.work_pool, pool, now, _client(settings)),
        deployments_finding(deployments),
        *(schedule_finding(schedule, now) for schedule in schedules),
        service_finding(pool, schedules, overdue, asking, cancelling, now),
        *pending_finding(pending, now),
        automations_finding(automations),
    )


def pending_finding(runs: Sequence[FlowRun], now: datetime) -> Iterator[Finding]:
    """Yield the line about runs that a worker has taken and that do not begin."""
    stuck = [f"{run.name} ({run.state_name})" for run in runs if run.since and now - run.since > LATE]
    if stuck:
        yield warned(
            "runs-pending",
            "flow runs",
            f"taken by a worker and not begun for more than {LATE.total_seconds():.0f} s: {named(stuck)}",
            wanted="a run that begins: a roll back that waits so brings nothing home",
            fix="in a cluster see its Job's events and the lines about flow runs (quota, image); else the worker's log",
        )


def _client(settings: Settings) -> str:
    """Return what stands before `prefect` in a shell, so that it speaks to the server of `settings`."""
    file = settings.prefect_password_file
    ours = settings.prefect_api == settings.local_prefect_api and file.exists()
    return f"PREFECT_API_URL={settings.prefect_api}" + (f' PREFECT_API_AUTH_STRING="$(cat {file})"' if ours else "")


def pool_findings(name: str, pool: Pool | None, now: datetime, client: str) -> Iterator[Finding]:
    """Yield what is wrong with the pool, or that all is well; `client` makes `prefect` speak to its server."""
    subject = f"work pool {name}"
    if pool is None:
        yield failed(
            "work-pool-missing",
            subject,
            "does not exist",
            wanted="the pool that the deployments name",
            fix="`firstflight up`, or in a cluster restart prefect-worker: it makes the pool",
        )
        return
    if pool.paused:
        yield failed(
            "work-pool-paused",
            subject,
            "is paused: runs wait",
            wanted="a pool that gives out runs",
            fix=f"{client} prefect work-pool resume {name}",
        )
    online = [worker.name for worker in pool.workers if worker.online]
    if online:
        yield passed("work-pool", subject, f"{pool.type}, live: {named(online)}")
        return
    seen = max((worker.seen for worker in pool.workers if worker.seen), default=None)
    last = f"the last one was seen {(now - seen).total_seconds():.0f} s ago" if seen else "none was ever seen"
    yield failed(
        "worker-offline",
        subject,
        f"no live worker; {last}",
        wanted="one: runs stay late without, a roll-back that an automation starts too",
        fix=_START.get(name, "start a worker for it"),
    )


def deployments_finding(names: frozenset[str]) -> Finding:
    """Return whether the flows that a rollout needs can be started."""
    missing = [name for name in NEEDED if name not in names]
    if missing:
        return failed(
            "deployments-missing",
            "deployments",
            f"no {' and no '.join(missing)} among {len(names)} deployments",
            wanted="those of prefect.yaml: an automation starts roll-back when a run crashes",
            fix="`firstflight up`, or python -m deployments.register",
        )
    return passed("deployments", "deployments", f"{len(names)}, {' and '.join(NEEDED)} among them")


def schedule_finding(schedule: Schedule, now: datetime) -> Finding:
    """Return when a deployment that starts by itself last ran, and when it runs next."""
    subject = f"schedule of {schedule.deployment}"
    if schedule.last is None:
        last = "has never run"
    else:
        last = f"last ran {_ago(schedule.last.since, now)} ago ({schedule.last.state_name})"
    if schedule.next is None:
        planned = "no run is planned"
        if now - schedule.deployed < LATE:
            return passed("schedule", subject, f"{last}; deployed {_ago(schedule.deployed, now)} ago, {planned} yet")
        return failed(
            "schedule-unplanned",
            subject,
            f"{last}; {planned}",
            wanted="a next run: Prefect's scheduler plans several ahead",
            fix="read the Prefect server's log for errors of its scheduler, then start the server again",
        )
    if now - schedule.next > LATE:
        return failed(
            "schedule-late",
            subject,
            f"{last}; the next was to start {_ago(schedule.next, now)} ago and waits",
            wanted="a run at its time",
            fix="see the work pool's line: a paused pool or a missing worker starts nothing",
        )
    due = f"next {schedule.next:%H:%M:%S} UTC"
    if schedule.last is not None and schedule.last.state_type in {"FAILED", "CRASHED"}:
        return warned(
            "schedule-fails",
            subject,
            f"{last}: {schedule.last.message or 'no message'}; {due}",
            wanted="a run that ends well",
            fix=f"read the log of run {schedule.last.name} on Prefect's page",
        )
    return passed("schedule", subject, f"{last}; {due}")


def service_finding(
    pool: Pool | None,
    schedules: Sequence[Schedule],
    overdue: Sequence[FlowRun],
    asking: Sequence[FlowRun],
    cancelling: Sequence[FlowRun],
    now: datetime,
) -> Finding:
    """Return whether each service of Prefect's server does its work, told by what it would have left undone.

    The server has no word of its own on that: a service that fails in each round leaves the API well.
    """
    unmarked = [run.name for run in overdue if run.state_name == "Scheduled"]
    unanswered = [run.name for run in asking if run.deadline and now - run.deadline > LATE]
    uncancelled = [run.name for run in cancelling if run.since and now - run.since > LATE]
    workers = pool.workers if pool else ()
    silent = [worker.name for worker in workers if worker.online and worker.seen and now - worker.seen > 2 * LATE]
    undone = [
        f"{service}: {what} {named(names)}"
        for service, what, names in (
            ("late runs", "not marked as late", unmarked),
            ("pause expirations", "past its deadline and still asking", unanswered),
            ("cancellation", "asked to end and has not", uncancelled),
            ("foreman", "silent and still called online", silent),
        )
        if names
    ]
    if undone:
        return failed(
            "prefect-services",
            "Prefect's services",
            "; ".join(undone),
            wanted=f"nothing left undone for more than {LATE.total_seconds():.0f} s",
            fix="read the Prefect server's log, and start the server again",
        )
    planned = sum(schedule.next is not None for schedule in schedules)
    looked = f"{planned} of {len(schedules)} schedules planned, {len(overdue)} runs overdue, {len(asking)} asking"
    return passed("prefect-services", "Prefect's services", f"nothing left undone: {looked}, {len(cancelling)} ending")


def automations_finding(enabled: dict[str, bool]) -> Finding:
    """Return whether what brings traffic home for a dead run is there and enabled."""
    off = [f"{name!r} is {'off' if name in enabled else 'missing'}" for name in AUTOMATIONS if not enabled.get(name)]
    if off:
        return failed(
            "automations",
            "automations",
            ", ".join(off),
            wanted="all: without, a run that dies is brought home by the guard alone",
            fix="`firstflight up`, or python -m deployments.register; one that is off is enabled on Prefect's page",
        )
    return passed("automations", "automations", f"{len(AUTOMATIONS)} enabled")


def _ago(then: datetime | None, now: datetime) -> str:
    if then is None:
        return "an unknown time"
    seconds = (now - then).total_seconds()
    return f"{seconds:.0f} s" if now - then < LATE else f"{seconds / 60:.0f} min"
