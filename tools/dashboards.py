"""The Grafana dashboards of `deploy/monitoring/dashboards`, as code: one of the platform, one of a model.

Comes in: the panels below. Goes out: Grafana's JSON. `make references` writes them; a test holds every metric that they
name against what the exporter and the API serve.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 24
HEIGHT: Final = 8
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. queries: PromQL with its legend. unit: a unit of Grafana. kind: timeseries, stat or table."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8

    def body(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Return the panel as Grafana stores it."""
        defaults: dict[str, Any] = {"unit": self.unit}
        if self.kind == "timeseries":
            defaults["custom"] = {"spanNulls": False}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": HEIGHT},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": SOURCE,
                    "expr": query,
                    "legendFormat": legend,
                    "instant": self.kind == "table",
                    "format": "table" if self.kind == "table" else "time_series",
                }
                for index, (query, legend) in enumerate(self.queries)
            ],
        }


PLATFORM: Final = (
    Panel(
        "Firing alerts",
        (('count(ALERTS{alertstate="firing", layer!=""}) or vector(0) * up{job="mlops"}', ""),),
        kind="stat",
        width=4,
    ),
    Panel(
        "Open alerts of the platform", (("sum(mlops_alerts_open) or vector(0)", ""),), kind="stat", width=4
    ),
    Panel("Models in production", (("count(mlops_model_champion_info)", ""),), kind="stat", width=4),
    Panel("Age of the newest backup", (("time() - mlops_backup_timestamp_seconds", ""),), "s", "stat", 4),
    Panel("Databases", (("mlops_database_up", "{{database}}"),), kind="stat", width=4),
    Panel(
        "Services that do not respond",
        (("count(mlops_service_up == 0) or vector(0)", ""),),
        kind="stat",
        width=4,
    ),
    Panel("Runs that have not ended", (("mlops_runs", "{{status}}"),)),
    Panel("Oldest run by status", (("time() - mlops_runs_oldest_timestamp_seconds", "{{status}}"),), "s"),
    Panel("Runs that ended in a day", (("mlops_runs_finished", "{{status}}"),)),
    Panel(
        "Duration of runs",
        (
            ('mlops_run_seconds_mean{status="SUCCESS"}', "mean"),
            ('mlops_run_seconds_p95{status="SUCCESS"}', "p95"),
        ),
        "s",
    ),
    Panel(
        "Age of the last tick", (("topk(10, time() - mlops_tick_timestamp_seconds)", "{{instigator}}"),), "s"
    ),
    Panel("Age of heartbeats", (("time() - mlops_daemon_heartbeat_timestamp_seconds", "{{daemon}}"),), "s"),
    Panel("Free disk", (("mlops_disk_free_bytes / mlops_disk_size_bytes", "{{folder}}"),), "percentunit"),
    Panel("Size of databases", (("mlops_database_size_bytes", "{{database}}"),), "bytes"),
    Panel(
        "Connections",
        (("mlops_database_connections", "{{database}}"), ("mlops_database_connections_limit", "limit")),
    ),
    Panel("Largest tables of Dagster", (("topk(5, mlops_dagster_table_size_bytes)", "{{table}}"),), "bytes"),
    Panel("Memory of services", (("mlops_service_memory_bytes", "{{service}}"),), "bytes"),
    Panel("Probe of the platform", (("mlops_probe_seconds", "{{step}}"),), "s"),
    Panel("Load per core", (("mlops_cpu_load_ratio", ""),), "percentunit"),
    Panel("Retrain decisions in a day", (("mlops_retrain_decisions", "{{verdict}}: {{rule}}"),)),
    Panel("Requests", (("sum by (model) (rate(mlops_requests_total[5m]))", "{{model}}"),), "reqps"),
    Panel(
        "Latency of predictions, p99",
        (
            (
                "histogram_quantile(0.99, sum by (model, le) (rate(mlops_request_seconds_bucket[5m])))",
                "{{model}}",
            ),
        ),
        "s",
    ),
    Panel("Models whose inputs moved most", (("topk(10, mlops_model_drift_mean)", "{{model}}"),), width=12),
    Panel(
        "Models whose error rose most",
        (("topk(10, mlops_model_error_rise_ratio)", "{{model}}"),),
        "percentunit",
        width=12,
    ),
)
M: Final = '{model="$model"}'
MODEL: Final = (
    Panel("Champion", ((f"mlops_model_champion_info{M}", "version {{version}}"),), kind="stat", width=4),
    Panel(
        "In production for",
        ((f"time() - mlops_model_champion_since_timestamp_seconds{M}", ""),),
        "s",
        "stat",
        4,
    ),
    Panel(
        "Last compared", ((f"time() - mlops_model_last_comparison_timestamp_seconds{M}", ""),), "s", "stat", 4
    ),
    Panel("Drift", ((f"mlops_model_drift_level_info{M}", "{{level}}"),), kind="stat", width=4),
    Panel("Performance", ((f"mlops_model_performance_level_info{M}", "{{level}}"),), kind="stat", width=4),
    Panel("Rollback ready", ((f"mlops_model_rollback_ready{M}", ""),), kind="stat", width=4),
    Panel(
        "Error in production",
        ((f"mlops_model_error{M}", "{{metric}}"), (f"mlops_model_error_baseline{M}", "baseline")),
        width=12,
    ),
    Panel(
        "Labels that have arrived", ((f"mlops_model_label_maturity_ratio{M}", ""),), "percentunit", width=12
    ),
    Panel("Drift of features", ((f"mlops_model_feature_drift{M}", "{{feature}}"),), width=12),
    Panel(
        "Mean drift and share of features",
        ((f"mlops_model_drift_mean{M}", "mean"), (f"mlops_model_drifted_features_ratio{M}", "share")),
        width=12,
    ),
    Panel("Gates of the newest challenger", ((f"mlops_model_gates{M}", "{{verdict}}"),)),
    Panel("Versions", ((f"mlops_model_versions{M}", "{{status}}"),)),
    Panel("Retrain requests", ((f"mlops_model_retrain_requests{M}", "{{cause}}: {{state}}"),)),
    Panel(
        "Requests by status",
        ((f"sum by (status) (rate(mlops_requests_total{M}[5m]))", "{{status}}"),),
        "reqps",
        width=12,
    ),
    Panel(
        "Latency of predictions",
        tuple(
            (
                f"histogram_quantile({q}, sum by (le) (rate(mlops_request_seconds_bucket{M}[5m])))",
                f"p{q * 100:g}",
            )
            for q in (0.5, 0.95, 0.99)
        ),
        "s",
        width=12,
    ),
)


def dashboard(uid: str, title: str, panels: Sequence[Panel], variables: Sequence[dict[str, Any]] = ()) -> str:
    """Return a dashboard as Grafana's JSON, its panels from left to right and from top to bottom."""
    bodies, x, y = [], 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y = 0, y + HEIGHT
        bodies.append(panel.body(number, x, y))
        x += panel.width
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    body = {
        "uid": uid,
        "title": title,
        "tags": ["mlops_assets"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [source, *variables]},
        "panels": bodies,
    }
    return json.dumps(body, indent=1) + "\n"


def dashboards() -> dict[str, str]:
    """Return every dashboard by the name of its file."""
    query = "label_values(mlops_model_champion_info, model)"
    model = {"name": "model", "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1}
    return {
        "platform.json": dashboard("mlops-platform", "mlops_assets: platform", PLATFORM),
        "model.json": dashboard("mlops-model", "mlops_assets: model", MODEL, [model]),
    }
