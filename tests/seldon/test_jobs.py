"""Flow runs as Jobs beside a real Seldon Core: `make test-seldon`, where `SELDON_PREFECT` names the Prefect there."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from firstflight.acts.ledger_view import checks, history
from firstflight.domain.plans import CanaryPlan, Guardrail, ReleasePlan
from firstflight.ledger import open_store
from firstflight.orchestrator import FlowRun
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from tests.e2e.runs import MODEL, Runs, assert_home, canary, candidate
from tests.e2e.runs import RELEASE as AT_HOME
from tests.real_cluster import run_kubectl
from tests.seldon_real import Break, emptied, real_settings
from tests.serving_bench import until

pytestmark = pytest.mark.seldon
GUARDRAILS = (
    Guardrail(metric="error_rate", limit=0.05, margin=0.1),
    Guardrail(metric="latency", limit=5000.0, quantile=0.95),
    Guardrail(metric="refused_rate", tolerance=0.05, proves=False),
)
CANARY = CanaryPlan(
    model=MODEL,
    stages=(25, 100),
    approvals=(100,),
    stage_seconds=900,
    min_stage_seconds=5,
    warmup_seconds=0,
    check_seconds=2,
    approval_seconds=900,
    no_data_seconds=120,
    bake_seconds=5,
    guardrails=GUARDRAILS,
)
LONG = CANARY.model_copy(update={"min_stage_seconds": 600})
TRUTHS = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.25, proves=False)
COMPARED = AT_HOME.ab_test.model_copy(update={"shadow": None, "seconds": 600, "guardrails": (*GUARDRAILS, TRUTHS)})
RELEASE = ReleasePlan(training=AT_HOME.training, ab_test=COMPARED, canary=CANARY)
SECONDS = 900.0
"""Of the longest wait: each run begins in a pod of its own."""


@contextmanager
def scaled(namespace: str, *deployments: str) -> Iterator[None]:
    """Have Deployments up while the block runs: ready in it, and without a pod after it."""

    def scale(replicas: int) -> None:
        words = [f"deployment/{name}" for name in deployments]
        done = run_kubectl("scale", "-n", namespace, f"--replicas={replicas}", *words)
        assert 0 == done.returncode, done.stderr
        pods = ("get", "pods", "-n", namespace, "-l", f"app.kubernetes.io/name in ({','.join(deployments)})")
        ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
        wanted = ["True"] * replicas * len(deployments)
        until(lambda: wanted == run_kubectl(*pods, "-o", ready).stdout.split(), SECONDS)

    scale(1)
    try:
        yield
    finally:
        scale(0)


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """A client of the Prefect there, whose worker and guard are up; the mesh is asked all the time."""
    if not os.environ.get("SELDON_PREFECT"):
        pytest.skip("SELDON_PREFECT names no Prefect whose runs are Jobs")
    named = {"PREFECT_API_URL": "PREFECT", "PREFECT_API_AUTH_STRING": "PREFECT_AUTH", "MLFLOW_TRACKING_URI": "MLFLOW"}
    with pytest.MonkeyPatch.context() as patch:
        for name, given in {**named, "FIRSTFLIGHT_DATABASE_URL": "DATABASE"}.items():
            patch.setenv(name, os.environ[f"SELDON_{given}"])
        settings = real_settings()
        emptied(settings)
        found = Runs(settings)
        with scaled(settings.namespace, "prefect-worker", "guard"), replayed(settings):
            until(lambda: works(found), SECONDS)
            yield found
        emptied(settings)


@contextmanager
def replayed(settings: Settings) -> Iterator[None]:
    """Ask the mesh held-out days while the block runs, and tell how they went."""
    named = {
        "FIRSTFLIGHT_BACKEND": settings.backend,
        "FIRSTFLIGHT_NAMESPACE": settings.namespace,
        "FIRSTFLIGHT_MESH_URL": settings.mesh_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    words = ("-m", "firstflight.cli.main", "replay", MODEL, "--rate", "50", "--outcome-delay", "0.2", "--json")
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, env={**os.environ, **named}) as replay:
        try:
            yield
        finally:
            replay.terminate()


def works(runs: Runs) -> bool:
    """Whether a worker is there, and what there is to run."""
    pool = runs.orchestrator.pool("kubernetes")
    return bool(pool and any(one.online for one in pool.workers) and "release" in runs.orchestrator.deployments())


def pod_of(settings: Settings, run: FlowRun) -> str:
    """Return the pod that drives the run now."""
    which = ("-l", f"prefect.io/flow-run-id={run.id}", "--field-selector", "status.phase=Running")
    found = run_kubectl("get", "pods", "-n", settings.namespace, *which, "-o", "jsonpath={.items[-1:].metadata.name}")
    assert found.stdout, found.stderr
    return found.stdout


def observed(runs: Runs, run: FlowRun) -> Rollout:
    """Return the run's rollout once its stages have been looked at twice more."""
    seen = looks(runs, run)
    until(lambda: looks(runs, run) > seen + 1, SECONDS)
    found = runs.rollout(run.id)
    assert not found.final, found.reasons
    return found


