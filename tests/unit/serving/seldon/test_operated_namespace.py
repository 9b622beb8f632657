"""The tests of a real API server let the double of Seldon act there over HTTP; here over the double of an API."""

from pathlib import Path

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.backend import SeldonBackend
from tests.doubles.kubernetes_api import NAMESPACE, KubernetesApi
from tests.doubles.seldon import Seldon
from tests.real_cluster import OperatedNamespace
from tests.seldon_bench import QUICK, object_storage, settings_of
from tests.serving_bench import MODEL, artifact


def test_seldon_acts_over_http(tmp_path: Path) -> None:
    """Models become ready, a split is taken, what is undeployed goes; at the end nothing is left hanging."""
    with object_storage(), KubernetesApi() as api:
        with OperatedNamespace(api.configuration, NAMESPACE) as operated, Seldon(operated) as seldon:
            settings = settings_of(NAMESPACE, seldon)
            backend = SeldonBackend(settings, api=Api(api.configuration, NAMESPACE), patience=QUICK)
            names = []
            for number, variant in enumerate(("baseline", "enhanced", "lightweight"), 1):
                version = artifact(tmp_path / variant, number, variant=variant)
                backend.deploy(version, tmp_path / variant)
                names.append(version.served_name)
            stable, candidate, spare = names
            half = TrafficSplit.canary(stable, candidate, 50)
            assert half == backend.set_traffic(MODEL, half, 1)
            backend.undeploy(spare)
            assert frozenset({stable, candidate}) == backend.served()
            assert TrafficSplit.all_to(stable) == backend.go_home(MODEL)
        for plural in ("experiments", "models"):
            for name in api.names(plural):
                api.delete(plural, name)
            assert [] == api.names(plural)
