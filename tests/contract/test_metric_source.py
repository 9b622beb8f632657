"""What every MetricSource promises: in memory, over PostgreSQL, and over Prometheus and PostgreSQL."""

import bisect
import itertools
import math
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import psycopg
import pytest

from firstflight.domain.latency import EDGES
from firstflight.domain.metrics import Scoring
from firstflight.domain.questions import Question
from firstflight.domain.samples import Counts, Histogram, Moments, NoData, PairedMoments, Window
from firstflight.observation.combined import CombinedSource
from firstflight.observation.log_file import Position
from firstflight.observation.memory_source import MemorySource
from firstflight.observation.prometheus import PrometheusSource
from firstflight.observation.records import BLOCK_SECONDS, Outcome, Prediction
from firstflight.observation.source import MetricSource
from firstflight.observation.store import Collection, PredictionStore
from firstflight.observation.store_source import StoreSource
from firstflight.serving.seldon.queries import gateway_series
from firstflight.stack import postgres
from firstflight.workloads import scores
from firstflight.workloads.scores import PROBABILITY
from tests.doubles import mesh
from tests.doubles.prometheus import PrometheusDouble, running_prometheus
from tests.postgres_bench import Server, running_server

ROUTE = "predictor"
STABLE, CANDIDATE, SHADOW = "baseline-predictor-v1", "lightweight-predictor-v2", "shadow-predictor-v2"
REQUESTS = {"error_rate", "refused_rate", "latency", "latency_mean"}
OUTCOMES = {"accuracy", "brier", "profit"}


class Recorder(Protocol):
    """A source, the ways by which records reach it, and how finely it can tell.

    `edges` are those of its latencies in milliseconds, `step` the shortest difference between two latencies that it
    knows, in microseconds; `keeps_squares` says whether it can tell how much latencies spread.
    """

    source: MetricSource
    edges: tuple[float, ...]
    step: int
    keeps_squares: bool

    def predictions(self, *predictions: Prediction) -> None:
        """Record predictions as one batch."""

    def outcomes(self, *outcomes: Outcome) -> None:
        """Record outcomes as one batch."""

    def truths(self, questions: list[Question]) -> int:
        """Record the truth of every request that has none and asked about one of these units."""

    def wait(self, seconds: float) -> None:
        """Let time pass without waiting."""

    def watermark(self) -> Window:
        """Return the source's watermark after whoever records had a look."""


class _InMemory:
    """Records go straight to the source."""

    edges, step, keeps_squares = EDGES, 1, True

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.source = MemorySource(lambda: self.now, PROBABILITY)

    def predictions(self, *predictions: Prediction) -> None:
        self.source.add_predictions(predictions)

    def outcomes(self, *outcomes: Outcome) -> None:
        self.source.add_outcomes(outcomes)

    def truths(self, questions: list[Question]) -> int:
        return self.source.add_truths(ROUTE, questions)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def watermark(self) -> Window:
        found = self.source.watermark(ROUTE)
        assert found is not None
        return found


class _InPostgres:
    """Predictions come as the collector brings them, outcomes as the replay does."""

    edges, step, keeps_squares = EDGES, 1, True

    def __init__(self, url: str, collection: Collection) -> None:
        self.url = url
        self.source = StoreSource(url, PROBABILITY)
        self.store = PredictionStore(url)
        self.collection = collection
        self.predictions()
        self.wait(3600)  # stamps that are ahead of the clock wait for nobody: no block closes by a busy machine

    def predictions(self, *predictions: Prediction) -> None:
        self.collection.add(predictions, Position())

    def outcomes(self, *outcomes: Outcome) -> None:
        self.store.add_outcomes(outcomes)

    def truths(self, questions: list[Question]) -> int:
        return self.store.add_truths(ROUTE, questions)

    def wait(self, seconds: float) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("UPDATE ingestion SET stamp = stamp + %s", (timedelta(seconds=seconds),))

    def watermark(self) -> Window:
        self.predictions()
        found = self.source.watermark(ROUTE)
        assert found is not None
        return found


