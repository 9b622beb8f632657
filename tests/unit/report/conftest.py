"""Reports of rollouts that really went, in memory: one promoted, one brought home, one that waits for a person."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.acts.ledger_view import history
from firstflight.acts.observe import canary_plan, check, recall
from firstflight.acts.report import report_data
from firstflight.acts.start import resume_or_start
from firstflight.acts.tell import tell_ended
from firstflight.analysis.exceedance import quantile_estimate
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Counts, Histogram, Window
from firstflight.domain.versions import PARAMETERS, ModelVersion, Registered
from firstflight.observation.history import Activity, Bin, History
from firstflight.report.data import Link, ReportData
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, Rollout
from tests.unit.acts.twin import AB_TEST as AB
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

RUN = "8c0f7a52-1d1e-4f6e-9a51-0d2a6b7c8d9e"
YES = Answer(approver="mara", decision="approve", comment="Latency looks right; go.")
GUARDRAILS = (
    Guardrail(metric="error_rate", limit=0.01, margin=0.05),
    Guardrail(metric="latency", limit=200, quantile=0.95),
    Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False),
)
AB_TEST = AB.model_copy(update={"guardrails": GUARDRAILS[:2]})
CANARY = PLAN.model_copy(update={"stages": (5, 10, 25, 50, 75, 100), "approvals": (50,), "guardrails": GUARDRAILS})
CARD = """# {title}

| metric | test | majority class |
|---|---:|---:|
| AUC | 0.522 | 0.500 |

## Limits

It has seen no crash after 2018. <script>alert(1)</script> ![pixel](https://example.org/pixel.png)
"""
LOOKS_WHILE_ASKED = 178


class Past(History):
    """What a twin's clients met, as the prediction store tells it."""

    def __init__(self, twin: Twin) -> None:
        super().__init__("postgresql://nowhere/")
        self._twin = twin

    def timeline(self, route: str, since: datetime, until: datetime, bin_seconds: float) -> tuple[Bin, ...]:
        """Return what each model did in each bin."""
        length = timedelta(seconds=bin_seconds)
        begins = [since + place * length for place in range(math.ceil((until - since) / length))]
        return tuple(Bin(at, bin_seconds, self._activity(route, at, length)) for at in begins)

    def _activity(self, route: str, at: datetime, length: timedelta) -> dict[str, Activity]:
        window, source = Window(since=at, until=at + length), self._twin.source
        found = {}
        for name in source.assignments(route, window):
            samples = source.samples(route, name, window)
            requests, times = samples["error_rate"], samples["latency"]
            assert isinstance(requests, Counts)
            assert isinstance(times, Histogram)
            took = quantile_estimate(times.edges, times.counts, 0.5)
            found[name] = Activity(requests.exposures, requests.events, took, took, shadow=False)
        return found


def registered(twin: Twin, variant: str) -> ModelVersion:
    """Register a version with a model card."""
    tags = {"git_commit": "7e6aaf4", PARAMETERS: "5000" if variant == "lightweight" else "50000"}
    with TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").write_bytes(variant.encode())
        (Path(folder) / "model_card.md").write_text(CARD.format(title=variant))
        return twin.registry.register(MODEL, variant, Path(folder), tags)


def begun(twin: Twin) -> ModelVersion:
    """Serve a champion, and return a version to try beside it."""
    first = Registered(version=registered(twin, "baseline"), passed=True, reasons=())
    ensure_champion(twin.world, first, actor=RUN)
    candidate = registered(twin, "lightweight")
    deploy(twin.world, candidate)
    return candidate


def report_of(twin: Twin) -> ReportData:
    """What the report of the twin's run tells now."""
    links = (Link(label="Flow run", url="http://127.0.0.1:4200/runs/flow-run/8c0f"),)
    return report_data(twin.world, Past(twin), history(twin.world.ledger, MODEL), links)


def released(twin: Twin) -> Rollout:
    """Run an A/B test and the canary after it, up to the question whether it may go on."""
    candidate = begun(twin)
    assert Phase.COMPARED is drive(twin.world, resume_or_start(twin.world, AB_TEST, run=RUN)).phase
    plan = CANARY.model_copy(update={"candidate": candidate.number})
    waiting = drive(twin.world, resume_or_start(twin.world, plan, run=RUN))
    assert Phase.AWAITING_APPROVAL is waiting.phase
    return waiting


def looked_on(twin: Twin, rollout: Rollout, looks: int) -> None:
    """Look on as the guard does while nobody has answered."""
    plan = canary_plan(rollout)
    known = recall(twin.world, rollout, plan)
    for _ in range(looks):
        twin.wait(2)
        _, _, known = check(twin.world, rollout, plan, known)


@pytest.fixture(scope="session")
def promoted() -> ReportData:
    """An A/B test, six stages, an approval, a promotion."""
    twin = Twin()
    waiting = released(twin)
    looked_on(twin, waiting, 3)
    ended = drive(twin.world, waiting, YES)
    assert Phase.PROMOTED is ended.phase
    tell_ended(twin.world, ended)
    return report_of(twin)


@pytest.fixture(scope="session")
def asked() -> ReportData:
    """The same, while a person is asked and the guard has looked on for long."""
    twin = Twin()
    looked_on(twin, released(twin), LOOKS_WHILE_ASKED)
    return report_of(twin)


@pytest.fixture(scope="session")
def rolled_back() -> ReportData:
    """A candidate that fails, brought home at its first stage."""
    twin = Twin()
    candidate = begun(twin)
    twin.clients.failing[candidate.served_name] = 0.3
    plan = CANARY.model_copy(update={"candidate": candidate.number})
    assert Phase.ROLLED_BACK is drive(twin.world, resume_or_start(twin.world, plan, run=RUN)).phase
    return report_of(twin)


@pytest.fixture(scope="session")
def compared() -> ReportData:
    """An A/B test by itself."""
    twin = Twin()
    begun(twin)
    drive(twin.world, resume_or_start(twin.world, AB_TEST, run=RUN))
    return report_of(twin)
