"""Every kind of alert: how severe it is, its title, and who receives it.

To add a kind: one line in `ALERT_KINDS`, and a call of `send_alert`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["info", "warning", "error", "critical"]
Recipients = Literal["model", "platform", "both", "nobody"]


@dataclass(frozen=True, slots=True)
class AlertKind:
    """A kind of alert.

    Attributes:
        severity: How urgent it is.
        title: Subject of the message; the model's name is put before it.
        recipients: `model` is the addresses of the model file, `platform` the addresses in MLOPS_ALERTS. A model
            whose file names no address is reported to the platform.
    """

    severity: Severity
    title: str
    recipients: Recipients


ALERT_KINDS: Final[Mapping[str, AlertKind]] = {
    "run_failed": AlertKind("error", "a run failed", "model"),
    "champion_fails": AlertKind("error", "the champion fails a gate that judges it by itself", "both"),
    "readings_condition": AlertKind("warning", "a condition of the readings", "model"),
    "readings_storm": AlertKind("critical", "too many conditions of the readings at once", "model"),
    "predictions_missing": AlertKind("error", "predictions are missing", "model"),
    "performance_week": AlertKind("warning", "the error rose from one window to the next", "model"),
    "model_health": AlertKind("warning", "its health changed", "model"),
    "signal_drift": AlertKind("warning", "the inputs moved", "model"),
    "signal_error": AlertKind("warning", "the error rose", "model"),
    "signal_bias": AlertKind("warning", "the predictions are biased", "model"),
    "signal_importance": AlertKind("info", "other features became important", "model"),
    "signal_data_volume": AlertKind("info", "many new rows arrived", "model"),
    "signal_upstream": AlertKind("info", "code or model file changed since the training", "model"),
    "signal_schedule": AlertKind("info", "a retrain is scheduled", "model"),
    "signal_staleness": AlertKind("warning", "the champion has not been compared for long", "model"),
    "weekly_report": AlertKind("info", "the week of all models", "platform"),
    "approval": AlertKind("info", "a version waits for approval", "model"),
    "approval_file": AlertKind("warning", "an approval file was not accepted", "model"),
    "serving_fallback": AlertKind("error", "the champion does not predict every row", "model"),
    "rollout_aborted": AlertKind("error", "a roll-out was aborted", "both"),
    "rollout_paused": AlertKind("warning", "a roll-out waits for a person", "model"),
    "rollback_not_ready": AlertKind("critical", "a rollback would fail", "both"),
    "mlflow_changed": AlertKind("error", "MLflow was changed by hand", "both"),
    "mlflow_version_missing": AlertKind("error", "a version is missing in MLflow", "both"),
    "ledger_broken": AlertKind("critical", "the ledger breaks one of its own rules", "platform"),
    "wrong_review_keys": AlertKind("warning", "many wrong keys on the review page", "platform"),
    "sensor_failed": AlertKind("error", "a sensor failed", "platform"),
    "alert_unsent": AlertKind("warning", "an alert could not be sent", "nobody"),
    "probe_failed": AlertKind("error", "the platform's probe failed", "platform"),
    "platform_cause": AlertKind("error", "the platform has a problem", "platform"),
    "remedy_failed": AlertKind("critical", "a remedy did not help", "platform"),
}