class _OnCluster:
    """Requests are counted by the mesh and scraped, and their answers stored, each once; outcomes are stored."""

    edges, step, keeps_squares = mesh.EDGES, 1000, False

    def __init__(self, stored: _InPostgres, prometheus: PrometheusDouble) -> None:
        self.stored = stored
        self.prometheus = prometheus
        self.mesh = mesh.Mesh(began=self._now() - 60_000)
        self.counted: set[tuple[str, str]] = set()
        series = gateway_series(mesh.NAMESPACE)
        requests = PrometheusSource(prometheus.url, series, arms=lambda _: (STABLE, CANDIDATE))
        self.source = CombinedSource(requests, stored.source)
        self._scrape()

    def predictions(self, *predictions: Prediction) -> None:
        self.wait(0.002)  # scrapes tell milliseconds apart
        self.stored.predictions(*predictions)
        for one in predictions:
            if (one.counted_as, one.listener) not in self.counted:
                self.counted.add((one.counted_as, one.listener))
                self.mesh.record([one if one.route == ROUTE else replace(one, assigned=None, served=None)])

    def outcomes(self, *outcomes: Outcome) -> None:
        self.stored.outcomes(*outcomes)

    def truths(self, questions: list[Question]) -> int:
        return self.stored.truths(questions)

    def wait(self, seconds: float) -> None:
        self.stored.wait(seconds)

    def watermark(self) -> Window:
        self.wait(0.002)
        self._scrape()
        self.wait(0.002)
        self.stored.predictions()
        found = self.source.watermark(ROUTE)
        assert found is not None
        return found

    def _scrape(self) -> None:
        now = self._now()
        self.prometheus.scrape(now, self.mesh.expose(now), self.mesh.target)

    def _now(self) -> int:
        """The store's clock in whole milliseconds, later than everything stored."""
        stamp = self.stored.collection.add((), Position())
        return math.floor(stamp.timestamp() * 1000) + 1


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the module."""
    with running_server(tmp_path_factory.mktemp("source")) as running:
        yield running


@pytest.fixture
def empty_database(server: Server) -> str:
    """A service's address of tables that nobody used before: a schema of its own, made when no collector is left."""
    name = f"t{uuid.uuid4().hex}"
    deadline = time.monotonic() + 120
    with psycopg.connect(server.owner, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}; GRANT USAGE ON SCHEMA {name} TO firstflight")
        while connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchone() is not None:
            assert time.monotonic() < deadline, "the collector of an earlier test does not leave"
            time.sleep(0.02)
    place = f"&options=-csearch_path%3D{name}"
    postgres.migrate(server.owner + place)
    return server.url + place


@pytest.fixture
def in_postgres(empty_database: str) -> Iterator[Recorder]:
    """The source over a database that nobody used before."""
    with PredictionStore(empty_database).collecting() as collection:
        assert collection is not None
        yield _InPostgres(empty_database, collection)


@pytest.fixture
def on_cluster(in_postgres: _InPostgres) -> Iterator[Recorder]:
    """The source over a Prometheus that scraped nothing before, and the same database."""
    with running_prometheus() as prometheus:
        yield _OnCluster(in_postgres, prometheus)


@pytest.fixture
def in_memory() -> Recorder:
    """The source that keeps everything in memory."""
    return _InMemory()


@pytest.fixture(params=["in_memory", "in_postgres", "on_cluster"])
def recorder(request: pytest.FixtureRequest) -> Recorder:
    """Each source, with the ways by which records reach it."""
    found: Recorder = request.getfixturevalue(request.param)
    return found


_numbers = itertools.count()


def asked(**changes: Any) -> Prediction:
    """One healthy answer of the stable model, about a unit of its own, with `changes`."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "rid": f"r{number}",
        "listener": "main",
        "route": ROUTE,
        "unit": f"u{number}",
        "assigned": STABLE,
        "prediction": 0.75,
        "code": 200,
        "us": 5000,
        "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number),
    } | changes
    return Prediction(**{"served": fields["assigned"]} | fields)


def mirrored(original: Prediction, **changes: Any) -> Prediction:
    """What the shadow answered to a copy of `original`."""
    copied = {"rid": original.rid, "unit": original.unit, "at": original.at, "assigned": None, "served": SHADOW}
    return asked(**{"listener": "mirror"} | copied | changes)


def truth(prediction: Prediction, came_true: float = 1.0, *, block: str = "day", payoff: float = 0.01) -> Outcome:
    """What turned out to be true for a prediction."""
    assert prediction.unit is not None
    return Outcome(prediction.rid, prediction.unit, block, came_true, payoff, datetime(2026, 1, 2, tzinfo=UTC))


def everything(recorder: Recorder) -> Window:
    """The window from the beginning until now, late enough for every block to be closed."""
    recorder.wait(2 * BLOCK_SECONDS)
    return recorder.watermark()


def test_time_passes_without_traffic(recorder: Recorder) -> None:
    """The watermark moves on when nothing is asked and never moves its beginning."""
    first, second = recorder.watermark(), recorder.watermark()
    assert first.until < second.until
    assert first.since == second.since


def test_no_request_at_all_has_a_reason(recorder: Recorder) -> None:
    """A route nobody asks gives NoData that says so for every metric of requests, and no assignment."""
    window = everything(recorder)
    samples = recorder.source.samples(ROUTE, STABLE, window)
    assert REQUESTS | OUTCOMES == set(samples)
    for metric in REQUESTS:
        sample = samples[metric]
        assert isinstance(sample, NoData)
        assert f"{ROUTE} had no requests" in sample.reason
    assert all(isinstance(samples[metric], NoData) for metric in OUTCOMES)
    assert {} == dict(recorder.source.assignments(ROUTE, window))


def test_a_model_without_requests_has_another_reason(recorder: Recorder) -> None:
    """Where others are asked, the reason says how many and that none went to this model."""
    recorder.predictions(asked(), asked(), mirrored(asked()))
    sample = recorder.source.samples(ROUTE, CANDIDATE, everything(recorder))["error_rate"]
    assert isinstance(sample, NoData)
    assert f"none of the 2 requests to {ROUTE}" in sample.reason
    assert CANDIDATE in sample.reason


def test_failures_count_for_the_assigned_model(recorder: Recorder) -> None:
    """5xx, no response and a failure masked by the gateway are failures of the model that was chosen.

    4xx is neither that nor a success: a client's mistakes cannot thin out what a model does wrong.
    """
    recorder.predictions(
        asked(assigned=CANDIDATE),
        asked(assigned=CANDIDATE, code=503, prediction=None),
        asked(assigned=CANDIDATE, code=0, served=None, prediction=None),
        asked(assigned=CANDIDATE, served=STABLE),
        asked(assigned=CANDIDATE, code=400, prediction=None),
        asked(),
    )
    window = everything(recorder)
    samples = recorder.source.samples(ROUTE, CANDIDATE, window)
    assert Counts(exposures=4, events=3) == samples["error_rate"]
    assert Counts(exposures=5, events=1) == samples["refused_rate"]
    assert Counts(exposures=1, events=0) == recorder.source.samples(ROUTE, STABLE, window)["error_rate"]
    assert {CANDIDATE: 5, STABLE: 1} == dict(recorder.source.assignments(ROUTE, window))


def test_a_model_that_refuses_everything_has_no_error_rate(recorder: Recorder) -> None:
    """That nothing failed is no success, and the reason says what happened."""
    recorder.predictions(*[asked(code=422, prediction=None) for _ in range(3)])
    samples = recorder.source.samples(ROUTE, STABLE, everything(recorder))
    assert Counts(exposures=3, events=3) == samples["refused_rate"]
    for metric in REQUESTS - {"refused_rate"}:
        assert isinstance(samples[metric], NoData)
    assert "refused all 3" in str(samples["error_rate"])


def test_requests_that_a_client_calls_alike_are_counted_each(recorder: Recorder) -> None:
    """What they are counted as is the gateway's own name for them."""
    recorder.predictions(*[asked(rid="mine", key=f"k{number}", code=500) for number in range(3)])
    recorder.predictions(asked(rid="mine", key="k3"))
    window = everything(recorder)
    assert Counts(exposures=4, events=3) == recorder.source.samples(ROUTE, STABLE, window)["error_rate"]
    assert {STABLE: 4} == dict(recorder.source.assignments(ROUTE, window))


