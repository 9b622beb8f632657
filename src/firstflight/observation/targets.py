"""Whether Prometheus scrapes what our figures come from: one question, /api/v1/targets."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from firstflight.domain.errors import MetricsUnavailableError
from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.domain.values import Value
from firstflight.observation.prometheus_api import PrometheusApi

_STALE = timedelta(seconds=90)


class Target(Value):
    """One thing that is scraped: by which job, in which namespace, with what success."""

    job: str
    namespace: str
    instance: str
    health: str
    error: str
    scraped: datetime | None


def read_targets(url: str) -> tuple[Target, ...]:
    """Return every active target of the Prometheus at `url`.

    Raises:
        MetricsUnavailableError: It does not answer, or with something else than targets.
    """
    return PrometheusApi(url).read(
        "targets", {"state": "active"}, lambda data: tuple(map(_target, data["activeTargets"]))
    )


def target_findings(targets: Sequence[Target], namespace: str, now: datetime) -> Iterator[Finding]:
    """Yield one line for each job that scrapes `namespace`, or the one that none does."""
    jobs = defaultdict(list)
    for target in targets:
        if target.namespace == namespace:
            jobs[target.job].append(target)
    if not jobs:
        yield failed(
            "prometheus-no-target",
            f"Prometheus targets in {namespace}",
            f"none of {len(targets)} targets is in this namespace",
            wanted="the mesh and the servers among its targets",
            fix="kubectl apply -k k8s/extras/monitoring; does Prometheus select monitors of this namespace?"
            if targets
            else "was Prometheus just started? It finds its targets within a minute: look again; then kubectl apply -k"
            " k8s/extras/monitoring",
        )
    for job, found in sorted(jobs.items()):
        yield _job(f"Prometheus job {job}", found, now)


def unreachable(error: MetricsUnavailableError) -> Finding:
    """Return the line about a Prometheus that does not answer."""
    return failed(
        "prometheus-unreachable",
        "Prometheus",
        str(error),
        wanted="an answer: without figures a rollout neither goes on nor is called healthy",
        fix="correct FIRSTFLIGHT_PROMETHEUS_URL; from outside the cluster a port-forward",
    )


def _job(subject: str, found: list[Target], now: datetime) -> Finding:
    down = [target for target in found if target.health != "up"]
    if down:
        return failed(
            "prometheus-target-down",
            subject,
            f"{len(down)} of {len(found)} down: {named([f'{one.instance} ({one.error[:120]})' for one in down], 2)}",
            wanted="every target up",
            fix="refused: nobody listens there, see the pod's own line, and its log, ready or not"
            if any("refused" in one.error for one in down)
            else "does a network policy keep Prometheus out? k8s/components/monitoring/network-policies.yaml",
        )
    stale = [target for target in found if target.scraped is None or now - target.scraped > _STALE]
    if stale:
        return warned(
            "prometheus-stale",
            subject,
            f"{len(stale)} of {len(found)} not scraped within {_STALE.seconds} s",
            wanted="a scrape every 15 s",
            fix="is Prometheus overloaded, or was it just started?",
        )
    return passed("prometheus", subject, f"{len(found)} up")


def _target(one: Any) -> Target:
    labels = one["labels"]
    scraped = datetime.fromisoformat(one["lastScrape"]).astimezone(UTC) if one.get("lastScrape") else None
    return Target(
        job=str(labels.get("job", "")),
        namespace=str(labels.get("namespace", "")),
        instance=str(labels.get("instance", "")),
        health=str(one.get("health", "unknown")),
        error=str(one.get("lastError", "")),
        scraped=None if scraped is None or scraped.year < 2000 else scraped,  # noqa: PLR2004 - Go's zero time
    )
