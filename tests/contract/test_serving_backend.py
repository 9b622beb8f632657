"""What every ServingBackend promises."""

import contextlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import ModelNotLoadedError, ModelNotReadyError, ServingError, StaleTokenError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.serving import ServingBackend, open_backend
from firstflight.serving.inference import headers, predict
from firstflight.serving.memory import MemoryBackend
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.backend import Patience, SeldonBackend
from tests.doubles.seldon import Seldon
from tests.real_cluster import OperatedNamespace, named_cluster, own_namespace
from tests.seldon_bench import object_storage, seldon_cluster, settings_of
from tests.seldon_real import emptied, real_settings
from tests.serving_bench import MODEL, artifact, history, serving_stack

OTHER = "volatility"
VARIANTS = {"baseline": 1, "enhanced": 2, "lightweight": 3}
"""The versions every test finds deployed, by variant; the other model has a `plain` number 1."""
STABLE, ENHANCED, LIGHTWEIGHT = (f"{variant}-predictor-v{number}" for variant, number in VARIANTS.items())
SHADOW = "shadow-predictor-v3"
PLAIN = "plain-predictor-v1"
HALF = TrafficSplit.canary(STABLE, ENHANCED, 50)
PATIENT = Patience(model=30.0, split=15.0, answer=5.0, poll=0.05)


@dataclass(frozen=True)
class Bench:
    """A backend with its models deployed, where they came from, and a client's question to a route."""

    backend: ServingBackend
    versions: dict[str, ModelVersion]
    artifacts: dict[str, Path]
    ask: Callable[[str], str | None]
    """Asks a route and returns the served name that was chosen to answer."""
    url: str | None
    """Where clients send requests; None where none are sent."""


Home = tuple[ServingBackend, Callable[[str], str | None], str | None]
"""A backend, a client of it, and where that client asks."""


def client_of(url: str) -> tuple[Callable[[str], str | None], str]:
    """Return a client of the gateway at `url`, and the URL."""
    return lambda route: predict(url, route, {"history": history()}).assigned, url


@pytest.fixture(scope="module")
def local() -> Iterator[Home]:
    """A real gateway, and a client of it."""
    with serving_stack() as settings:
        yield open_backend(settings), *client_of(settings.gateway_url)


@pytest.fixture(scope="module")
def memory() -> Home:
    """A backend in memory, and a client that draws as the split says."""
    chance, backend = random.Random(5), MemoryBackend()

    def ask(route: str) -> str | None:
        if (split := backend.get_traffic(route)) is None:
            return None
        [chosen] = chance.choices(list(split.weights), list(split.weights.values()))
        backend.count(chosen, requests=1)
        return chosen

    return backend, ask, None


@pytest.fixture(scope="module")
def seldon() -> Iterator[Home]:
    """Doubles of a Kubernetes API, of Seldon and of object storage, over HTTP, and a client of the mesh."""
    with seldon_cluster() as cluster:
        yield cluster.backend(), *client_of(cluster.settings.gateway_url)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Home]:
    """A real Kubernetes API with Seldon's kinds, and doubles of Seldon itself and of object storage."""
    with own_namespace("contract") as namespace, object_storage(), contextlib.ExitStack() as ends:
        reached = named_cluster()
        seldon = ends.enter_context(Seldon(ends.enter_context(OperatedNamespace(reached, namespace))))
        backend = SeldonBackend(settings_of(namespace, seldon), api=Api(reached, namespace), patience=PATIENT)
        yield backend, *client_of(seldon.url)


@pytest.fixture(scope="module")
def real() -> Iterator[Home]:
    """A real Seldon, with whatever it runs on."""
    settings = real_settings()
    emptied(settings)
    backend = SeldonBackend(settings, patience=PATIENT)
    yield backend, *client_of(settings.gateway_url)
    emptied(settings)


HOMES = (
    "memory",
    "seldon",
    pytest.param("local", marks=pytest.mark.local),
    pytest.param("cluster", marks=pytest.mark.cluster),
    pytest.param("real", marks=pytest.mark.seldon),
)