def test_a_truth_finds_its_request_by_the_clients_name(recorder: Recorder) -> None:
    """Whichever comes first."""
    first, second = asked(rid="mine", key="k1"), asked(rid="yours", key="k2")
    recorder.predictions(first)
    recorder.outcomes(truth(first), truth(second, block="later"))
    recorder.predictions(second)
    sample = recorder.source.samples(ROUTE, STABLE, everything(recorder))["accuracy"]
    assert Counts(exposures=2, events=2) == sample


def test_a_model_that_the_client_chose_is_evidence_of_nothing(recorder: Recorder) -> None:
    """Neither of the split nor of the model: not by its failures, nor by what came true."""
    picked = [asked(assigned=CANDIDATE, chosen=True, key=f"k{number}", code=500) for number in range(5)]
    right = asked(assigned=CANDIDATE, chosen=True, key="right")
    recorder.predictions(asked(), *picked, right)
    recorder.outcomes(truth(right))
    window = everything(recorder)
    samples = recorder.source.samples(ROUTE, CANDIDATE, window)
    assert {STABLE: 1} == dict(recorder.source.assignments(ROUTE, window))
    assert isinstance(samples["accuracy"], NoData)
    sample = samples["error_rate"]
    assert isinstance(sample, NoData)
    assert "none of the 1 requests" in sample.reason
    assert recorder.keeps_squares == ("6 more chose their model themselves" in sample.reason), "a mesh cannot tell"


def test_a_shadow_is_judged_by_the_mirror(recorder: Recorder) -> None:
    """A shadow's requests are those of the mirror listener; they are assigned to nobody."""
    first, second = asked(), asked()
    recorder.predictions(first, second, mirrored(first), mirrored(second, code=500, prediction=None))
    window = everything(recorder)
    assert Counts(exposures=2, events=1) == recorder.source.samples(ROUTE, SHADOW, window)["error_rate"]
    assert {STABLE: 2} == dict(recorder.source.assignments(ROUTE, window))


def test_another_route_is_another_matter(recorder: Recorder) -> None:
    """Records of another route, or of a request without an assigned model, are not counted."""
    recorder.predictions(asked(route="other"), asked(assigned=None, code=404, prediction=None))
    window = everything(recorder)
    assert isinstance(recorder.source.samples(ROUTE, STABLE, window)["error_rate"], NoData)
    assert {} == dict(recorder.source.assignments(ROUTE, window))


def test_a_latency_on_an_edge_is_below_it(recorder: Recorder) -> None:
    """A bucket includes its upper edge, such as 200 ms; the least that is more belongs to the next one."""
    edge = max(edge for edge in recorder.edges if edge <= 200)
    longest = 20_000
    at = int(edge * 1000)
    recorder.predictions(asked(us=at), asked(us=at + recorder.step), asked(us=0), asked(us=longest * 1000))
    sample = recorder.source.samples(ROUTE, STABLE, everything(recorder))["latency"]
    assert isinstance(sample, Histogram)
    assert recorder.edges == sample.edges
    place = sample.edges.index(edge)
    expected = {0: 1, place: 1, place + 1: 1, bisect.bisect_left(sample.edges, longest): 1}
    assert expected == {i: n for i, n in enumerate(sample.counts) if n}