def looks(runs: Runs, run: FlowRun) -> float:
    """Return how often the stages of the run's rollout have been looked at; there is no more to wait for at its end."""
    ledger = open_store(runs.settings)
    mine = [one for one in history(ledger, MODEL) if one.run == str(run.id)]
    return 0 if not mine else math.inf if mine[-1].final else len(checks(ledger, mine[-1]))


@pytest.fixture(scope="module")
def released(runs: Runs) -> FlowRun:
    """A release in Jobs: trained, each variant in one of its own, compared, canaried, approved."""
    run = runs.start("release/release", RELEASE)
    if runs.wait(run.id, lambda found: found.suspended or found.final, SECONDS).suspended:
        runs.orchestrator.resume(run.id, {"approver": "ada", "decision": "approve", "comment": "looks right"})
    return runs.wait(run.id, lambda found: found.final, SECONDS)


def test_a_release_is_trained_compared_and_approved_in_jobs(runs: Runs, released: FlowRun) -> None:
    """It ends promoted; resuming it made a Job anew, and nothing was trained twice."""
    assert ("COMPLETED", "Promoted") == (released.state_type, released.state_name), released.message
    kinds = [record.kind for record in open_store(runs.settings).read(f"release/{released.id}")]
    assert sorted(set(kinds)) == sorted(kinds)
    assert {"trained", "compared"} <= set(kinds)
    named = run_kubectl(
        "get", "jobs", "-n", runs.settings.namespace, "-o", "jsonpath={.items[*].metadata.labels}"
    ).stdout
    assert 2 <= named.count(str(released.id))
    assert 2 <= named.count('"prefect.io/deployment-name":"train-variant"')


@pytest.mark.usefixtures("released")
def test_a_drain_moves_the_run_and_a_cancel_ends_it(runs: Runs, do: Break) -> None:
    """The pod that is evicted hands over to the next, which goes on observing; who cancels it has traffic home."""
    run = canary(runs, candidate(runs, "drained"), LONG)
    before = observed(runs, run)
    do("evict", pod_of(runs.settings, run))
    until(lambda: (now := runs.rollout(run.id)).final or now.token > before.token, SECONDS)
    observed(runs, run)
    runs.orchestrator.cancel(run.id)
    assert_home(runs, runs.home(run.id, SECONDS))


@pytest.mark.usefixtures("released")
def test_a_run_without_memory_is_brought_home(runs: Runs, do: Break) -> None:
    """Killed by the kernel, it cannot act for itself: the automation and the guard do, and say what became of it."""
    run = canary(runs, candidate(runs, "killed"), LONG)
    observed(runs, run)
    do("oom", pod_of(runs.settings, run))
    ended = runs.home(run.id, SECONDS)
    assert_home(runs, ended)
    assert ended.reasons
