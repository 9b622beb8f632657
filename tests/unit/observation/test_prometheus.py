"""The source over Prometheus when something is missing, late or broken: NoData with the reason, or the exact count."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from firstflight.domain.samples import Counts, Histogram, NoData, Window
from firstflight.observation import prometheus_api
from firstflight.observation.prometheus import PrometheusSource
from firstflight.serving.seldon.queries import gateway_series
from tests.conftest import free_ports
from tests.doubles import mesh
from tests.doubles.mesh import Mesh
from tests.doubles.prometheus import PrometheusDouble, running_prometheus

ROUTE, STABLE, CANDIDATE = "predictor", "baseline-predictor-v1", "lightweight-predictor-v2"
BEGIN = 1_767_225_600_000
"""2026-01-01, in milliseconds."""
INTERVAL = 15_000
OTHER = {**mesh.TARGET, "instance": "10.0.0.8:9003", "pod": "seldon-envoy-1"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(prometheus_api, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def double() -> Iterator[PrometheusDouble]:
    """A Prometheus that scraped nothing."""
    with running_prometheus() as running:
        yield running


@pytest.fixture
def source(double: PrometheusDouble) -> PrometheusSource:
    """The source over it."""
    return at(double.url)


def at(url: str) -> PrometheusSource:
    """A source over the Prometheus at `url`."""
    return PrometheusSource(url, gateway_series(mesh.NAMESPACE), arms=lambda _: (STABLE, CANDIDATE))


def moment(milliseconds: int) -> datetime:
    """Milliseconds after BEGIN."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def between(since: int, until: int) -> Window:
    """A window in milliseconds after BEGIN."""
    return Window(since=moment(since), until=moment(until))


def scrape(double: PrometheusDouble, envoy: Mesh, after: int) -> None:
    """Scrape so many milliseconds after BEGIN."""
    double.scrape(BEGIN + after, envoy.expose(BEGIN + after), envoy.target)


def an_hour_old(target: dict[str, str] | None = None) -> Mesh:
    """An Envoy that runs for an hour and answered 1,000 requests, 500 of them by an error."""
    envoy = Mesh(BEGIN - 3_600_000, target)
    for number in range(1000):
        envoy.ask(STABLE, code=500 if number % 2 else 200)
    return envoy


def ask(envoy: Mesh, count: int, model: str = STABLE, code: int = 200) -> None:
    """Ask `count` times."""
    for _ in range(count):
        envoy.ask(model, code=code)


def errors(source: PrometheusSource, window: Window, name: str = STABLE) -> object:
    """What the source says of the error rate."""
    return source.samples(ROUTE, name, window)["error_rate"]


def reasons(source: PrometheusSource, window: Window) -> set[str]:
    """The reasons why there is nothing of any metric."""
    samples = source.samples(ROUTE, STABLE, window).values()
    assert all(isinstance(sample, NoData) for sample in samples), samples
    return {sample.reason for sample in samples if isinstance(sample, NoData)}


def test_the_first_failure_of_a_series_is_counted(double: PrometheusDouble, source: PrometheusSource) -> None:
    """A series that begins inside the window began at 0: its first value is three failures, not none."""
    envoy = Mesh(BEGIN - 3_600_000)
    ask(envoy, 10, CANDIDATE)
    scrape(double, envoy, 0)
    scrape(double, envoy, INTERVAL)
    ask(envoy, 3, CANDIDATE, code=500)
    ask(envoy, 2, CANDIDATE)
    scrape(double, envoy, 2 * INTERVAL)
    scrape(double, envoy, 3 * INTERVAL)

    assert Counts(exposures=5, events=3) == errors(source, between(0, 3 * INTERVAL), CANDIDATE)


def test_what_was_counted_before_the_first_scrape_is_not_counted(
    double: PrometheusDouble, source: PrometheusSource
) -> None:
    """An Envoy that Prometheus finds only now has counted for an hour, nobody knows when: that is the state before."""
    envoy = an_hour_old()
    scrape(double, envoy, INTERVAL)
    ask(envoy, 4)
    scrape(double, envoy, 2 * INTERVAL)

    assert Counts(exposures=4, events=0) == errors(source, between(0, 2 * INTERVAL))


