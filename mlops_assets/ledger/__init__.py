"""The ledger: one PostgreSQL database that is the truth about champions, versions, evidence and decisions.

Comes in: what rooms decided and found, as plain values with the time as an argument. Goes out: frozen
records. No rule about models is here, only rules about truth: one champion per model, moved by
compare-and-swap; one request per cause; evidence under its own hash; nothing important ever changed or
deleted. Data frames of readings and features belong to datasets, model files to bundles.
"""

from __future__ import annotations

from mlops_assets.ledger.approvals import LONGEST_WAIVER
from mlops_assets.ledger.invariants import invariants
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.migrating import migrate
from mlops_assets.ledger.records import (
    Alert,
    ApiKey,
    Approval,
    Champion,
    ChampionState,
    Evidence,
    HistoryEntry,
    ModelVersion,
    NewAlert,
    Performance,
    PostedLabel,
    RetrainRequest,
    SensorAlert,
    ServedPrediction,
    Waiver,
)
from mlops_assets.ledger.retraining import Comparison, RetrainDecision

__all__ = [
    "LONGEST_WAIVER",
    "Alert",
    "ApiKey",
    "Approval",
    "Champion",
    "ChampionState",
    "Comparison",
    "Evidence",
    "HistoryEntry",
    "Ledger",
    "ModelVersion",
    "NewAlert",
    "Performance",
    "PostedLabel",
    "RetrainDecision",
    "RetrainRequest",
    "SensorAlert",
    "ServedPrediction",
    "Waiver",
    "invariants",
    "migrate",
]