@pytest.fixture(scope="module", params=HOMES)
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A backend that serves three variants of one model, the third of them once more as a shadow, and another model."""
    backend, ask, url = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("artifacts")
    versions, artifacts = {}, {}
    for variant, number in VARIANTS.items():
        version = artifact(folder / variant, number, variant=variant)
        versions[version.served_name], artifacts[version.served_name] = version, folder / variant
    versions[SHADOW], artifacts[SHADOW] = versions[LIGHTWEIGHT], artifacts[LIGHTWEIGHT]
    versions[PLAIN], artifacts[PLAIN] = artifact(folder / "plain", 1, variant="plain", model=OTHER), folder / "plain"
    for name, version in versions.items():
        backend.deploy(version, artifacts[name], name)
    return Bench(backend, versions, artifacts, ask, url)


@pytest.fixture
def token() -> int:
    """A token higher than every one before."""
    return next(TOKENS)


TOKENS = iter(range(1, 10_000, 10))


def test_deployed_models_are_ready_with_the_digest_of_their_version(bench: Bench) -> None:
    """What was deployed answers, under its name, with exactly the registered files."""
    assert set(bench.versions) == bench.backend.served()
    for name, version in bench.versions.items():
        assert bench.backend.is_ready(name)
        assert version.digest == bench.backend.loaded_digest(name)


def test_what_is_not_deployed_is_not_ready(bench: Bench) -> None:
    """An unknown name is not ready and has loaded nothing."""
    assert not bench.backend.is_ready("enhanced-predictor-v77")
    assert bench.backend.loaded_digest("enhanced-predictor-v77") is None


def test_deploying_again_changes_nothing(bench: Bench) -> None:
    """Deploy is idempotent."""
    bench.backend.deploy(bench.versions[STABLE], bench.artifacts[STABLE])
    assert set(bench.versions) == bench.backend.served()
    assert bench.backend.is_ready(STABLE)


def test_a_route_without_split_has_none(bench: Bench) -> None:
    """No split is None, not an even one."""
    assert bench.backend.get_traffic("no-such-model") is None


def test_a_split_is_read_back(bench: Bench, token: int) -> None:
    """What set_traffic accepts, it returns and get_traffic reports."""
    assert bench.backend.set_traffic(MODEL, HALF, token) == HALF
    assert bench.backend.get_traffic(MODEL) == HALF


def test_setting_the_same_split_again_changes_nothing(bench: Bench, token: int) -> None:
    """Setting traffic is idempotent, with the same token too."""
    for _ in range(2):
        assert bench.backend.set_traffic(MODEL, HALF, token) == HALF
    assert bench.backend.get_traffic(MODEL) == HALF


def test_three_ways_and_a_shadow(bench: Bench, token: int) -> None:
    """An A/B/n split with a mirrored shadow is reported in full."""
    split = TrafficSplit(stable=STABLE, weights={STABLE: 50, ENHANCED: 30, LIGHTWEIGHT: 20}, shadow=SHADOW)
    assert bench.backend.set_traffic(MODEL, split, token) == split
    assert bench.backend.get_traffic(MODEL) == split


def test_weight_zero_is_kept(bench: Bench, token: int) -> None:
    """A candidate rolled back to 0 % is still named by the split."""
    split = TrafficSplit.canary(STABLE, ENHANCED, 0)
    assert bench.backend.set_traffic(MODEL, split, token) == split
    assert bench.backend.get_traffic(MODEL) == split


def test_requests_follow_the_split(bench: Bench, token: int) -> None:
    """At 50/50 both are chosen; at 100 only that one."""
    bench.backend.set_traffic(MODEL, HALF, token)
    assert {bench.ask(MODEL) for _ in range(40)} == {STABLE, ENHANCED}
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(LIGHTWEIGHT), token)
    assert {bench.ask(MODEL) for _ in range(10)} == {LIGHTWEIGHT}


def test_promotion(bench: Bench, token: int) -> None:
    """A candidate goes to 100 %, becomes stable, and the old stable model can be compared with it in turn."""
    for split in (
        TrafficSplit.canary(STABLE, ENHANCED, 100),
        TrafficSplit.all_to(ENHANCED),
        TrafficSplit.canary(ENHANCED, STABLE, 5),
    ):
        bench.backend.set_traffic(MODEL, split, token)
        assert bench.backend.get_traffic(MODEL) == split


def test_a_split_that_names_an_unknown_model_is_refused(bench: Bench, token: int) -> None:
    """Neither as weight nor as shadow; the last good split stays."""
    bench.backend.set_traffic(MODEL, HALF, token)
    for split in (
        TrafficSplit.canary(STABLE, "enhanced-predictor-v77", 10),
        TrafficSplit(stable=STABLE, weights={STABLE: 100}, shadow="enhanced-predictor-v77"),
    ):
        with pytest.raises(ModelNotLoadedError, match="enhanced-predictor-v77"):
            bench.backend.set_traffic(MODEL, split, token)
        assert bench.backend.get_traffic(MODEL) == HALF


def test_a_split_over_another_models_server_is_refused(bench: Bench, token: int) -> None:
    """A server answers to the name of its own model only."""
    with pytest.raises(ModelNotLoadedError, match=OTHER):
        bench.backend.set_traffic(MODEL, TrafficSplit.all_to(PLAIN), token)


def test_an_older_token_is_refused(bench: Bench, token: int) -> None:
    """A driver that was overtaken cannot change traffic; the newer driver can."""
    bench.backend.set_traffic(MODEL, HALF, token)
    with pytest.raises(StaleTokenError, match=str(token)):
        bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token - 1)
    assert bench.backend.get_traffic(MODEL) == HALF


def test_a_token_shown_with_a_refused_split_still_counts(bench: Bench, token: int) -> None:
    """The highest token seen fences, whatever came of its request."""
    with pytest.raises(ModelNotLoadedError):
        bench.backend.set_traffic(MODEL, TrafficSplit.all_to("enhanced-predictor-v77"), token + 5)
    with pytest.raises(StaleTokenError):
        bench.backend.set_traffic(MODEL, HALF, token)


def test_routes_are_independent(bench: Bench, token: int) -> None:
    """One model's split and tokens say nothing about another's."""
    bench.backend.set_traffic(MODEL, HALF, token)
    bench.backend.set_traffic(OTHER, TrafficSplit.all_to(PLAIN), 1)
    assert bench.backend.get_traffic(MODEL) == HALF
    assert bench.ask(OTHER) == PLAIN
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token)
    assert bench.backend.get_traffic(OTHER) == TrafficSplit.all_to(PLAIN)


def test_a_model_that_does_not_load_leaves_the_rest_untouched(bench: Bench, token: int, tmp_path: Path) -> None:
    """A folder without a model is refused and forgotten; stable keeps answering."""
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token)
    artifact(tmp_path / "broken", 9)
    (tmp_path / "broken" / "model.onnx").unlink()
    version = bench.versions[STABLE].model_copy(update={"number": 9, "digest": folder_digest(tmp_path / "broken")})
    with pytest.raises(ModelNotReadyError, match=version.served_name):
        bench.backend.deploy(version, tmp_path / "broken")
    assert set(bench.versions) == bench.backend.served()
    assert bench.backend.get_traffic(MODEL) == TrafficSplit.all_to(STABLE)
    assert bench.ask(MODEL) == STABLE


def test_files_that_are_not_the_registered_ones_are_refused(bench: Bench, tmp_path: Path) -> None:
    """A digest that differs is named, and nothing is served."""
    version = artifact(tmp_path / "changed", 9)
    (tmp_path / "changed" / "model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelNotReadyError, match=version.digest):
        bench.backend.deploy(version, tmp_path / "changed")
    assert set(bench.versions) == bench.backend.served()


def test_undeploy_in_use_is_refused(bench: Bench, token: int) -> None:
    """Weight 0 and shadows count as use."""
    bench.backend.set_traffic(
        MODEL, TrafficSplit(stable=STABLE, weights={STABLE: 100, ENHANCED: 0}, shadow=SHADOW), token
    )
    for name in (STABLE, ENHANCED, SHADOW):
        with pytest.raises(ServingError, match=name):
            bench.backend.undeploy(name)
        assert bench.backend.is_ready(name)


def test_a_name_in_use_keeps_its_version(bench: Bench, token: int, tmp_path: Path) -> None:
    """Another version under a name that has traffic is refused before anything changes."""
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token)
    version = artifact(tmp_path / "new", 9)
    with pytest.raises(ServingError, match="in use"):
        bench.backend.deploy(version, tmp_path / "new", STABLE)
    assert bench.backend.loaded_digest(STABLE) == bench.versions[STABLE].digest


def test_a_name_not_in_use_takes_another_version_and_can_go(bench: Bench, token: int, tmp_path: Path) -> None:
    """Deploying over an idle name replaces it; undeploy ends it, once or twice."""
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token)
    name = "spare-predictor-v1"
    for says in (0.1, 0.2):
        version = artifact(tmp_path / str(says), 9, says=says)
        bench.backend.deploy(version, tmp_path / str(says), name)
        assert bench.backend.loaded_digest(name) == version.digest
    for _ in range(2):
        bench.backend.undeploy(name)
        assert not bench.backend.is_ready(name)
    assert set(bench.versions) == bench.backend.served()


def test_going_home_shuts_every_driver_out(bench: Bench, token: int) -> None:
    """All goes to the stable model; tokens shown so far are refused, the next one counts again."""
    bench.backend.set_traffic(MODEL, HALF, token)
    home = TrafficSplit.all_to(STABLE)
    assert home == bench.backend.go_home(MODEL)
    assert home == bench.backend.go_home(MODEL)
    assert {STABLE} == {bench.ask(MODEL) for _ in range(10)}
    for late in (token, token - 1):
        with pytest.raises(StaleTokenError):
            bench.backend.set_traffic(MODEL, HALF, late)
    assert home == bench.backend.get_traffic(MODEL)
    assert HALF == bench.backend.set_traffic(MODEL, HALF, token + 1)


def test_an_unknown_route_has_no_home(bench: Bench) -> None:
    """There is nothing to send anywhere."""
    assert bench.backend.go_home("no-such-model") is None


def test_requests_are_counted_by_who_got_them(bench: Bench, token: int) -> None:
    """The router's own counts grow with the requests, and stand still for a candidate once traffic is home."""
    bench.backend.set_traffic(MODEL, HALF, token)
    before = bench.backend.tallies(MODEL)
    chosen = [bench.ask(MODEL) for _ in range(40)]
    after = bench.backend.tallies(MODEL)
    for name in (STABLE, ENHANCED):
        assert chosen.count(name) <= after[name].requests - before[name].requests
    bench.backend.go_home(MODEL)
    still = bench.backend.tallies(MODEL)[ENHANCED].requests
    assert {STABLE} == {bench.ask(MODEL) for _ in range(10)}
    assert still == bench.backend.tallies(MODEL)[ENHANCED].requests
    assert PLAIN not in bench.backend.tallies(MODEL)


