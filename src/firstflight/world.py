"""Everything outside that a rollout touches, opened in one place."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from firstflight.decision.verdicts import Decision
from firstflight.domain.errors import RolloutError
from firstflight.domain.samples import Look
from firstflight.ledger import open_store
from firstflight.ledger.record import RecordStore
from firstflight.notify import open_notifier
from firstflight.notify.notifier import Notifier
from firstflight.observation.combined import CombinedSource
from firstflight.observation.source import MetricSource
from firstflight.observation.store_source import StoreSource
from firstflight.registry.mlflow_registry import MlflowRegistry
from firstflight.registry.registry import ModelRegistry
from firstflight.rollout.policy import Policy, none_of
from firstflight.serving import Leases, ServingBackend, gateway_series, open_backend, open_leases
from firstflight.settings import Settings

HOME_SECONDS = 600.0
"""A scheduler that is restarted is back by then, and a person has heard."""


def clock() -> datetime:
    """The time now, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class World:
    """The clients an act needs; a test puts in-memory ones and a clock of its own.

    `now` is a clock that people set, `monotonic` counts seconds and nobody can. `environment` is where this is and
    `policy` gives what an environment asks of every rollout (RolloutError: it cannot be read); `link` gives the page of
    a run, `show` is called with each check and what was decided on it. For `home_seconds` a way home that does not come
    true is tried again.
    """

    backend: ServingBackend
    leases: Leases
    source: MetricSource
    registry: ModelRegistry
    ledger: RecordStore
    notifier: Notifier
    now: Callable[[], datetime] = clock
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    lease_seconds: float = 30.0
    home_seconds: float = 0.0
    environment: str = "local"
    policy: Callable[[str], Policy] = none_of
    link: Callable[[str], str] = str
    show: Callable[[Look, Decision], None] = lambda _look, _decision: None


def open_world(settings: Settings) -> World:
    """Open the clients that `settings` name."""
    backend = open_backend(settings)
    return World(
        backend=backend,
        leases=open_leases(settings),
        source=open_source(settings, backend),
        registry=MlflowRegistry(settings.mlflow_uri),
        ledger=open_store(settings),
        notifier=open_notifier(settings),
        lease_seconds=settings.lease_seconds,
        home_seconds=HOME_SECONDS,
        environment=settings.environment,
        policy=partial(read_policy, settings),
        link=settings.run_page,
    )


def read_policy(settings: Settings, environment: str) -> Policy:
    """Return the policy of `environment`, as its file says now; on one's own machine none is needed.

    Raises RolloutError when there is no file, or it holds no policy: nobody can say what is allowed.
    """
    file = settings.policy_file(environment)
    try:
        return Policy.read(environment, file.read_bytes())
    except FileNotFoundError as error:
        if environment == "local":
            return none_of(environment)
        raise RolloutError(
            f"there is no policy of {environment}: {file} is missing; write one, or restore it"
        ) from error
    except (OSError, ValueError) as error:
        raise RolloutError(f"{file} holds no policy of {environment}: {error}") from error


def open_source(settings: Settings, backend: ServingBackend) -> MetricSource:
    """Return where requests and outcomes are observed: the prediction store, and the gateway's counters if it has any.

    `backend` says among whom a route is divided, which counters do not know. What outcomes mean is said by the
    plan's workload: `scored_by`.
    """
    stored = StoreSource(settings.database("firstflight"))
    series = gateway_series(settings)
    if series is None:
        return stored
    from firstflight.observation.prometheus import PrometheusSource  # noqa: PLC0415 - only a cluster waits for httpx

    def arms(route: str) -> Iterable[str]:
        split = backend.get_traffic(route)
        return split.weights if split else ()

    return CombinedSource(PrometheusSource(settings.prometheus_url, series, arms), stored)
