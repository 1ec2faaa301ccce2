"""Monitoring: has the input moved from what the champion was trained on?

Comes in: a profile and feature rows. Goes out: reports. Requesting a retrain because of them belongs to `retraining`.
"""

from mlops_assets.monitoring.drift import drift

__all__ = ["drift"]
