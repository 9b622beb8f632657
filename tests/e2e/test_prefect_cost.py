"""What a long rollout costs Prefect: six stages of half an hour, a check each 30 s, on a clock that runs fast.

The flow, its tasks, its artifacts and the server are real; the world it acts on is in memory. The run itself takes
seconds, so the heartbeats of its three hours are sent by hand.
"""

import time
from dataclasses import replace

import psycopg
import pytest
from prefect.events import emit_event
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from psycopg import sql

from firstflight.acts import report
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.report import page
from firstflight.settings import Settings
from flows import canary
from tasks import artifacts, reports, rollouts
from tests.unit.acts.twin import MODEL, Twin

pytestmark = pytest.mark.local

HALF_AN_HOUR = 1800.0
PLAN = CanaryPlan(
    model=MODEL,
    approvals=(),
    stage_seconds=HALF_AN_HOUR + 600,
    min_stage_seconds=HALF_AN_HOUR,
    bake_seconds=0,
    guardrails=(Guardrail(metric="error_rate", limit=0.5, proves=False),),
)
HOURS = 3
HEARTBEATS = HOURS * 120


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Twin:
    """A world in memory that the tasks open instead of the real one; every artifact is posted before time goes on."""
    twin = Twin()
    twin.clients.rate = 1.0
    twin.world = replace(twin.world, link="http://localhost/runs/{}".format)
    for module in (reports, rollouts):
        monkeypatch.setattr(module, "open_world", lambda _settings: twin.world)
    monkeypatch.setattr(report, "report_data", lambda *_: None)
    monkeypatch.setattr(page, "write_report", lambda *_: None)
    update = artifacts.Progress.update

    def update_and_wait(self: artifacts.Progress, *args: object) -> None:
        update(self, *args)  # type: ignore[arg-type]  # passed on as they came
        assert self._posted is not None
        self._posted.result()

    monkeypatch.setattr(artifacts.Progress, "update", update_and_wait)
    return twin


def rows(settings: Settings) -> dict[str, int]:
    """Rows of each table of Prefect's database that has any."""
    with psycopg.connect(settings.database("prefect")) as connection:
        names = [name for (name,) in connection.execute("SELECT relname FROM pg_stat_user_tables")]
        counts = {
            name: connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
            for name in names
        }
    return {name: found[0] for name, found in counts.items() if found and found[0]}


def megabytes(settings: Settings) -> float:
    """Size of Prefect's tables and indexes."""
    with psycopg.connect(settings.database("prefect")) as connection:
        [(size,)] = connection.execute("SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables").fetchall()
    return float(size) / 2**20


def settled(settings: Settings) -> dict[str, int]:
    """Rows once they have stopped growing: task runs arrive by way of events, seconds later."""
    deadline, known = time.monotonic() + 60, rows(settings)
    while time.monotonic() < deadline:
        time.sleep(3)
        now = rows(settings)
        if sum(now.values()) - sum(known.values()) <= 3:  # the stack's own pulse
            return now
        known = now
    return known


def test_three_hours_of_checks_cost_prefect_little(stack: Settings, twin: Twin) -> None:
    """Some 360 checks: a few hundred rows beside the heartbeats, under 3 MB in all, and a page that can be read."""
    twin.champion()
    version = twin.candidate()
    before, size = settled(stack), megabytes(stack)
    with temporary_settings({PREFECT_API_URL: stack.prefect_api, PREFECT_API_AUTH_STRING: stack.prefect_auth}):
        state = canary.canary(PLAN.model_copy(update={"candidate": version.number}), return_state=True)
        for beat in range(HEARTBEATS):
            emit_event(
                event="prefect.flow-run.heartbeat",
                resource={"prefect.resource.id": f"prefect.flow-run.{state.state_details.flow_run_id}"},
                related=[
                    {"prefect.resource.id": f"prefect.{kind}.cost", "prefect.resource.role": kind}
                    for kind in ("flow", "deployment", "work-queue", "work-pool")
                ],
                payload={"beat": beat},
            )
    after, grown = settled(stack), megabytes(stack) - size
    added = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    checks = sum(len(twin.world.ledger.read(name)) for name in twin.world.ledger.streams("checks/"))
    print(f"{checks} checks, {sum(added.values())} rows, {grown:.2f} MB: {added}")  # noqa: T201 - the figures of the docs
    assert "Promoted" == state.name
    assert checks >= HOURS * 120 - 12
    assert added["events"] - HEARTBEATS < 500
    assert added["artifact"] < 20
    assert added.get("task_run", 0) < 50
    assert grown < 5
