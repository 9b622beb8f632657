"""What is counted on a cluster, by the real Envoy and the real Prometheus: the double is right, and the queries are.

Prometheus is no Python package: these tests run where a `prometheus` is installed (Debian has the package).
"""

import asyncio
import contextlib
import http.server
import json
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

import aiohttp
import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from firstflight.domain.errors import MetricsUnavailableError
from firstflight.domain.samples import Counts, Histogram, Window
from firstflight.guard.clock import LeaseClock
from firstflight.guard.figures import GuardFigures
from firstflight.observation.prometheus import PrometheusSource
from firstflight.observation.prometheus_api import PrometheusApi
from firstflight.serving.local.gateway import _binary
from firstflight.serving.runtime import latency
from firstflight.serving.seldon.queries import gateway_series
from firstflight.settings import Settings
from firstflight.telemetry.exporter import Exporter
from firstflight.telemetry.rollouts import Rollouts
from firstflight.telemetry.serve import served
from firstflight.telemetry.truths import Worths
from tests.conftest import ROOT, free_ports
from tests.doubles import mesh
from tests.doubles.prometheus import PrometheusDouble, running_prometheus
from tests.manifests.test_monitoring import expressions
from tests.unit.acts.twin import Twin, in_first_stage
from tests.unit.telemetry.test_exporter import Stored

PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="no `prometheus` is installed (Debian has it)")
SCRAPE_SECONDS = 0.2
STABLE, CANDIDATE, DEAD = "baseline-predictor-v1", "lightweight-predictor-v2", "enhanced-predictor-v3"
ROUTE = "predictor"