def test_who_did_not_wait_has_no_latency(recorder: Recorder) -> None:
    """A request whose client left before the end failed and has no latency; when all did, latency is NoData."""
    left = asked(us=None, code=0, served=None, prediction=None)
    recorder.predictions(left)
    first = recorder.watermark()
    recorder.predictions(asked(us=1000))
    alone = recorder.source.samples(ROUTE, STABLE, first)
    both = recorder.source.samples(ROUTE, STABLE, everything(recorder))
    assert Counts(exposures=1, events=1) == alone["error_rate"]
    assert isinstance(alone["latency"], NoData)
    assert isinstance(alone["latency_mean"], NoData)
    assert "any of the 1 requests" in alone["latency"].reason
    assert Counts(exposures=2, events=1) == both["error_rate"]
    assert 1 == size(both["latency"])
    assert_spread(recorder, both["latency_mean"], [1.0])


def test_latency_mean_in_milliseconds(recorder: Recorder) -> None:
    """Mean and squared deviations of the latency are in milliseconds."""
    recorder.predictions(asked(us=1000), asked(us=2000), asked(us=6000))
    sample = recorder.source.samples(ROUTE, STABLE, everything(recorder))["latency_mean"]
    assert_spread(recorder, sample, [1.0, 2.0, 6.0])


def test_outcomes_of_a_model(recorder: Recorder) -> None:
    """Correct answers, squared errors and profit follow from prediction, truth and payoff."""
    right, wrong = asked(prediction=0.75), asked(prediction=0.5)
    idle = asked(prediction=0.25)
    recorder.predictions(right, wrong, idle)
    recorder.outcomes(truth(right, 1.0, block="a", payoff=0.02), truth(wrong, 0.0, block="b", payoff=-0.04))
    recorder.outcomes(truth(idle, 0.0, block="c", payoff=-0.5))
    samples = recorder.source.samples(ROUTE, STABLE, everything(recorder))
    assert Counts(exposures=3, events=2) == samples["accuracy"]
    assert_moments(samples["brier"], [0.0625, 0.25, 0.0625])
    assert_moments(samples["profit"], [0.02, -0.04, 0.0])


def test_an_answer_of_any_kind_is_scored_as_its_workload_says(recorder: Recorder) -> None:
    """A label and a vector arrive as they were answered; a unit without a payoff has no profit, and no profit of 0."""
    named, ranked = asked(prediction="cat"), asked(prediction=[0.25, 0.75])
    recorder.predictions(named, ranked)
    recorder.outcomes(*(replace(truth(one, block=one.rid), truth=true) for one, true in ((named, "dog"), (ranked, 1))))
    window = everything(recorder)
    source = recorder.source.scored_by(Scoring((scores.ACCURACY,), scores.class_accuracy))
    found = source.outcomes(ROUTE, STABLE, window, answered_until=window.until)
    assert {"accuracy": Counts(exposures=2, events=1)} == dict(found)


def test_a_payoff_that_nobody_told_is_no_payoff_of_nothing(recorder: Recorder) -> None:
    """Those units alone count whose payoff is known; where none is, the reason says so."""
    rich, unknown = asked(), asked()
    recorder.predictions(rich, unknown)
    recorder.outcomes(replace(truth(unknown, block="a"), payoff=None))
    first = everything(recorder)
    recorder.outcomes(truth(rich, block="b", payoff=0.5))
    second = everything(recorder)
    nothing = recorder.source.samples(ROUTE, STABLE, first)
    assert Counts(exposures=1, events=1) == nothing["accuracy"]
    assert isinstance(nothing["profit"], NoData)
    assert "tells profit" in nothing["profit"].reason
    assert_moments(recorder.source.samples(ROUTE, STABLE, second)["profit"], [0.5])


def test_an_answer_that_cannot_be_scored_makes_its_window_say_nothing(recorder: Recorder) -> None:
    """Not what is left: who answers nonsense where it is hard would look good by the rest."""
    good, bad = asked(), asked(prediction="perhaps")
    recorder.predictions(good, bad, *(mirrored(one) for one in (good, bad)))
    recorder.outcomes(truth(good, block="a"), truth(bad, block="b"))
    window = everything(recorder)
    samples = recorder.source.samples(ROUTE, STABLE, window)
    paired = recorder.source.paired(ROUTE, STABLE, SHADOW, window)
    for sample in (*(samples[metric] for metric in OUTCOMES), *paired.values()):
        assert isinstance(sample, NoData)
        assert "cannot be scored: 'perhaps' is no finite number" in sample.reason
    assert Counts(exposures=2, events=2) == recorder.source.samples(ROUTE, SHADOW, window)["accuracy"]


def test_a_truth_about_a_unit_is_one_about_every_request_of_it(recorder: Recorder) -> None:
    """Of its route, before and after it was told, whatever pass asked; one told by the request's name is nearer."""
    before, other = asked(unit="a"), asked(unit="a", route="another")
    after, named = asked(unit="a~2", assigned=CANDIDATE, prediction=0.2), asked(unit="b")
    recorder.predictions(before, other)
    recorder.outcomes(
        *(Outcome(None, unit, None, 1.0, None, None, route=ROUTE) for unit in ("a", "b")),
        Outcome(named.rid, None, None, 0.0, None, None),
    )
    recorder.predictions(after, named)
    window = everything(recorder)
    assert Counts(exposures=2, events=1) == recorder.source.samples(ROUTE, STABLE, window)["accuracy"]
    assert Counts(exposures=1, events=0) == recorder.source.samples(ROUTE, CANDIDATE, window)["accuracy"]
    assert isinstance(recorder.source.samples("another", STABLE, window)["accuracy"], NoData)


