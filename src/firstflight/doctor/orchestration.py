"""Whether Prefect answers, and somebody works for the pool in which our flows run."""

from collections.abc import Iterator
from datetime import UTC, datetime

from firstflight.domain.errors import OrchestratorUnavailableError
from firstflight.domain.findings import Finding, failed, named, passed
from firstflight.orchestrator import Orchestrator, Pool
from firstflight.settings import Settings

NEEDED = ("canary", "roll-back")
_START = {
    "local": "`firstflight up` starts it; its log says why it does not stay",
    "kubernetes": "kubectl get deploy prefect-worker; its log says why it does not stay",
}


def orchestration_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what Prefect says."""
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    try:
        pool, deployments = orchestrator.pool(settings.work_pool), orchestrator.deployments()
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
        *pool_findings(settings.work_pool, pool, datetime.now(UTC)),
        deployments_finding(deployments),
    )


def pool_findings(name: str, pool: Pool | None, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the pool, or that all is well."""
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
            fix=f"prefect work-pool resume {name}",
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