def until(true: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """Wait for `true()` to be so, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


@contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the block runs."""
    with log.open("ab") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as running:
        try:
            yield running
        finally:
            running.terminate()
            running.wait(timeout=120)


@contextmanager
def real_prometheus(folder: Path, target: str, path: str) -> Iterator[str]:
    """Run a Prometheus that scrapes `target` as the operator's would, and yield its address."""
    assert PROMETHEUS is not None
    port = free_ports().prefect
    job = {
        "job_name": "models/seldon-envoy",
        "metrics_path": path,
        "static_configs": [{"targets": [target], "labels": {"namespace": mesh.NAMESPACE, "pod": "seldon-envoy-0"}}],
    }
    scrape = f"{SCRAPE_SECONDS * 1000:.0f}ms"
    config = {"global": {"scrape_interval": scrape, "scrape_timeout": scrape}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    command = [PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with process([*command, f"--web.listen-address=127.0.0.1:{port}"], folder / "prometheus.log"):
        api = PrometheusApi(f"http://127.0.0.1:{port}")

        def answers() -> bool:
            try:
                return api.newest(f'up{{namespace="{mesh.NAMESPACE}"}}') != ()
            except MetricsUnavailableError:
                return False

        until(answers, "Prometheus scrapes its target")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def twin() -> Twin:
    """A world in memory, with a champion."""
    made = Twin()
    made.champion()
    return made


class World(Protocol):
    """A Prometheus and what it scrapes."""

    url: str

    def expose(self, series: Mapping[str, float]) -> None:
        """Expose counters by their label `le`, and return after they were scraped."""


class DoubleWorld:
    """The double, told of a scrape."""

    def __init__(self, double: PrometheusDouble) -> None:
        self.url, self._double = double.url, double
        self._double.now = time.time_ns() // 1_000_000 - 10_000

    def expose(self, series: Mapping[str, float]) -> None:
        """Keep the values as scraped 0.2 s after the last ones."""
        found = {frozenset({("__name__", "seen_total"), ("le", le)}): value for le, value in series.items()}
        self._double.scrape(self._double.now + 200, found, {"instance": "one", "namespace": mesh.NAMESPACE})


class RealWorld:
    """The real one, scraping an exporter."""

    def __init__(self, url: str, page: dict[str, Any]) -> None:
        self.url, self._page = url, page

    def expose(self, series: Mapping[str, float]) -> None:
        """Put the values on the exporter's page and wait until they are kept."""
        self._page["text"] = "".join(f'seen_total{{le="{le}"}} {value}\n' for le, value in series.items())
        seen = self._page["scrapes"]
        until(lambda: self._page["scrapes"] >= seen + 2, "the exporter is scraped")
        at = time.time_ns() // 1_000_000
        until(lambda: min(PrometheusApi(self.url).newest(f'up{{namespace="{mesh.NAMESPACE}"}}')) > at, "it is kept")


@contextmanager
def exporter(page: dict[str, Any]) -> Iterator[int]:
    """Serve `page["text"]` and count who asked."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = page["text"].encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)
            page["scrapes"] += 1

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(params=["double", pytest.param("real", marks=needs_prometheus)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The double and the real one."""
    if request.param == "double":
        with running_prometheus() as double:
            yield DoubleWorld(double)
        return
    page: dict[str, Any] = {"text": "", "scrapes": 0}
    with exporter(page) as port, real_prometheus(tmp_path, f"127.0.0.1:{port}", "/metrics") as url:
        yield RealWorld(url, page)


def test_the_double_answers_as_prometheus_does(world: World) -> None:
    """Ended series have no newest scrape but keep their values; NaN is a value; ranges include both of their ends."""
    api = PrometheusApi(world.url)
    selector = f'seen_total{{namespace="{mesh.NAMESPACE}",le=~"[0-9]+"}}'
    world.expose({"1": 1, "2": 10, "+Inf": 5})
    world.expose({"1": 2, "2": float("nan")})
    [newest, _] = sorted(api.newest(selector))
    world.expose({"1": 3})

    [last] = api.newest(selector)
    found = {dict(one.labels)["le"]: one.values for one in api.readings(selector, newest - 8000, last)}
    assert {"1", "2"} == set(found)
    assert [1, 2, 3] == sorted(set(found["1"].values()))
    assert {"10.0", "nan"} == {str(value) for value in found["2"].values()}
    [first, *_] = sorted(found["1"])
    assert last == max(found["1"])
    ends = {at for one in api.readings(selector, first, last) for at in one.values}
    assert {first, last} <= ends
    [exact] = [one for one in api.readings(selector, last, last) if one.values]
    assert {last: 3.0} == exact.values
    with pytest.raises(MetricsUnavailableError, match=r"refused with 400: .*parse error"):
        api.newest("}")


class Backends(http.server.ThreadingHTTPServer):
    """Takes many connections at once."""

    request_queue_size = 100
    daemon_threads = True


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers as the request's `x-do` says."""

    protocol_version = "HTTP/1.1"
    attempts: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        wanted, rid = self.headers["x-do"], self.headers["x-request-id"]
        self.attempts[rid] += 1
        if wanted == "sleep":
            time.sleep(3)
        fails = wanted == "fail" or (wanted == "stumble" and self.attempts[rid] == 1)
        body = b'{"error": "as asked"}'  # Envoy cuts the connection of an attempt whose body it does not pass on
        self.send_response(400 if wanted == "refuse" else 500 if fails else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has left
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def envoy_config(ports: Any, backends: Mapping[str, int]) -> dict[str, Any]:
    """One cluster for each model, named and retried as Seldon does, with a shorter pause between tries."""

    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    retry = {"retry_on": "5xx,connect-failure", "num_retries": 5, "retry_back_off": {"base_interval": "0.005s"}}
    routes = [
        {
            "match": {"prefix": "/v2", "headers": [{"name": "seldon-model", "string_match": {"exact": model}}]},
            "route": {"cluster": f"{model}_1_http", "timeout": "0s", "retry_policy": retry},
        }
        for model in backends
    ]
    http_type = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    manager = {
        "@type": http_type,
        "stat_prefix": "seldon_http",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    clusters = [
        {
            "name": f"{model}_1_http",
            "type": "STATIC",
            "connect_timeout": "1s",
            "circuit_breakers": {"thresholds": [{"max_retries": 100}]},
            "load_assignment": {
                "cluster_name": f"{model}_1_http",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}],
            },
        }
        for model, port in backends.items()
    ]
    return {
        "admin": {"address": address(ports.prefect)},
        "stats_flush_interval": "0.2s",
        "static_resources": {
            "listeners": [{"name": "l", "address": address(ports.gateway), "filter_chains": [chain]}],
            "clusters": clusters,
        },
    }


async def ask(gateway: str, plan: list[tuple[str, str]], begin: int) -> None:
    """Ask each model as told; what sleeps is left after a moment."""
    async with aiohttp.ClientSession() as session:

        async def one(number: int, model: str, wanted: str) -> None:
            headers = {"seldon-model": model, "x-do": wanted, "x-request-id": f"{begin}-{number}"}
            patience = aiohttp.ClientTimeout(total=0.5 if wanted == "sleep" else 20)
            try:
                async with session.post(f"{gateway}/v2/x", data=b"{}", headers=headers, timeout=patience) as answer:
                    await answer.read()
            except TimeoutError:
                assert wanted == "sleep"

        await asyncio.gather(*(one(number, *asked) for number, asked in enumerate(plan)))


@needs_prometheus
def test_the_queries_count_what_clients_saw(tmp_path: Path) -> None:
    """Answers, retries, clients that left and a dead server are counted to the last one, across a restart of Envoy."""
    ports = free_ports()
    with Backends(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        backends = {STABLE: server.server_port, CANDIDATE: server.server_port, DEAD: ports.mlflow}
        config = tmp_path / "envoy.json"
        config.write_text(json.dumps(envoy_config(ports, backends)))
        binary = _binary(Settings(project=ROOT).serving_python)
        envoy = [str(binary), "--config-path", str(config), "--concurrency", "1", "--disable-hot-restart"]
        gateway, target = f"http://127.0.0.1:{ports.gateway}", f"127.0.0.1:{ports.prefect}"
        with real_prometheus(tmp_path, target, "/stats/prometheus") as url:
            source = PrometheusSource(url, gateway_series(mesh.NAMESPACE), arms=lambda _: (STABLE, CANDIDATE, DEAD))

            def watermark(after: float) -> Window:
                return until(
                    lambda: (found := source.watermark(ROUTE)) and found.until.timestamp() > after and found,
                    "a scrape that has everything",
                )

            assert source.watermark(ROUTE) is None
            with process(envoy, tmp_path / "envoy.log"):
                begin = watermark(0).until
                asyncio.run(
                    ask(
                        gateway,
                        [(STABLE, "answer")] * 20
                        + [(STABLE, "refuse")] * 2
                        + [(CANDIDATE, "fail")] * 3
                        + [(CANDIDATE, "stumble")] * 4
                        + [(CANDIDATE, "sleep")]
                        + [(DEAD, "answer")] * 2,
                        begin=1,
                    )
                )
                first = Window(since=begin, until=watermark(time.time() + 0.5).until)
            until(lambda: source.watermark(ROUTE) is None, "the scrapes of an ended Envoy end")
            with process(envoy, tmp_path / "envoy.log"):
                watermark(first.until.timestamp())
                asyncio.run(ask(gateway, [(STABLE, "answer")] * 30 + [(CANDIDATE, "stumble")] * 2, begin=2))
                second = Window(since=first.until, until=watermark(time.time() + 0.5).until)

            errors = {
                (place, name): source.samples(ROUTE, name, window)["error_rate"]
                for place, window in enumerate((first, second))
                for name in (STABLE, CANDIDATE)
            }
            assert {
                (0, STABLE): Counts(exposures=20, events=0),
                (0, CANDIDATE): Counts(exposures=3 * 6 + 4 * 2 + 1, events=3 * 6 + 4 + 1),
                (1, STABLE): Counts(exposures=30, events=0),
                (1, CANDIDATE): Counts(exposures=2 * 2, events=2),
            } == errors
            assert Counts(exposures=12, events=12) == source.samples(ROUTE, DEAD, first)["error_rate"]
            assert {STABLE: 22, CANDIDATE: 8, DEAD: 2} == dict(source.assignments(ROUTE, first))
            assert {STABLE: 30, CANDIDATE: 2} == dict(source.assignments(ROUTE, second))
            whole = Window(since=first.since, until=second.until)
            assert Counts(exposures=22, events=2) == source.samples(ROUTE, STABLE, first)["refused_rate"]
            assert Counts(exposures=50, events=0) == source.samples(ROUTE, STABLE, whole)["error_rate"]
            latency = source.samples(ROUTE, STABLE, first)["latency"]
            assert isinstance(latency, Histogram)
            assert mesh.EDGES == latency.edges
            assert 22 == sum(latency.counts)


MEANT = {"namespace": mesh.NAMESPACE, "model": ".*", "__rate_interval": "1m", "__range": "1h"}
GRAFANAS = re.compile(r"\$(\w+)")


@needs_prometheus
def test_prometheus_takes_what_is_told_of_a_rollout(twin: Twin, tmp_path: Path) -> None:
    """Exporter, guard and model server in one scrape, as OpenMetrics; every query of rules and panels is answered."""
    rollout, stored = in_first_stage(twin), Stored()
    rollouts, worths, guard = Rollouts(twin.world), Worths(stored), GuardFigures(LeaseClock(30))  # type: ignore[arg-type]  # the calls it makes
    list(worths.told({rollout.model: rollout}))
    stored.put(rollout.candidate.served_name, 0.9, 0.0, -0.01)
    guard.went(0.02)
    latency.observe(rollout.model, rollout.candidate.served_name, "answered", 0.003, "order-7")

    def of_the_ledger() -> Iterable[Metric]:
        rollouts.read()
        return rollouts.told()

    registry = CollectorRegistry()
    for one in (
        Exporter([("ledger", of_the_ledger), ("outcomes", lambda: worths.told(rollouts.last))]),
        guard,
        latency.SECONDS,
    ):
        registry.register(one)
    with served(registry, "127.0.0.1", 0) as port, real_prometheus(tmp_path, f"127.0.0.1:{port}", "/metrics") as url:

        def ask(query: str) -> list[dict[str, Any]]:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": query}, trust_env=False, timeout=120)
            assert answer.is_success, f"{query}: {answer.text}"
            result: list[dict[str, Any]] = answer.json()["data"]["result"]
            return result

        until(lambda: ask("simulated_trading_profit_lost_dollars_total > 0"), "what was told is kept")
        until(lambda: ["1"] == [one["value"][1] for one in ask("up")], "a scrape is read to its end")
        until(
            lambda: ["observing"] == [one["metric"]["phase"] for one in ask("firstflight_rollout_phase == 1")],
            "where the rollout stands is known",
        )
        for query in expressions():
            ask(GRAFANAS.sub(lambda word: MEANT[word[1]], query))