def test_a_request_without_a_unit_is_a_unit_of_its_own(recorder: Recorder) -> None:
    """Its truth needs no more than its name, and it shares its luck with nobody."""
    asks = [asked(unit=None), asked(unit=None, prediction=0.2), asked(unit="c~3")]
    recorder.predictions(*asks[:1])
    recorder.outcomes(*(Outcome(one.rid, None, None, 1.0, None, None) for one in asks))
    recorder.predictions(*asks[1:])
    sample = recorder.source.samples(ROUTE, STABLE, everything(recorder))["accuracy"]
    assert Counts(exposures=3, events=2) == sample


def test_truth_may_come_before_the_record_of_the_request(recorder: Recorder) -> None:
    """The order in which prediction and truth arrive does not matter."""
    prediction = asked()
    recorder.outcomes(truth(prediction))
    recorder.predictions(prediction)
    assert Counts(exposures=1, events=1) == recorder.source.samples(ROUTE, STABLE, everything(recorder))["accuracy"]


def test_an_answer_counts_for_the_model_that_gave_it(recorder: Recorder) -> None:
    """When the gateway fell back to stable, the answer is stable's."""
    prediction = asked(assigned=CANDIDATE, served=STABLE)
    recorder.predictions(prediction)
    recorder.outcomes(truth(prediction))
    window = everything(recorder)
    assert Counts(exposures=1, events=1) == recorder.source.samples(ROUTE, STABLE, window)["accuracy"]
    assert isinstance(recorder.source.samples(ROUTE, CANDIDATE, window)["accuracy"], NoData)


def test_a_unit_counts_once_for_each_model(recorder: Recorder) -> None:
    """However often a unit is asked, the first answer whose truth is known counts, for each model."""
    early, again, other = (
        asked(unit="u", prediction=p, assigned=a) for p, a in ((0.9, STABLE), (0.1, STABLE), (0.6, CANDIDATE))
    )
    recorder.predictions(early, again, other)
    recorder.outcomes(truth(early), truth(again), truth(other))
    first = everything(recorder)
    late = asked(unit="u", prediction=0.1)
    recorder.predictions(late)
    recorder.outcomes(truth(late))
    second = Window(since=first.until, until=everything(recorder).until)
    assert Counts(exposures=1, events=1) == recorder.source.samples(ROUTE, STABLE, first)["accuracy"]
    assert_moments(recorder.source.samples(ROUTE, STABLE, first)["brier"], [0.01])
    assert Counts(exposures=1, events=1) == recorder.source.samples(ROUTE, CANDIDATE, first)["accuracy"]
    samples = recorder.source.samples(ROUTE, STABLE, second)
    assert Counts(exposures=1, events=0) == samples["error_rate"]
    for metric in OUTCOMES:
        sample = samples[metric]
        assert isinstance(sample, NoData)
        assert "counted before" in sample.reason


def test_missing_labels_have_a_reason(recorder: Recorder) -> None:
    """Answers without a truth give NoData that says how many wait."""
    known = asked()
    recorder.predictions(known, asked(), asked())
    before = recorder.watermark()
    recorder.outcomes(truth(known))
    sample = recorder.source.samples(ROUTE, STABLE, before)["accuracy"]
    assert isinstance(sample, NoData)
    assert f"no truth yet about 3 of the 3 answers of {STABLE}" in sample.reason


def test_a_block_is_one_observation_of_every_outcome(recorder: Recorder) -> None:
    """Units of a block are averaged; one whose truth comes after the block was closed is left out of it."""
    day = [asked() for _ in range(3)]
    recorder.predictions(*day)
    recorder.outcomes(truth(day[0], payoff=0.02))
    opened = recorder.watermark()
    recorder.outcomes(truth(day[1], 0.0, payoff=0.04))
    for metric in OUTCOMES:
        sample = recorder.source.samples(ROUTE, STABLE, opened)[metric]
        assert isinstance(sample, NoData)
        assert "no block" in sample.reason
    closed = everything(recorder)
    recorder.outcomes(truth(day[2], payoff=0.9))
    after = everything(recorder)
    for window in (closed, after):
        samples = recorder.source.samples(ROUTE, STABLE, window)
        assert_moments(samples["accuracy"], [0.5])
        assert_moments(samples["brier"], [(0.0625 + 0.5625) / 2])
        assert_moments(samples["profit"], [0.03])
    later = recorder.source.samples(ROUTE, STABLE, Window(since=closed.until, until=after.until))
    assert {NoData} == {type(later[metric]) for metric in OUTCOMES}