def test_an_envoy_that_began_inside_the_window_is_counted_whole(
    double: PrometheusDouble, source: PrometheusSource
) -> None:
    """A replica that was added in the window answered all that it counts inside it."""
    old, new = an_hour_old(), Mesh(BEGIN + 8000, OTHER)
    scrape(double, old, 0)
    ask(new, 7)
    scrape(double, new, 14_000)
    for step in (1, 2):
        scrape(double, old, step * INTERVAL)
        scrape(double, new, step * INTERVAL + 14_000)

    assert Counts(exposures=7, events=0) == errors(source, between(0, 2 * INTERVAL))


def test_a_restart_is_no_loss_and_no_gain(double: PrometheusDouble, source: PrometheusSource) -> None:
    """After a restart counters begin at 0, also when they have passed their old value by the next scrape."""
    first, second, third = (Mesh(BEGIN + after) for after in (-3_600_000, 16_000, 38_000))
    ask(first, 5)
    scrape(double, first, 0)
    ask(first, 2)
    scrape(double, first, INTERVAL)
    ask(second, 4)
    scrape(double, second, 2 * INTERVAL)
    ask(third, 50)
    scrape(double, third, 3 * INTERVAL)

    assert Counts(exposures=2 + 4 + 50, events=0) == errors(source, between(0, 3 * INTERVAL))


