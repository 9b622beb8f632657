"""Reports of rollouts that really went, in memory: one promoted, one brought home, one that waits for a person."""

import math
import statistics
from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.acts.ledger_view import history
from firstflight.acts.observe import canary_plan, check, recall
from firstflight.acts.report import report_data
from firstflight.acts.start import resume_or_start
from firstflight.acts.tell import tell_ended
from firstflight.domain.plans import ABTestPlan, Guardrail
from firstflight.domain.versions import PARAMETERS, ModelVersion, Registered
from firstflight.observation.history import Activity, Bin, History
from firstflight.observation.records import Prediction
from firstflight.report.data import Link, ReportData
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, Rollout
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

RUN = "8c0f7a52-1d1e-4f6e-9a51-0d2a6b7c8d9e"
YES = Answer(approver="mara", decision="approve", comment="Latency looks right; go.")
GUARDRAILS = (
    Guardrail(metric="error_rate", limit=0.01, margin=0.05),
    Guardrail(metric="latency", limit=200, quantile=0.95),
    Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False),
)
AB_TEST = ABTestPlan(
    model=MODEL,
    weights={"baseline": 80, "lightweight": 20},
    shadow=None,
    requests=1000,
    seconds=300,
    check_seconds=10,
    guardrails=GUARDRAILS[:2],
)
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
        asked: dict[tuple[int, str], list[Prediction]] = defaultdict(list)
        for one, _ in self._twin.source._predictions.values():
            if one.route == route and one.arm and since <= one.at < until:
                asked[math.floor((one.at - since).total_seconds() / bin_seconds), one.arm].append(one)
        models: defaultdict[int, dict[str, Activity]] = defaultdict(dict)
        for (place, arm), found in asked.items():
            took = statistics.median((one.us or 0) / 1e3 for one in found)
            models[place][arm] = Activity(len(found), sum(one.failed for one in found), took, took, shadow=False)
        places, step = math.ceil((until - since).total_seconds() / bin_seconds), timedelta(seconds=bin_seconds)
        return tuple(Bin(since + place * step, bin_seconds, models[place]) for place in range(places))


def registered(twin: Twin, variant: str) -> ModelVersion:
    """Register a version with a model card."""
    folder = twin.folder / "artifacts" / variant
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(variant.encode())
    (folder / "model_card.md").write_text(CARD.format(title=variant))
    tags = {"git_commit": "7e6aaf4", PARAMETERS: "5000" if variant == "lightweight" else "50000"}
    return twin.world.registry.register(MODEL, variant, folder, tags)


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
def promoted(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """An A/B test, six stages, an approval, a promotion."""
    twin = Twin(tmp_path_factory.mktemp("promoted"))
    waiting = released(twin)
    looked_on(twin, waiting, 3)
    ended = drive(twin.world, waiting, YES)
    assert Phase.PROMOTED is ended.phase
    tell_ended(twin.world, ended)
    return report_of(twin)


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """The same, while a person is asked and the guard has looked on for long."""
    twin = Twin(tmp_path_factory.mktemp("asked"))
    looked_on(twin, released(twin), LOOKS_WHILE_ASKED)
    return report_of(twin)


@pytest.fixture(scope="session")
def rolled_back(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """A candidate that fails, brought home at its first stage."""
    twin = Twin(tmp_path_factory.mktemp("rolled-back"))
    candidate = begun(twin)
    twin.clients.failing[candidate.served_name] = 0.3
    plan = CANARY.model_copy(update={"candidate": candidate.number})
    assert Phase.ROLLED_BACK is drive(twin.world, resume_or_start(twin.world, plan, run=RUN)).phase
    return report_of(twin)


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    """An A/B test by itself."""
    twin = Twin(tmp_path_factory.mktemp("compared"))
    begun(twin)
    drive(twin.world, resume_or_start(twin.world, AB_TEST, run=RUN))
    return report_of(twin)