def test_two_arms_that_share_a_block_are_paired_by_it(recorder: Recorder) -> None:
    """Each answered units of its own: a block holds the mean of either, and one that only one arm saw is left out."""
    mine = [asked(assigned=CANDIDATE, prediction=p) for p in (0.9, 0.2, 0.6)]
    theirs = [asked(prediction=p) for p in (0.8, 0.7)]
    recorder.predictions(*mine, *theirs)
    recorder.outcomes(*(truth(one, block="a") for one in (*mine[:2], *theirs)), truth(mine[2], block="b"))
    paired = recorder.source.paired(ROUTE, STABLE, CANDIDATE, everything(recorder))
    assert_pairs(paired["accuracy"], [(1.0, 0.5)])
    assert_pairs(paired["brier"], [((0.04 + 0.09) / 2, (0.01 + 0.64) / 2)])


def test_a_truth_counts_for_the_stage_that_served_the_answer(recorder: Recorder) -> None:
    """Two answers whose truths come together: one was seen before a moment, one after."""
    early, late, theirs = asked(), asked(prediction=0.2), asked(assigned=CANDIDATE)
    recorder.predictions(early)
    between = recorder.watermark().until
    recorder.predictions(late, theirs)
    recorder.outcomes(*(truth(one, block=one.rid) for one in (early, late, theirs)))
    window = everything(recorder)
    now = recorder.source.samples(ROUTE, STABLE, window, answered_since=between)
    before = recorder.source.outcomes(ROUTE, STABLE, window, answered_until=between)
    assert Counts(exposures=1, events=0) == now["accuracy"]
    assert Counts(exposures=1, events=1) == before["accuracy"]
    assert OUTCOMES == set(before)
    gone = recorder.source.outcomes(ROUTE, CANDIDATE, window, answered_until=between)
    assert {NoData} == {type(sample) for sample in gone.values()}


def test_pairs_count_for_the_stage_that_served_them(recorder: Recorder) -> None:
    """A block whose answers come from two stages holds the candidate's of the one that is asked about."""
    early = [asked(prediction=0.2), asked(assigned=CANDIDATE, prediction=0.2)]
    late = [asked(), asked(assigned=CANDIDATE)]
    recorder.predictions(*early)
    between = recorder.watermark().until
    recorder.predictions(*late)
    recorder.outcomes(*(truth(one) for one in (*early, *late)))
    window = everything(recorder)
    now = recorder.source.paired(ROUTE, STABLE, CANDIDATE, window, answered_since=between)
    before = recorder.source.paired(ROUTE, STABLE, CANDIDATE, window, answered_until=between)
    assert_pairs(now["accuracy"], [(0.5, 1)])
    assert_pairs(before["accuracy"], [(0.5, 0)])


def test_what_stable_answered_long_ago_makes_a_pair(recorder: Recorder) -> None:
    """Units come again: a block is a pair once the candidate knows it too, with what it answers while it is open."""
    mine = [asked(assigned=CANDIDATE, unit="a"), asked(assigned=CANDIDATE, prediction=0.2, unit="b")]
    old = [asked(unit="a"), asked(unit="b", prediction=0.2)]
    recorder.predictions(*old)
    recorder.outcomes(*(truth(one) for one in old))
    before = everything(recorder)
    recorder.predictions(mine[0])
    recorder.outcomes(truth(mine[0]))
    then = everything(recorder)
    recorder.predictions(mine[1])
    recorder.outcomes(truth(mine[1]))
    window = Window(since=before.until, until=then.until)
    since = {"answered_since": before.until}
    assert_pairs(recorder.source.paired(ROUTE, STABLE, CANDIDATE, window, **since)["accuracy"], [(1, 1)])
    for other in (before, Window(since=then.until, until=everything(recorder).until)):
        assert isinstance(recorder.source.paired(ROUTE, STABLE, CANDIDATE, other, **since)["accuracy"], NoData)


def test_a_unit_that_stays_with_its_model_is_counted_once(recorder: Recorder) -> None:
    """However often it asks, from its first request since the rollout began; what has no unit counts by itself."""
    if recorder.source.units(ROUTE, everything(recorder), begun=recorder.watermark().since) is None:
        return  # a mesh routes every request by itself
    begun = recorder.watermark().until
    recorder.predictions(asked(unit="a"), asked(unit="a"), asked(unit="b", assigned=CANDIDATE), asked(unit=None))
    first = Window(since=begun, until=recorder.watermark().until)
    recorder.predictions(asked(unit="a"), asked(unit="b", assigned=CANDIDATE), asked(unit="c", assigned=CANDIDATE))
    second = Window(since=first.until, until=recorder.watermark().until)
    assert {STABLE: 2, CANDIDATE: 1} == dict(recorder.source.units(ROUTE, first, begun=begun) or {})
    assert {CANDIDATE: 1} == dict(recorder.source.units(ROUTE, second, begun=begun) or {})
    assert {STABLE: 1, CANDIDATE: 2} == dict(recorder.source.units(ROUTE, second, begun=first.until) or {})


