"""Retraining: the one place where reasons to train again become at most one request.

Comes in: triggers, and what the ledger knows of earlier requests. Goes out: a `RetrainRequest` with its reason and a
key, or None. Recording the request, once, is the ledger's business; running it the graph's.
"""

from mlops_assets.retraining.governor import FailedTries, State, failed_tries, govern
from mlops_assets.retraining.request import Cause, RetrainRequest, Trigger
from mlops_assets.retraining.triggers import (
    drift_trigger,
    staleness_trigger,
)

__all__ = [
    "Cause",
    "FailedTries",
    "RetrainRequest",
    "State",
    "Trigger",
    "drift_trigger",
    "failed_tries",
    "govern",
    "staleness_trigger",
]
