"""Which source observes which backend."""

from pathlib import Path

from firstflight.domain.samples import Window
from firstflight.domain.traffic import TrafficSplit
from firstflight.observation.combined import CombinedSource
from firstflight.observation.prometheus import PrometheusSource
from firstflight.observation.store_source import StoreSource
from firstflight.serving import gateway_series
from firstflight.serving.memory import MemoryBackend
from firstflight.settings import Settings
from firstflight.world import open_source
from tests.doubles.mesh import Mesh
from tests.doubles.prometheus import running_prometheus
from tests.serving_bench import artifact

ROUTE = "direction"
ROOT = Path(__file__).parents[2]


def test_only_serving_and_settings_know_what_a_cluster_serves_with() -> None:
    """So a flow cannot tell where it runs."""
    library = (ROOT / "src" / "firstflight").rglob("*.py")
    theirs = [path for path in library if "serving" not in path.parts and path.name != "settings.py"]
    flows = [*(ROOT / "flows").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]
    assert len(theirs) > 100
    assert len(flows) > 20
    assert [] == [str(path) for path in (*theirs, *flows) if "seldon" in path.read_text(encoding="utf-8").lower()]


def test_at_home_the_prediction_store_knows_everything(tmp_path: Path) -> None:
    """A gateway that logs each request needs no Prometheus."""
    settings = Settings(home=tmp_path)
    assert gateway_series(settings) is None
    assert isinstance(open_source(settings, MemoryBackend()), StoreSource)


def test_on_a_cluster_requests_are_the_gateways_counters(tmp_path: Path) -> None:
    """Requests come from Prometheus, of the arms that the backend names, the shadow left out."""
    backend = MemoryBackend()
    stable, candidate, shadow = (artifact(tmp_path / name, n) for n, name in enumerate("abc", start=1))
    for version, name in ((stable, None), (candidate, None), (shadow, "shadow-predictor-v3")):
        backend.deploy(version, tmp_path / "abc"[version.number - 1], name)
    first, second = stable.served_name, candidate.served_name
    split = TrafficSplit(stable=first, weights={first: 90, second: 10}, shadow="shadow-predictor-v3")
    backend.set_traffic(ROUTE, split, token=1)
    with running_prometheus() as prometheus:
        settings = Settings(home=tmp_path, backend="seldon", namespace="models", prometheus_url=prometheus.url)
        source = open_source(settings, backend)
        assert isinstance(source, CombinedSource)
        requests = source._requests
        assert isinstance(requests, PrometheusSource)
        mesh = Mesh(began=0)
        for at in (60_000, 75_000):
            prometheus.scrape(at, mesh.expose(at), mesh.target)
            for name in (first, second, "shadow-predictor-v3", "somebody-elses-v1"):
                mesh.ask(name)
        window = requests.watermark(ROUTE)
        assert window is not None
        assert {first: 1, second: 1} == dict(source.assignments(ROUTE, window))
        assert {} == dict(source.assignments("nobody", Window(since=window.since, until=window.until)))
