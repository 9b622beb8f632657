"""Whether what is kept can be reached: PostgreSQL, MLflow, and how far the collector has come."""

from datetime import UTC, datetime, timedelta

import httpx

from firstflight.domain.errors import StoreUnavailableError
from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.observation import days
from firstflight.observation.database import Database
from firstflight.observation.store_source import StoreSource
from firstflight.settings import Settings
from firstflight.stack import postgres

SLOW_SECONDS, STOPPED_SECONDS = 10.0, 60.0
"""It writes its place five times a second."""
_ANSWER_SECONDS = 5.0
_A_DAY = timedelta(days=1)
"""A night in which nobody made days is none to be told of."""


_ON_ONE_MACHINE = {
    "postgres": "`firstflight up`, or correct FIRSTFLIGHT_DATABASE_URL",
    "store": "is the database `firstflight` there? `firstflight up` makes it",
    "mlflow": "`firstflight up`, or correct MLFLOW_TRACKING_URI",
    "collector": "is it running? `firstflight status`",
    "retention": "see the collector's log: it makes and drops days once an hour",
}
"""What to do there about each part."""
_IN_A_CLUSTER = {
    "postgres": "is the server up, and the Secret firstflight-database right? From outside the cluster a"
    " port-forward, and FIRSTFLIGHT_DATABASE_URL",
    "store": "make the database `firstflight`, and let the account of the Secret firstflight-database use it",
    "mlflow": "kubectl get pods -l app.kubernetes.io/name=mlflow; from outside the cluster a port-forward to"
    " mlflow, and MLFLOW_TRACKING_URI",
    "collector": "kubectl logs of the servers' pods, container collector",
    "retention": "kubectl get cronjob retention, and the log of its last job",
}


def record_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what PostgreSQL and MLflow say."""
    return (*_database(settings), _registry(settings))


def lag_finding(complete: datetime | None, now: datetime, backend: str = "local") -> Finding:
    """Return how far behind the collector is."""
    if complete is None:
        return warned(
            "collector-never",
            "collector",
            "has stored nothing yet",
            wanted="its place in the log, which it writes even when nothing is said there",
            fix=_fix("collector", backend),
        )
    seconds = max(0.0, (now - complete).total_seconds())
    if seconds <= SLOW_SECONDS:
        return passed("collector", "collector", f"{seconds:.1f} s behind")
    make = warned if seconds <= STOPPED_SECONDS else failed
    return make(
        "collector-behind",
        "collector",
        f"{seconds:.0f} s behind",
        wanted=f"at most {SLOW_SECONDS:.0f} s: a rollout waits for figures, and in the end rolls back",
        fix="see its log: does it run, does the database answer, is another process holding its place?",
    )


def days_finding(until: datetime, now: datetime, backend: str = "local") -> Finding:
    """Return whether days of predictions are made ahead, by when the last one ends: whoever does so drops old ones."""
    found = f"predictions have days up to {until:%Y-%m-%d}"
    if now < until + _A_DAY:
        return passed("retention", "retention", found)
    wanted = "one for today: until there is, all goes to one part, and no old day is dropped"
    return warned("retention-stopped", "retention", found, wanted=wanted, fix=_fix("retention", backend))


def _database(settings: Settings) -> tuple[Finding, ...]:
    if not postgres.answers(settings):
        return (
            failed(
                "postgres-unreachable",
                "PostgreSQL",
                "gives no answer",
                wanted="an answer: ledger, predictions, Prefect and MLflow live there",
                fix=_fix("postgres", settings.backend),
            ),
        )
    answers = passed("postgres", "PostgreSQL", "answers")
    url, now = settings.database("firstflight"), datetime.now(UTC)
    try:
        window = StoreSource(url).watermark("")
        with Database(url).connection() as connection:
            last = days.partitions(connection, "prediction")[-1]
    except StoreUnavailableError as error:
        fix = _fix("store", settings.backend)
        return answers, failed("store-unreachable", "prediction store", str(error), wanted="an answer", fix=fix)
    return (
        answers,
        lag_finding(window.until if window else None, now, settings.backend),
        days_finding(last.until, now, settings.backend),
    )


def _registry(settings: Settings) -> Finding:
    wanted, fix = "200 from /health", _fix("mlflow", settings.backend)
    try:
        answer = httpx.get(f"{settings.mlflow_uri}/health", timeout=_ANSWER_SECONDS, trust_env=False)
    except (httpx.RequestError, httpx.InvalidURL) as error:
        found = f"no answer at {settings.mlflow_uri}: {error!r}"
        return failed("mlflow-unreachable", "MLflow", found, wanted=wanted, fix=fix)
    if answer.is_success:
        return passed("mlflow", "MLflow", f"answers at {settings.mlflow_uri}")
    return failed("mlflow-unreachable", "MLflow", f"answers {answer.status_code}", wanted=wanted, fix=fix)


def _fix(part: str, backend: str) -> str:
    return (_ON_ONE_MACHINE if backend == "local" else _IN_A_CLUSTER)[part]
