"""Every metric of the exporter: name, help text, labels, and how many series it may have at most.

All are gauges: each is read from a store, and a store may be restored to an earlier state. Instants are Unix seconds
(`_timestamp_seconds`), so that an age goes on growing when the exporter no longer gets new values.

To add a metric: its `Family` here, in the tuple of the query that fills it (`queries.py`) or of the sampler that does.
`docs/monitoring.md` is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_FEATURES: Final = 20
"""Features of a model that have a series: those that drifted most."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric.

    Attributes:
        name: Name in Prometheus, with its base unit.
        help: One sentence.
        labels: Names of the labels, which are columns of the query.
        most: Largest number of series, in words.
        column: Column of the query that holds the value; None for the constant 1.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    most: str = "1"
    column: str | None = "value"


def _model(
    name: str, text: str, column: str | None, labels: tuple[str, ...] = (), most: str = "1 per model"
) -> Family:
    return Family(f"mlops_model_{name}", text, ("model", *labels), most, column)


CHAMPIONS: Final = (
    _model("champion_info", "The version in production, always 1", None, ("version",)),
    _model("champion_revision", "How often the champion has moved", "revision"),
    _model("champion_since_timestamp_seconds", "When the version became champion", "since"),
    _model("last_comparison_timestamp_seconds", "When a challenger was last promoted or kept", "compared"),
    _model("last_prediction_timestamp_seconds", "Newest instant a batch has predicted", "predicted"),
)
VERSIONS: Final = (_model("versions", "Model versions by status", "value", ("status",), "5 per model"),)
GATES: Final = (
    _model("gates", "Gates of the newest evidence by verdict", "value", ("verdict",), "4 per model"),
)
PERFORMANCE: Final = (
    _model("performance_level_info", "Level of the newest performance report, always 1", None, ("level",)),
    _model("error", "Primary metric of the newest window with enough labels", "error", ("metric",)),
    _model("error_baseline", "The same metric on the holdout of the promotion", "baseline", ("metric",)),
    _model("error_rise_ratio", "Relative rise of the error above its baseline", "rise"),
    _model("label_maturity_ratio", "Share of the newest window's predictions with a label", "maturity"),
    _model("performance_timestamp_seconds", "When performance was last measured", "at"),
)
DRIFT: Final = (
    _model("drift_level_info", "Level of the newest drift report, always 1", None, ("level",)),
    _model("drift_mean", "Mean drift statistic (PSI unless the model file says otherwise)", "mean"),
    _model("drifted_features_ratio", "Share of features whose drift is significant", "share"),
    _model("drift_timestamp_seconds", "When drift was last measured", "at"),
)
FEATURE_DRIFT: Final = (
    _model(
        "feature_drift",
        "Drift statistic of a feature, of those that drifted most",
        "value",
        ("feature", "method"),
        f"{MOST_FEATURES} per model",
    ),
)
ROLLBACK: Final = (
    _model("rollback_ready", "Whether the last rollback readiness check passed", "ready"),
    _model("rollback_check_timestamp_seconds", "When a rollback was last tried", "at"),
)
ROLLOUTS: Final = (
    _model(
        "rollout_info",
        "The active roll-out, always 1",
        None,
        ("strategy", "state", "version"),
    ),
    _model("rollout_share_ratio", "Share of the requests that its challenger serves", "share"),
    _model("rollout_step_timestamp_seconds", "When its present step or state began", "since"),
    _model(
        "rollout_step_requests", "Requests that its challenger was judged on in the present step", "requests"
    ),
    _model("rollout_step_errors", "Those that its challenger failed and the champion served", "errors"),
)
RETRAINS: Final = (
    _model(
        "retrain_requests",
        "Retrain requests by cause and state",
        "value",
        ("cause", "state"),
        "5 per model and cause",
    ),
)
DECISIONS: Final = (
    Family(
        "mlops_retrain_decisions",
        "Decisions of the retrain governor in the last day",
        ("verdict", "rule"),
        "3 per rule",
    ),
)
ALERTS: Final = (Family("mlops_alerts_open", "Open alerts", ("kind", "severity"), "1 per kind of alert"),)
RUNS: Final = (
    Family("mlops_runs", "Dagster runs that have not ended", ("status",), "5"),
    Family(
        "mlops_runs_oldest_timestamp_seconds",
        "When the oldest run of this status was created",
        ("status",),
        "5",
        "oldest",
    ),
)
FINISHED: Final = (
    Family("mlops_runs_finished", "Dagster runs that ended in the last day", ("status",), "3"),
    Family("mlops_run_seconds_mean", "Mean duration of those runs", ("status",), "3", "mean"),
    Family(
        "mlops_run_seconds_p95", "Duration that 95 of 100 of those runs stay below", ("status",), "3", "p95"
    ),
)
TICKS: Final = (
    Family(
        "mlops_tick_timestamp_seconds",
        "Last tick of a sensor or schedule that is on",
        ("instigator", "type"),
        "1 per sensor or schedule",
        "at",
    ),
    Family(
        "mlops_tick_failed",
        "Whether that tick failed",
        ("instigator", "type"),
        "1 per sensor or schedule",
        "failed",
    ),
)
HEARTBEATS: Final = (
    Family("mlops_daemon_heartbeat_timestamp_seconds", "Last heartbeat of a daemon", ("daemon",), "10", "at"),
)
DATABASE_UP: Final = (
    Family("mlops_database_up", "Whether a database responds to a query", ("database",), "2", "up"),
)
DATABASES: Final = (
    Family("mlops_database_size_bytes", "Size of a database on disk", ("database",), "4", "bytes"),
    Family("mlops_database_connections", "Open connections", ("database",), "4", "connections"),
)
CONNECTIONS: Final = (Family("mlops_database_connections_limit", "Connections that the server allows"),)
LEDGER_TABLES: Final = (
    Family(
        "mlops_ledger_table_size_bytes",
        "Size of a large table of the ledger, with its indexes",
        ("table",),
        "10",
    ),
)
DAGSTER_TABLES: Final = (
    Family(
        "mlops_dagster_table_size_bytes",
        "Size of a large table of Dagster, with its indexes",
        ("table",),
        "10",
    ),
)
PROBE: Final = (
    Family("mlops_probe_up", "Whether the newest probe of the platform succeeded", column="up"),
    Family("mlops_probe_timestamp_seconds", "When a probe last ended", column="at"),
    Family("mlops_probe_success_timestamp_seconds", "When a probe last succeeded", column="succeeded"),
)
PROBE_STEPS: Final = (
    Family("mlops_probe_seconds", "Duration of a step of the newest probe", ("step",), "5", "seconds"),
)
DISKS: Final = (
    Family("mlops_disk_free_bytes", "Free space", ("folder",), "4", "free"),
    Family("mlops_disk_size_bytes", "Size of the disk", ("folder",), "4", "size"),
)
BACKUPS: Final = (
    Family("mlops_backups", "Finished backups in the folder of backups"),
    Family("mlops_backup_timestamp_seconds", "When the newest finished backup was made", column="newest"),
)
SERVICES: Final = (
    Family("mlops_service_up", "Whether a service of 'mlops up' responds", ("service",), "10", "up"),
    Family(
        "mlops_service_memory_bytes", "Memory of a service and its children", ("service",), "10", "memory"
    ),
)
MACHINE: Final = (
    Family("mlops_cpu_load_ratio", "Load average of a minute per core", column="load"),
    Family("mlops_memory_available_bytes", "Memory that programs can still get", column="available"),
    Family("mlops_memory_size_bytes", "Memory of the machine", column="memory"),
)
OWN: Final = (
    Family(
        "mlops_exporter_source_up",
        "Whether the last reading of a source succeeded",
        ("source",),
        "1 per source",
        "up",
    ),
    Family(
        "mlops_exporter_source_seconds",
        "Duration of the last reading of a source",
        ("source",),
        "1 per source",
        "seconds",
    ),
)
FAMILIES: Final = (
    *(*CHAMPIONS, *VERSIONS, *GATES, *PERFORMANCE, *DRIFT, *FEATURE_DRIFT, *ROLLBACK, *ROLLOUTS, *RETRAINS),
    *(
        *DECISIONS,
        *ALERTS,
        *PROBE,
        *PROBE_STEPS,
        *RUNS,
        *FINISHED,
        *TICKS,
        *HEARTBEATS,
        *DATABASE_UP,
        *DATABASES,
        *CONNECTIONS,
        *LEDGER_TABLES,
    ),
    *(*DAGSTER_TABLES, *DISKS, *BACKUPS, *SERVICES, *MACHINE, *OWN),
)
"""All of them, in the order of the documentation."""