def test_pairs_of_a_shadow(recorder: Recorder) -> None:
    """A shadow is compared with the stable model on the units both answered, each once, a block one observation."""
    asks = [asked(prediction=p) for p in (0.9, 0.2, 0.6)]
    shadows = [mirrored(a, prediction=p) for a, p in zip(asks, (0.8, 0.7, 0.4), strict=True)]
    elsewhere = asked(assigned=CANDIDATE)
    recorder.predictions(*asks, elsewhere, mirrored(elsewhere))
    recorder.predictions(*shadows)
    recorder.outcomes(
        truth(asks[0], 1.0, block="a", payoff=0.02),
        truth(asks[1], 1.0, block="a", payoff=0.04),
        truth(asks[2], 0.0, block="b", payoff=-0.03),
        truth(elsewhere, 1.0, block="b", payoff=0.5),
    )
    paired = recorder.source.paired(ROUTE, STABLE, SHADOW, everything(recorder))
    assert OUTCOMES == set(paired)
    assert_pairs(paired["accuracy"], [(0.5, 1), (0, 1)])
    assert_pairs(paired["brier"], [(0.325, 0.065), (0.36, 0.16)])
    assert_pairs(paired["profit"], [(0.01, 0.03), (-0.03, 0.0)])


def test_a_pair_is_known_with_its_later_half(recorder: Recorder) -> None:
    """A block of pairs closes after the second of both answers had its truth, and counts in that window alone."""
    prediction = asked()
    recorder.predictions(prediction)
    recorder.outcomes(truth(prediction))
    first = recorder.watermark()
    recorder.predictions(mirrored(prediction))
    second = Window(since=first.until, until=everything(recorder).until)
    third = Window(since=second.until, until=everything(recorder).until)
    none, one, gone = (recorder.source.paired(ROUTE, STABLE, SHADOW, window) for window in (first, second, third))
    assert {NoData} == {type(sample) for sample in (*none.values(), *gone.values())}
    assert_pairs(one["accuracy"], [(1, 1)])
    assert_pairs(one["profit"], [(0.01, 0.01)])


def test_a_pair_that_comes_after_its_block_was_closed_is_left_out(recorder: Recorder) -> None:
    """An open block of pairs is no observation yet; a closed one never changes."""
    asks = [asked(prediction=p) for p in (0.9, 0.2, 0.1)]
    recorder.predictions(*asks, *(mirrored(a, prediction=0.8) for a in asks))
    recorder.outcomes(truth(asks[0]))
    opened = recorder.watermark()
    recorder.outcomes(truth(asks[1]))
    assert {NoData} == {type(sample) for sample in recorder.source.paired(ROUTE, STABLE, SHADOW, opened).values()}
    closed = everything(recorder)
    recorder.outcomes(truth(asks[2]))
    after = everything(recorder)
    for window in (closed, after):
        assert_pairs(recorder.source.paired(ROUTE, STABLE, SHADOW, window)["accuracy"], [(0.5, 1)])
    later = recorder.source.paired(ROUTE, STABLE, SHADOW, Window(since=closed.until, until=after.until))
    assert {NoData} == {type(sample) for sample in later.values()}


def test_no_pair_has_a_reason(recorder: Recorder) -> None:
    """Without common units the reason names both models."""
    sample = recorder.source.paired(ROUTE, STABLE, SHADOW, everything(recorder))["brier"]
    assert isinstance(sample, NoData)
    assert f"both {STABLE} and {SHADOW}" in sample.reason


def test_recording_again_changes_nothing(recorder: Recorder) -> None:
    """The same prediction, or another truth for the same request, is not counted again."""
    prediction = asked()
    for _ in range(2):
        recorder.predictions(prediction, prediction)
        recorder.outcomes(truth(prediction), truth(prediction, 0.0))
    samples = recorder.source.samples(ROUTE, STABLE, everything(recorder))
    assert Counts(exposures=1, events=0) == samples["error_rate"]
    assert Counts(exposures=1, events=1) == samples["accuracy"]


def test_truths_fill_what_is_missing(recorder: Recorder) -> None:
    """A truth about a unit reaches every request about it that has none, on both listeners, once."""
    known, missing, again, unknown = asked(unit="a"), asked(unit="b"), asked(unit="b~2"), asked(unit="c")
    recorder.predictions(
        known, missing, mirrored(missing), again, unknown, asked(unit=None), asked(unit="b", route="other")
    )
    recorder.outcomes(truth(known, 0.0, block="a"))
    truths = [Question(unit, unit, {}, truth=1.0, payoff=0.01) for unit in ("a", "b", "never asked")]
    assert 2 == recorder.truths(truths)
    assert 0 == recorder.truths(truths)
    window = everything(recorder)
    assert Counts(exposures=2, events=1) == recorder.source.samples(ROUTE, STABLE, window)["accuracy"]
    assert Counts(exposures=1, events=1) == recorder.source.samples(ROUTE, SHADOW, window)["accuracy"]


