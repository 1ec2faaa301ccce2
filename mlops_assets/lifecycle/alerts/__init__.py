"""Alerts: messages to people about what happened.

Comes in: a kind, a message, a model file. Goes out: one row of the ledger per event, one message per group.
`send_alert` is the only way to record an alert; kinds, severities and recipients are the table in `kinds.py`.
"""

from mlops_assets.lifecycle.alerts.kinds import ALERT_KINDS, AlertKind
from mlops_assets.lifecycle.alerts.runs import alert_failed_run, without_alert
from mlops_assets.lifecycle.alerts.send import (
    close_alert,
    close_keys,
    deliver_pending,
    send_alert,
    send_alerts,
)

__all__ = [
    "ALERT_KINDS",
    "AlertKind",
    "alert_failed_run",
    "close_alert",
    "close_keys",
    "deliver_pending",
    "send_alert",
    "send_alerts",
    "without_alert",
]
