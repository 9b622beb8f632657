"""What each alert is called by, told by the real Prometheus' rule tester; where there is none, they are skipped."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from firstflight.settings import Ports
from tests.manifests.objects import ROOT, build, of_kind
from tests.manifests.test_monitoring import expressions

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no `promtool` is installed (Debian: apt install prometheus)"
)
pytestmark = needs_promtool


class Case(NamedTuple):
    """Series from minute 0 on, one sample a minute, and the models for which the alert is on at `minute`."""

    alert: str
    minute: int
    fires: bool
    series: dict[str, str]


OPEN = {'firstflight_rollout_phase{model="m",phase="observing"}': "1x120"}
ENDED = {
    'firstflight_rollout_phase{model="m",phase="observing"}': "0x1500",
    'firstflight_rollout_phase{model="m",phase="promoted"}': "1x1500",
}


def since(name: str, at: str = "0x1500", labels: str = 'model="m"') -> dict[str, str]:
    """Return a timestamp that stays where it is."""
    return {f"{name}{{{labels}}}": at}


def splits(router: int) -> dict[str, str]:
    """Return a declared tenth, and what the router reports."""
    return {
        'firstflight_rollout_declared_percent{model="m",variant="new"}': "10x120",
        'firstflight_router_percent{model="m",variant="new"}': f"{router}x120",
    }


ROUND = "firstflight_guard_round_timestamp_seconds"
CHECKED = "firstflight_rollout_check_timestamp_seconds"
EVERY = {'firstflight_rollout_check_interval_seconds{model="m"}': "30x120"}
STANDS = "firstflight_rollout_phase_start_timestamp_seconds"
COMPLETE = "firstflight_predictions_complete_timestamp_seconds"
WAITS = "firstflight_predictions_waiting_since_timestamp_seconds"
FAILS = {'firstflight_rollout_stable_failing{model="m"}': "1x1500"}
GOES_HOME = 'firstflight_rollout_phase{model="m",phase="rolling back"}'
LEFT = 'firstflight_lease_left_seconds{model="m"}'
UP = "firstflight_source_up"
DISK = {"firstflight_disk_size_bytes{instance='a'}": "1000x120"}

LONG = 1000
"""Minutes."""
CASES = (
    Case("GuardSilent", 10, True, {f"{ROUND}{{pod='a'}}": "0+0x20"}),
    Case("GuardSilent", 10, True, {}),
    Case("GuardSilent", 10, False, {f"{ROUND}{{pod='a'}}": "0+60x20", f"{ROUND}{{pod='b'}}": "0x20"}),
    Case("LeaseLate", 10, True, {LEFT: "-90x20"}),
    Case("LeaseLate", 10, False, {LEFT: "-10x20"}),
    Case("RollBackUnfinished", 10, True, {GOES_HOME: "1x20"}),
    Case("RollBackUnfinished", 10, False, {GOES_HOME: "0x8 1x1 0x20"}),
    Case("StableFailing", 10, True, OPEN | FAILS),
    Case("StableFailing", 10, False, ENDED | FAILS),
    Case("SplitDiffers", 10, True, OPEN | splits(0)),
    Case("SplitDiffers", 10, False, OPEN | splits(10)),
    Case("SplitDiffers", 10, False, ENDED | splits(0)),
    Case("RolloutUnwatched", 30, True, OPEN | EVERY | since(CHECKED)),
    Case("RolloutUnwatched", 30, False, OPEN | EVERY | since(CHECKED, "0+60x60")),
    Case("RolloutUnwatched", 30, False, ENDED | EVERY | since(CHECKED)),
    Case("RolloutStuck", 1470, True, since(STANDS)),
    Case("RolloutStuck", 1430, False, since(STANDS)),
    Case("RolloutStuck", 1470, False, ENDED | since(STANDS)),
    Case("TruthsLate", 1300, True, since(WAITS)),
    Case("TruthsLate", 1100, False, since(WAITS)),
    Case("PredictionsBehind", 10, True, since(COMPLETE, labels="")),
    Case(
        "PredictionsBehind",
        10,
        False,
        since(COMPLETE, "0+60x20", labels=""),
    ),
    Case("DatabaseAway", 10, True, {f"{UP}{{source='ledger'}}": "0x20", f"{UP}{{source='disk'}}": "1x20"}),
    Case("DatabaseAway", 10, False, {f"{UP}{{source='ledger'}}": "1x20", f"{UP}{{source='router'}}": "0x20"}),
    Case("RouterAway", 10, True, {f"{UP}{{source='router'}}": "0x20"}),
    Case("RouterAway", 10, False, {f"{UP}{{source='router'}}": "1x20", f"{UP}{{source='ledger'}}": "0x20"}),
    Case("ExporterAway", 10, True, {}),
    Case("ExporterAway", 10, False, {f"{UP}{{source='disk'}}": "1x20"}),
    Case("MessagesOwed", 30, True, {'firstflight_messages_owed{model="m"}': "2x60"}),
    Case("MessagesOwed", 30, False, {'firstflight_messages_owed{model="m"}': "0x60"}),
    Case("DiskFull", 30, True, DISK | {"firstflight_disk_free_bytes{instance='a'}": "40x60"}),
    Case("DiskFull", 30, False, DISK | {"firstflight_disk_free_bytes{instance='a'}": "60x60"}),
)


def ours() -> dict[str, Any]:
    """Return the rules about rollouts, as Prometheus reads them."""
    spec: dict[str, Any] = of_kind(build("extras/monitoring"), "PrometheusRule")["firstflight-rollouts"]["spec"]
    return spec


def promtool(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in `folder`."""
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def in_namespace(series: str) -> str:
    """Return `series` with the label that the operator gives it."""
    return series.replace("{", '{namespace="firstflight",', 1)