@pytest.mark.parametrize("seed", range(3))
def test_consecutive_windows_divide_the_records(recorder: Recorder, seed: int) -> None:
    """Whatever arrives in whatever order, consecutive windows count each record, unit and block exactly once."""
    luck = random.Random(seed)  # repeatable
    asks = [asked(unit=f"s{seed}-{luck.randrange(40)}", prediction=luck.random()) for _ in range(120)]
    arriving: list[Prediction | Outcome] = [*asks, *(mirrored(a, prediction=luck.random()) for a in asks)]
    arriving += [truth(a, float(a.unit[-1] in "02468"), block=(a.unit or "")[-1], payoff=0.01) for a in asks]
    luck.shuffle(arriving)
    windows = [recorder.watermark()]
    while arriving:
        batch, arriving = arriving[:30], arriving[30:]
        recorder.predictions(*(one for one in batch if isinstance(one, Prediction)))
        recorder.outcomes(*(one for one in batch if isinstance(one, Outcome)))
        recorder.wait(luck.choice([0.0, BLOCK_SECONDS]))
        windows.append(Window(since=windows[-1].until, until=recorder.watermark().until))
    windows.append(Window(since=windows[-1].until, until=everything(recorder).until))
    whole = Window(since=windows[0].since, until=windows[-1].until)
    for name in (STABLE, SHADOW):
        parts = [recorder.source.samples(ROUTE, name, window) for window in windows]
        total = recorder.source.samples(ROUTE, name, whole)
        for metric in (*REQUESTS, *OUTCOMES):
            assert size(total[metric]) == sum(size(part[metric]) for part in parts), metric
        assert Counts(exposures=120, events=0) == total["error_rate"]
        assert {len({(a.unit or "")[-1] for a in asks})} == {size(total[metric]) for metric in OUTCOMES}
    pairs = [recorder.source.paired(ROUTE, STABLE, SHADOW, window) for window in windows]
    for metric, sample in recorder.source.paired(ROUTE, STABLE, SHADOW, whole).items():
        assert size(sample) == sum(size(part[metric]) for part in pairs), metric


def test_both_sources_give_the_same_answers(in_postgres: Recorder) -> None:
    """The source in memory and the one over PostgreSQL agree to the last digits on a random history."""
    luck = random.Random(11)  # repeatable
    recorders: tuple[Recorder, ...] = (_InMemory(), in_postgres)
    ends = [recorder.watermark().until for recorder in recorders]
    for _ in range(6):
        arms = luck.choices((STABLE, CANDIDATE), k=40)
        asks = [
            asked(
                unit=f"b{luck.randrange(60)}",
                assigned=arm,
                prediction=luck.random(),
                us=luck.randrange(400_000),
                code=luck.choice((200, 200, 200, 500)),
            )
            for arm in arms
        ]
        shadows = [mirrored(a, prediction=luck.random()) for a in asks]
        outcomes = [
            truth(a, luck.choice((0.0, 1.0)), block=(a.unit or "")[-1], payoff=luck.gauss(0, 0.02)) for a in asks
        ]
        answers = []
        for place, recorder in enumerate(recorders):
            recorder.outcomes(*outcomes[:20])
            recorder.predictions(*asks, *shadows)
            recorder.outcomes(*outcomes[20:])
            recorder.wait(BLOCK_SECONDS * 1.5)
            window = Window(since=ends[place], until=recorder.watermark().until)
            ends[place] = window.until
            samples = [recorder.source.samples(ROUTE, name, window) for name in (STABLE, CANDIDATE, SHADOW)]
            paired = [recorder.source.paired(ROUTE, name, SHADOW, window) for name in (STABLE, CANDIDATE)]
            answers.append([plain(sample) for found in (*samples, *paired) for _, sample in sorted(found.items())])
            answers[-1].append(dict(recorder.source.assignments(ROUTE, window)))
        assert len(answers[0]) == len(answers[1])
        for mine, theirs in zip(*answers, strict=True):
            assert mine == theirs


def plain(sample: Any) -> dict[str, Any]:
    """The sample's fields, floats near enough to be equal, reasons left out (they hold times)."""
    return {
        key: pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
        for key, value in sample.model_dump(exclude={"reason"}).items()
    }


def size(sample: Any) -> int:
    """How many observations a sample holds."""
    match sample:
        case NoData():
            return 0
        case Counts(exposures=exposures):
            return exposures
        case Histogram(counts=counts):
            return sum(counts)
    return int(sample.count)


def assert_spread(recorder: Recorder, sample: object, values: Sequence[float]) -> None:
    """Compare with the moments of `values`, or with the reason where there are no squares."""
    if recorder.keeps_squares:
        assert_moments(sample, values)
    else:
        assert isinstance(sample, NoData)
        assert "no squares" in sample.reason


def assert_moments(sample: object, values: Sequence[float]) -> None:
    """Compare with the moments of `values`."""
    mean = sum(values) / len(values)
    assert isinstance(sample, Moments), sample
    assert len(values) == sample.count
    assert (mean, sum((v - mean) ** 2 for v in values)) == pytest.approx((sample.mean, sample.m2), abs=1e-12)


def assert_pairs(sample: object, pairs: Sequence[tuple[float, float]]) -> None:
    """Compare with the moments of `pairs`."""
    assert isinstance(sample, PairedMoments), sample
    count = len(pairs)
    control, treatment = sum(c for c, _ in pairs) / count, sum(t for _, t in pairs) / count
    expected = (
        control,
        treatment,
        sum((c - control) ** 2 for c, _ in pairs),
        sum((t - treatment) ** 2 for _, t in pairs),
        sum((c - control) * (t - treatment) for c, t in pairs),
    )
    found = (sample.control_mean, sample.treatment_mean, sample.control_m2, sample.treatment_m2, sample.cross)
    assert count == sample.count
    assert expected == pytest.approx(found, abs=1e-12)
