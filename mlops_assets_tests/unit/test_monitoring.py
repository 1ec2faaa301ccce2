"""What `deploy/monitoring` ships: every rule fires once, stays silent once, and names only metrics that are served."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from mlops_assets.operations.exporter.families import FAMILIES
from mlops_assets.serving.metrics import Metrics
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets_tests.unit.serving.served_models import FakeChampions

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = FOLDER / "rules.yml"


class Case(NamedTuple):
    """Series with which a rule fires, series with which it is silent, and when to look."""

    fires: dict[str, str]
    silent: dict[str, str]
    at: str


def tick(value: str) -> dict[str, str]:
    return {'mlops_tick_timestamp_seconds{instigator="s", type="sensor"}': value}


def runs(status: str, value: str) -> dict[str, str]:
    return {f'mlops_runs_oldest_timestamp_seconds{{status="{status}"}}': value}


def rollout(state: str) -> dict[str, str]:
    labels = f'model="m",state="{state}",strategy="canary",version="2"'
    return {f"mlops_model_rollout_info{{{labels}}}": "1x60"}


def level(report: str, name: str) -> dict[str, str]:
    return {f'mlops_model_{report}_level_info{{model="m", level="{name}"}}': "1x20000"}


def requests(errors: int) -> dict[str, str]:
    return {
        'mlops_requests_total{model="m", status="500"}': f"0+{errors}x60",
        'mlops_requests_total{model="m", status="200"}': "0+100x60",
    }


def latency(fast: int) -> dict[str, str]:
    """Of 100 requests a minute so many below 1 s, all below 2.5 s."""
    return {
        'mlops_request_seconds_bucket{model="m", le="1"}': f"0+{fast}x60",
        'mlops_request_seconds_bucket{model="m", le="2.5"}': "0+100x60",
        'mlops_request_seconds_bucket{model="m", le="+Inf"}': "0+100x60",
    }


def disk(free: str) -> dict[str, str]:
    return {
        'mlops_disk_free_bytes{folder="home"}': free,
        'mlops_disk_size_bytes{folder="home"}': "100000000000x20000",
    }


def connections(used: int) -> dict[str, str]:
    return {
        'mlops_database_connections{database="a"}': f"{used}x60",
        'mlops_database_connections{database="b"}': "10x60",
        "mlops_database_connections_limit": "100x60",
    }


def finished(failed: int) -> dict[str, str]:
    return {
        'mlops_runs_finished{status="FAILURE"}': f"{failed}x60",
        'mlops_runs_finished{status="SUCCESS"}': "8x60",
    }


def memory(free: int) -> dict[str, str]:
    return {"mlops_memory_available_bytes": f"{free}x60", "mlops_memory_size_bytes": "100x60"}


CASES = {
    "MlopsExporterDown": Case({'up{job="mlops"}': "0x60"}, {'up{job="mlops"}': "1x60"}, "10m"),
    "MlopsDatabaseDown": Case(
        {'mlops_database_up{database="ledger"}': "0x60"},
        {'mlops_database_up{database="ledger"}': "1x60"},
        "5m",
    ),
    "MlopsDatabaseConnectionsHigh": Case(connections(75), connections(60), "10m"),
    "MlopsSourceUnread": Case(
        {'mlops_exporter_source_up{source="a"}': "0x60"},
        {'mlops_exporter_source_up{source="a"}': "1x60"},
        "20m",
    ),
    "MlopsProbeSilent": Case(
        {"mlops_probe_timestamp_seconds": "0x200"}, {"mlops_probe_timestamp_seconds": "0+60x200"}, "140m"
    ),
    "MlopsProbeFails": Case({"mlops_probe_up": "0x60"}, {"mlops_probe_up": "1x60"}, "10m"),
    "MlopsDiskFull": Case(disk("4000000000x60"), disk("30000000000x60"), "10m"),
    "MlopsDiskFillsUp": Case(disk("35000000000-10000000x1440"), disk("35000000000-100000x1440"), "10h"),
    "MlopsMemoryLow": Case(memory(5), memory(50), "20m"),
    "MlopsServiceDown": Case(
        {'mlops_service_up{service="api"}': "0x60"}, {'mlops_service_up{service="api"}': "1x60"}, "10m"
    ),
    "MlopsDaemonSilent": Case(
        {'mlops_daemon_heartbeat_timestamp_seconds{daemon="SENSOR"}': "0x60"},
        {'mlops_daemon_heartbeat_timestamp_seconds{daemon="SENSOR"}': "0+60x60"},
        "20m",
    ),
    "MlopsSensorLate": Case(tick("0x200"), tick("0+60x200"), "150m"),
    "MlopsTickFailing": Case(
        {'mlops_tick_failed{instigator="s", type="sensor"}': "1x60"},
        {'mlops_tick_failed{instigator="s", type="sensor"}': "1 0 1 0 0 1x5 0x60"},
        "20m",
    ),
    "MlopsRunsWait": Case(runs("QUEUED", "0x200"), runs("QUEUED", "0+60x200"), "70m"),
    "MlopsRunStuck": Case(runs("STARTED", "0x500"), runs("QUEUED", "0x500"), "400m"),
    "MlopsRunsFail": Case(finished(3), finished(2), "20m"),
    "MlopsBackupOld": Case(
        {"mlops_backups": "0x200"},
        {"mlops_backups": "1x200", "mlops_backup_timestamp_seconds": "0x200"},
        "2h",
    ),
    "MlopsCriticalAlertOpen": Case(
        {'mlops_alerts_open{kind="ledger_broken", severity="critical"}': "1x60"},
        {'mlops_alerts_open{kind="run_failed", severity="error"}': "1x60"},
        "5m",
    ),
    "MlopsModelNotCompared": Case(
        {'mlops_model_last_comparison_timestamp_seconds{model="m"}': "-3900000x100"},
        {'mlops_model_last_comparison_timestamp_seconds{model="m"}': "-2000000x100"},
        "90m",
    ),
    "MlopsModelDrifted": Case(level("drift", "significant"), level("drift", "moderate"), "40m"),
    "MlopsModelDriftUnknown": Case(level("drift", "unmeasurable"), level("drift", "stable"), "90m"),
    "MlopsModelWorse": Case(level("performance", "worse"), level("performance", "as_trained"), "40m"),
    "MlopsModelUnmeasured": Case(
        level("performance", "unmeasurable"), level("performance", "as_trained"), "73h"
    ),
    "MlopsRollbackNotReady": Case(
        {'mlops_model_rollback_ready{model="m"}': "0x60"},
        {'mlops_model_rollback_ready{model="m"}': "1x60"},
        "10m",
    ),
    "MlopsRolloutPaused": Case(rollout("paused"), rollout("running"), "10m"),
    "MlopsApiDown": Case({'up{job="mlops-api"}': "0x60"}, {'up{job="mlops-api"}': "1x60"}, "10m"),
    "MlopsApiErrors": Case(requests(5), requests(0), "30m"),
    "MlopsApiSlow": Case(latency(90), latency(100), "30m"),
    "MlopsPredictionsLost": Case(
        {"mlops_prediction_log_lost_total": "0+1x60"}, {"mlops_prediction_log_lost_total": "5x60"}, "20m"
    ),
}


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} here; Debian's package 'prometheus' or 'prometheus-alertmanager' has it")
    return path


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def served() -> set[str]:
    """Names of all series that exporter and API serve; `up` and `ALERTS` are Prometheus's own."""
    champions: Any = FakeChampions()
    api = Metrics(champions, PredictionLog(len))
    api.count("m", 200, 0.1, 1)
    api.refuse(401)
    families = text_string_to_metric_families(api.text().decode())
    return {"up", *(one.name for one in FAMILIES), *(s.name for one in families for s in one.samples)}


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:mlops_[a-z0-9_]+|up)\b(?=[{\[\s)]|$)", re.sub(r'"[^"]*"', '""', expression)))


def test_the_rules_are_what_prometheus_accepts() -> None:
    done = subprocess.run([program("promtool"), "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_configurations_are_what_the_programs_accept() -> None:
    config = [program("promtool"), "check", "config", "--syntax-only", str(FOLDER / "prometheus.yml")]
    routes = [program("amtool"), "check-config", str(FOLDER / "alertmanager.yml")]
    for command in (config, routes):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout


def test_every_rule_fires_once_and_stays_silent_once(tmp_path: Path) -> None:
    assert {rule["alert"] for rule in rules()} == set(CASES)
    tests = []
    for alert, case in CASES.items():
        [rule] = [one for one in rules() if one["alert"] == alert]
        for series, count in ((case.fires, 1), (case.silent, 0)):
            query = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)'
            tests.append(
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "promql_expr_test": [
                        {
                            "expr": query,
                            "eval_time": case.at,
                            "exp_samples": [{"labels": "{}", "value": count}],
                        }
                    ],
                }
            )
        assert {"summary", "action"} == set(rule["annotations"])
        assert {"severity", "layer"} == set(rule["labels"])
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([program("promtool"), "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_rules_and_dashboards_name_only_metrics_that_are_served() -> None:
    expressions = [rule["expr"] for rule in rules()]
    for file in sorted((FOLDER / "dashboards").glob("*.json")):
        panels = json.loads(file.read_text())["panels"]
        expressions += [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(expressions) > len(CASES)
    named = {expression: names_in(expression) for expression in expressions}
    assert all(named.values()), "every expression names a metric"
    assert set().union(*named.values()) - served() == set()


def test_an_inhibition_names_alerts_and_layers_that_exist() -> None:
    layers = {rule["labels"]["layer"] for rule in rules()}
    for inhibition in yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["inhibit_rules"]:
        for matcher in (*inhibition["source_matchers"], *inhibition["target_matchers"]):
            name, values = re.fullmatch(r'(\w+)=~?"(.*)"', matcher).groups()  # type: ignore[union-attr]
            assert set(values.split("|")) <= (set(CASES) if name == "alertname" else layers)
