"""Retraining: the one place where reasons to train again become at most one request.

Comes in: signals, and what the ledger knows of earlier requests. Goes out: a `Ruling` with its rule and reason, and at
most one `RetrainRequest` with a key. Recording it, once, is the ledger's business; running it the graph's.
"""

from mlops_assets.retraining.alarm_records import alarm_records
from mlops_assets.retraining.governor import govern
from mlops_assets.retraining.past import Outcome, PastRequest, RetrainHistory
from mlops_assets.retraining.request import RetrainRequest, Ruling, signal_key
from mlops_assets.retraining.signals import (
    bias_signal,
    data_volume_signal,
    drift_signal,
    error_signal,
    importance_signal,
    staleness_signal,
    upstream_signal,
)

__all__ = [
    "Outcome",
    "PastRequest",
    "RetrainHistory",
    "RetrainRequest",
    "Ruling",
    "alarm_records",
    "bias_signal",
    "data_volume_signal",
    "drift_signal",
    "error_signal",
    "govern",
    "importance_signal",
    "signal_key",
    "staleness_signal",
    "upstream_signal",
]