def test_who_has_never_been_asked_is_counted_too(bench: Bench, token: int) -> None:
    """Deployed and without traffic is a zero that is known; only what nobody counts is missing."""
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token)
    assert {STABLE, ENHANCED, LIGHTWEIGHT} <= bench.backend.tallies(MODEL).keys()
    assert {} == bench.backend.tallies("no-such-model")


def test_an_evicted_model_is_gone_though_it_is_needed_and_comes_back(bench: Bench, token: int) -> None:
    """The second way home: it no longer answers, and deploying it brings it back."""
    bench.backend.set_traffic(MODEL, HALF, token)
    bench.backend.evict(ENHANCED)
    assert not bench.backend.is_ready(ENHANCED)
    bench.backend.go_home(MODEL)
    assert {STABLE} == {bench.ask(MODEL) for _ in range(10)}
    bench.backend.deploy(bench.versions[ENHANCED], bench.artifacts[ENHANCED])
    assert bench.backend.is_ready(ENHANCED)
    assert bench.versions[ENHANCED].digest == bench.backend.loaded_digest(ENHANCED)


TENSOR = {"name": "history", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}
NO_REQUESTS = (
    b"",
    b"{",
    b"[]",
    b'{"inputs": 1e999}',
    *(
        json.dumps({"inputs": inputs, **more}).encode()
        for inputs, more in (
            ([], {}),
            ([TENSOR], {}),
            ([{**TENSOR, "name": "prices"}], {}),
            ([{**TENSOR, "datatype": "INT64"}], {}),
            ([{**TENSOR, "shape": [-1, 6]}], {}),
            ([TENSOR, TENSOR], {}),
            ([TENSOR], {"id": "x" * 60_000}),
        )
    ),
)


def test_nothing_that_a_client_sends_makes_a_model_look_missing(bench: Bench, token: int) -> None:
    """What is no request is 422: at 400 and 404 Seldon's agent loads the model again and repeats the request."""
    if bench.url is None:
        pytest.skip("nothing is sent to what is in memory")
    bench.backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), token)
    at = f"{bench.url}/v2/models/{MODEL}/infer"
    with httpx.Client(timeout=30, trust_env=False) as client:
        codes = {one: client.post(at, content=one, headers=headers(MODEL, "r")).status_code for one in NO_REQUESTS}
    assert dict.fromkeys(NO_REQUESTS, 422) == codes
    assert STABLE == bench.ask(MODEL)