def tried(case: Case) -> dict[str, Any]:
    """Return a test of Prometheus' that only asks whether an alert is on; of its own texts it knows nothing."""
    alert = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
    return {
        "interval": "1m",
        "name": f"{case.alert} {'on' if case.fires else 'off'}: {sorted(case.series)}",
        "input_series": [{"series": in_namespace(name), "values": values} for name, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": f"count({alert}) or vector(0)",
                "eval_time": f"{case.minute}m",
                "exp_samples": [{"labels": "{}", "value": int(case.fires)}],
            }
        ],
    }


def written(folder: Path, cases: Sequence[Case]) -> list[str]:
    """Write a file of tests for each alert and return their names.

    With its own rule alone, and no more moments than it needs: all rules at all moments take half a minute.
    """
    rules = {rule["alert"]: rule for rule in ours()["groups"][0]["rules"]}
    names = []
    for alert in {case.alert: None for case in cases}:
        of_it = [case for case in cases if case.alert == alert]
        (folder / f"{alert}.rules.yml").write_text(json.dumps({"groups": [{"name": alert, "rules": [rules[alert]]}]}))
        every = "10m" if any(case.minute > LONG for case in of_it) else "1m"
        told = {
            "rule_files": [f"{alert}.rules.yml"],
            "evaluation_interval": every,
            "tests": [tried(case) for case in of_it],
        }
        (folder / f"{alert}.yml").write_text(json.dumps(told))  # JSON is YAML
        names.append(f"{alert}.yml")
    return names


def test_each_alert_is_on_when_it_has_to_be_and_off_when_not(tmp_path: Path) -> None:
    """Every alert about rollouts has a case of both; Prometheus itself evaluates them."""
    alerts = {rule["alert"] for rule in ours()["groups"][0]["rules"]}
    assert {(alert, fires) for alert in alerts for fires in (True, False)} == {(one.alert, one.fires) for one in CASES}

    told = promtool("test", "rules", *written(tmp_path, CASES), folder=tmp_path)

    assert 0 == told.returncode, told.stdout + told.stderr


def test_the_tester_can_fail(tmp_path: Path) -> None:
    """A case that expects the contrary is refused: what is asked is asked."""
    [case] = [one for one in CASES if one.alert == "ExporterAway" and one.fires]

    told = promtool("test", "rules", *written(tmp_path, [case._replace(fires=False)]), folder=tmp_path)

    assert 0 != told.returncode


def test_the_configuration_in_the_docs_is_one(tmp_path: Path) -> None:
    """A Prometheus of one's own reads it, with the rules beside it, and asks where exporter and guard answer."""
    [text] = re.findall(
        r"```yaml\n(rule_files.*?)```", (ROOT / "docs/observation.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "prometheus.yml").write_text(text)
    (tmp_path / "rules.yml").write_text(json.dumps(ours()))

    told = promtool("check", "config", "prometheus.yml", folder=tmp_path)

    assert 0 == told.returncode, told.stdout + told.stderr
    ports = Ports.model_fields["exporter"].default, Ports.model_fields["guard"].default
    assert [f"127.0.0.1:{port}" for port in ports] == re.findall(r'"(127[^"]*)"', text)


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    """Those of all alerts, whole, and of all panels."""
    every = of_kind(build("extras/monitoring"), "PrometheusRule").values()
    groups = [group for each in every for group in each["spec"]["groups"]]
    shown = [{"record": f"shown:{number}", "expr": each} for number, each in enumerate(expressions())]
    text = json.dumps({"groups": [*groups, {"name": "shown", "rules": shown}]})
    (tmp_path / "rules.yml").write_text(text.replace("$__rate_interval", "5m").replace("$__range", "1h"))

    told = promtool("check", "rules", "rules.yml", folder=tmp_path)

    assert 0 == told.returncode, told.stdout + told.stderr