def test_an_envoy_that_fell_at_once_is_no_loss(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Two that lived for a second each have the same uptime: a counter that is gone tells them apart."""
    first, second = Mesh(BEGIN), Mesh(BEGIN + 2000)
    scrape(double, first, 200)
    ask(first, 20)
    scrape(double, first, 800)
    scrape(double, second, 2200)
    ask(second, 30)
    scrape(double, second, 2800)

    assert Counts(exposures=30, events=0) == errors(source, between(800, 2800))
    assert Counts(exposures=50, events=0) == errors(source, between(0, 2800))


def test_what_happened_before_the_window_is_not_in_it(double: PrometheusDouble, source: PrometheusSource) -> None:
    """A window that begins between two scrapes begins with the later one: before that the split was another one."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 100)
    scrape(double, envoy, INTERVAL)
    ask(envoy, 9)
    scrape(double, envoy, 2 * INTERVAL)

    assert Counts(exposures=9, events=0) == errors(source, between(1000, 2 * INTERVAL))


def test_replicas_are_scraped_in_turn_and_added_up(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Consecutive windows divide what two Envoys counted, though their scrapes never coincide."""
    envoys = (an_hour_old(), an_hour_old(OTHER))
    for envoy, offset in zip(envoys, (0, 7000), strict=True):
        scrape(double, envoy, offset)
    windows, last = [], moment(0)
    for step in range(1, 7):
        for place, (envoy, offset) in enumerate(zip(envoys, (0, 7000), strict=True)):
            ask(envoy, step * (10 + place))
            scrape(double, envoy, step * INTERVAL + offset)
            found = source.watermark(ROUTE)
            assert found is not None
            windows.append(Window(since=last, until=found.until))
            last = found.until
    parts = [sample for window in windows if isinstance(sample := errors(source, window), Counts)]

    whole = errors(source, Window(since=moment(0), until=last))
    assert isinstance(whole, Counts)
    assert whole.exposures == sum(part.exposures for part in parts)
    assert sum(step * 21 for step in range(1, 7)) == whole.exposures
    assert {STABLE: whole.exposures} == dict(source.assignments(ROUTE, Window(since=moment(0), until=last)))


def test_an_envoy_that_two_jobs_scrape_counts_once(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Seldon's own monitor beside ours scrapes the same pod again."""
    envoy = an_hour_old()
    twice = ({**mesh.TARGET}, {**mesh.TARGET, "job": "seldon-mesh", "service": "seldon-mesh"})
    for step in range(3):
        for place, target in enumerate(twice):
            after = BEGIN + step * INTERVAL + place
            double.scrape(after, envoy.expose(after), target)
        ask(envoy, 6)

    assert Counts(exposures=12, events=0) == errors(source, between(0, 2 * INTERVAL))


def test_a_pod_that_is_scraped_under_two_addresses_counts_once(
    double: PrometheusDouble, source: PrometheusSource
) -> None:
    """An instance is what a monitor calls it; a pod is one process."""
    envoy = an_hour_old()
    named = an_hour_old({**mesh.TARGET, "instance": "seldon-envoy-0.seldon-envoy:9003"})
    scrape(double, envoy, 0)
    scrape(double, named, 0)
    for one in (envoy, named):
        ask(one, 60)
    scrape(double, envoy, INTERVAL)
    scrape(double, named, INTERVAL)
    assert Counts(exposures=60, events=0) == errors(source, between(0, INTERVAL))


def test_a_pod_that_moved_is_another_process(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Its name comes back at another address, after it was gone."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 10)
    scrape(double, envoy, INTERVAL)
    moved = Mesh(BEGIN + INTERVAL + 1000, {**mesh.TARGET, "instance": "10.0.0.9:9003"})
    ask(moved, 5)
    scrape(double, moved, 2 * INTERVAL)
    scrape(double, moved, 3 * INTERVAL)
    assert Counts(exposures=15, events=0) == errors(source, between(0, 3 * INTERVAL))


def test_a_retry_is_no_client_that_left(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Each repeated attempt that had a body cuts its connection, as a client that leaves does."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 282)
    for _ in range(18):
        envoy.ask(STABLE, code=500, retries=5)
    ask(envoy, 19, code=0)
    scrape(double, envoy, INTERVAL)
    assert Counts(exposures=282 + 18 * 6 + 19, events=18 * 6 + 19) == errors(source, between(0, INTERVAL))
    assert {STABLE: 282 + 18 + 19} == dict(source.assignments(ROUTE, between(0, INTERVAL)))


def test_a_request_on_its_way_has_not_been_left(double: PrometheusDouble, source: PrometheusSource) -> None:
    """It is counted when it ends, in the window in which it does."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 3)
    envoy.begin(STABLE, 2)
    scrape(double, envoy, INTERVAL)
    envoy.begin(STABLE, -2)
    ask(envoy, 1)
    ask(envoy, 1, code=0)
    scrape(double, envoy, 2 * INTERVAL)
    assert Counts(exposures=3, events=0) == errors(source, between(0, INTERVAL))
    assert Counts(exposures=2, events=1) == errors(source, between(INTERVAL, 2 * INTERVAL))


def test_an_attempt_that_found_nobody_hides_no_client_that_left(
    double: PrometheusDouble, source: PrometheusSource
) -> None:
    """A dead server is repeated and answered for without ever being among the requests that were sent."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    envoy.ask(STABLE, code=503, retries=5, reached=False)
    ask(envoy, 6, code=0)
    scrape(double, envoy, INTERVAL)
    assert Counts(exposures=12, events=12) == errors(source, between(0, INTERVAL))


def test_a_gap_between_scrapes_loses_nothing(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Ten minutes without a scrape inside the window: the difference across them is as exact as any."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 30)
    scrape(double, envoy, 600_000)

    assert Counts(exposures=30, events=0) == errors(source, between(0, 600_000))


def test_a_scrape_that_says_nan_is_passed_over(double: PrometheusDouble, source: PrometheusSource) -> None:
    """A NaN is no value: the difference is taken across it."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 3)
    nothing = {series: float("nan") for series in envoy.expose(BEGIN + INTERVAL)}
    double.scrape(BEGIN + INTERVAL, nothing, envoy.target)
    ask(envoy, 4)
    scrape(double, envoy, 2 * INTERVAL)

    assert Counts(exposures=7, events=0) == errors(source, between(0, 2 * INTERVAL))


def test_a_nan_at_the_beginning_is_no_zero(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Where the state before is unknown, counting begins with the first known value, never from 0."""
    envoy = an_hour_old()
    known = envoy.expose(BEGIN)
    unknown = {
        series: value if ("__name__", "envoy_server_uptime") in series else float("nan")
        for series, value in known.items()
    }
    double.scrape(BEGIN, unknown, envoy.target)
    scrape(double, envoy, INTERVAL)
    ask(envoy, 4)
    scrape(double, envoy, 2 * INTERVAL)

    assert Counts(exposures=4, events=0) == errors(source, between(0, 2 * INTERVAL))


def test_counters_that_count_no_requests_are_refused(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Half a request is none: a rule that smooths counters must not pass for them."""
    envoy = Mesh(BEGIN - 3_600_000)
    ask(envoy, 4)
    scrape(double, envoy, 0)
    ask(envoy, 4)
    halves = {
        series: value if ("__name__", "envoy_server_uptime") in series else value + 0.5
        for series, value in envoy.expose(BEGIN + INTERVAL).items()
    }
    double.scrape(BEGIN + INTERVAL, halves, envoy.target)

    [reason] = reasons(source, between(0, INTERVAL))
    assert "no number of requests" in reason
    assert {} == dict(source.assignments(ROUTE, between(0, INTERVAL)))


def test_buckets_that_contradict_each_other_are_no_histogram(
    double: PrometheusDouble, source: PrometheusSource
) -> None:
    """Two Envoys with different buckets do not add up; the error rate is none the worse."""
    coarse, fine = an_hour_old(), an_hour_old(OTHER)
    for step in range(2):
        after = BEGIN + step * INTERVAL
        scrape(double, fine, step * INTERVAL)
        few = {series: n for series, n in coarse.expose(after).items() if dict(series).get("le") in {None, "5", "+Inf"}}
        double.scrape(after, few, coarse.target)
        ask(coarse, 10)
        ask(fine, 10)

    samples = source.samples(ROUTE, STABLE, between(0, INTERVAL))
    assert Counts(exposures=20, events=0) == samples["error_rate"]
    latency = samples["latency"]
    assert isinstance(latency, NoData)
    assert "contradict each other" in latency.reason


def test_latency_has_the_gateways_edges(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Cumulative buckets become counts between edges, of this window alone."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    for milliseconds in (3, 250, 251, 4_000_000):
        envoy.ask(STABLE, milliseconds=milliseconds)
    scrape(double, envoy, INTERVAL)

    latency = source.samples(ROUTE, STABLE, between(0, INTERVAL))["latency"]
    assert isinstance(latency, Histogram)
    assert mesh.EDGES == latency.edges
    place = latency.edges.index(250)
    assert {latency.edges.index(5): 1, place: 1, place + 1: 1, len(latency.edges): 1} == {
        i: n for i, n in enumerate(latency.counts) if n
    }


def test_a_shadow_is_assigned_nothing(double: PrometheusDouble, source: PrometheusSource) -> None:
    """What the mesh mirrors has counters too; only the split says who was meant to answer."""
    envoy = Mesh(BEGIN - 3_600_000)
    scrape(double, envoy, 0)
    ask(envoy, 3)
    ask(envoy, 3, "shadow-predictor-v2")
    scrape(double, envoy, INTERVAL)

    assert {STABLE: 3} == dict(source.assignments(ROUTE, between(0, INTERVAL)))
    assert Counts(exposures=3, events=0) == errors(source, between(0, INTERVAL), "shadow-predictor-v2")


def test_names_that_begin_alike_are_not_mixed_up(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Version 1 is not version 11, nor a model whose name goes on."""
    envoy = Mesh(BEGIN - 3_600_000)
    scrape(double, envoy, 0)
    for name in (STABLE, f"{STABLE}1", f"{STABLE}-b", f"a-{STABLE}"):
        ask(envoy, 2, name)
    scrape(double, envoy, INTERVAL)

    assert Counts(exposures=2, events=0) == errors(source, between(0, INTERVAL))


def test_nothing_is_scraped(source: PrometheusSource) -> None:
    """Without a target nobody records: no watermark, and a reason that leads to the targets."""
    assert source.watermark(ROUTE) is None
    [reason] = reasons(source, between(0, INTERVAL))
    assert "among Prometheus' targets" in reason


def test_the_watermark_is_what_every_live_process_has(double: PrometheusDouble, source: PrometheusSource) -> None:
    """The slowest process holds it back while it is alive, and no longer once its series ended."""
    fast, slow = an_hour_old(), an_hour_old(OTHER)
    scrape(double, slow, 7000)
    for step in range(4):
        scrape(double, fast, step * INTERVAL)
    assert between(0, 7000) == source.watermark(ROUTE)

    double.scrape(BEGIN + 3 * INTERVAL, {}, slow.target)

    assert between(0, 3 * INTERVAL) == source.watermark(ROUTE)


def test_stale_scrapes_end(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Prometheus that stopped scraping still shows the last scrape for five minutes; then nobody records."""
    scrape(double, an_hour_old(), 0)
    double.now = BEGIN + 299_000
    assert between(0, 0) == source.watermark(ROUTE)
    double.now = BEGIN + 300_000
    assert source.watermark(ROUTE) is None


def test_an_empty_window_asks_nobody(double: PrometheusDouble, source: PrometheusSource) -> None:
    """While the watermark does not move there is nothing to look at, and no request is made to find that out."""
    scrape(double, an_hour_old(), 0)
    [reason] = reasons(source, between(INTERVAL, INTERVAL))
    assert "no process of the gateway was scraped" in reason
    assert {} == dict(source.assignments(ROUTE, between(INTERVAL, INTERVAL)))
    assert [] == double.asked


def test_an_unreachable_server_is_no_data() -> None:
    """Nobody listens: no watermark, every metric NoData that names the address, nobody assigned."""
    source = at(f"http://ada:secret@127.0.0.1:{free_ports().prefect}")
    assert source.watermark(ROUTE) is None
    [reason] = reasons(source, between(0, INTERVAL))
    assert "gave no answer" in reason
    assert "secret" not in reason
    assert {} == dict(source.assignments(ROUTE, between(0, INTERVAL)))


REFUSAL = json.dumps({"status": "error", "errorType": "timeout", "error": "query timed out"}).encode()
EMPTY = {"resultType": "matrix", "result": []}
PARTIAL = json.dumps({"status": "success", "data": EMPTY, "warnings": ["store 2 did not answer"]}).encode()
ODD = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}}]}}).encode()
SCALAR = json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [0, "1"]}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (400, REFUSAL, "refused with 400: query timed out"),
        (401, b"who are you?", "answered 401 with something else"),
        (404, b"<html>", "answered 404 with something else"),
        (422, REFUSAL, "refused with 422: query timed out"),
        (200, b"<html>log in first</html>", "answered 200 with something else"),
        (200, b"[]", "answered 200 with something else"),
        (200, b'{"status": "success"}', "answered 200 with something else"),
        (200, PARTIAL, "answered in part only: store 2 did not answer"),
        (200, ODD, "answered 200 with something else"),
        (200, SCALAR, "a scalar instead of a matrix"),
    ],
)
def test_a_bad_answer_is_no_data(
    double: PrometheusDouble, source: PrometheusSource, status: int, body: bytes, wanted: str
) -> None:
    """Whatever is no whole answer is no answer, and the reason says what came."""
    scrape(double, an_hour_old(), 0)
    double.faults.append((status, body, {}))
    [reason] = reasons(source, between(0, INTERVAL))
    assert wanted in reason
    double.faults.append((status, body, {}))
    assert {} == dict(source.assignments(ROUTE, between(0, INTERVAL)))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_server_is_asked_again(double: PrometheusDouble, source: PrometheusSource, status: int) -> None:
    """Twice busy, then there; three times busy is no answer."""
    envoy = an_hour_old()
    scrape(double, envoy, 0)
    ask(envoy, 5)
    scrape(double, envoy, INTERVAL)
    busy = (status, REFUSAL, {})
    double.faults.extend([busy, busy])
    assert Counts(exposures=5, events=0) == errors(source, between(0, INTERVAL))

    double.faults.extend([busy, busy, busy])
    [reason] = reasons(source, between(0, INTERVAL))
    assert f"refused with {status}" in reason


def called(double: PrometheusDouble, *, questions: int = 0, predictions: int = 0) -> None:
    """Scrape a candidate that answers by REST well, twice with so many gRPC calls before."""
    envoy = Mesh(BEGIN - 3_600_000)
    for after in range(4):
        ask(envoy, 10, CANDIDATE)
        envoy.call(CANDIDATE, questions, predictions=False)
        if predictions:
            envoy.call(CANDIDATE, predictions, predictions=True)
        scrape(double, envoy, after * INTERVAL)


@pytest.mark.parametrize("calls", [{"predictions": 3}, {"questions": 2000}])
def test_a_model_that_is_asked_by_grpc_is_not_healthy(
    double: PrometheusDouble, source: PrometheusSource, calls: dict[str, int]
) -> None:
    """A failed call is an answer 200 to Envoy: by the agents' word, or without them by more than we ask ourselves."""
    called(double, **calls)
    found = errors(source, between(0, 3 * INTERVAL), CANDIDATE)
    assert isinstance(found, NoData)
    assert "gRPC calls" in found.reason


def test_our_own_questions_by_grpc_are_no_clients(double: PrometheusDouble, source: PrometheusSource) -> None:
    """Asking who is ready, each second, takes no evidence away."""
    called(double, questions=15)
    assert Counts(exposures=30, events=0) == errors(source, between(0, 3 * INTERVAL), CANDIDATE)
