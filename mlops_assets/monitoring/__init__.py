"""Monitoring: has the world moved from what the champion was trained on?

Comes in: a profile, feature rows, rankings, predictions. Goes out: reports. Asking for a retrain because of them is
`retraining`'s business.
"""

from mlops_assets.monitoring.drift import drift, prediction_drift
from mlops_assets.monitoring.importance import ImportanceDrift, importance_drift

__all__ = ["ImportanceDrift", "drift", "importance_drift", "prediction_drift"]
