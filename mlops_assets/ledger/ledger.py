"""`Ledger`: all parts of the ledger in one class. Its methods are in the modules of the parts."""

from __future__ import annotations

from typing import Self

from sqlalchemy import URL

from mlops_assets.ledger.alerts import Alerts
from mlops_assets.ledger.alerts_log import AlertsLog
from mlops_assets.ledger.api_keys import ApiKeys
from mlops_assets.ledger.approvals import Approvals
from mlops_assets.ledger.asset_records import AssetRecords
from mlops_assets.ledger.audit import Audit
from mlops_assets.ledger.champion import Champions
from mlops_assets.ledger.engine import make_engine
from mlops_assets.ledger.evidence import EvidenceStore
from mlops_assets.ledger.history import History
from mlops_assets.ledger.migrating import require_head
from mlops_assets.ledger.performance import PerformanceRows
from mlops_assets.ledger.platform_history import PlatformHistory
from mlops_assets.ledger.predictions import Predictions
from mlops_assets.ledger.requests import RetrainRequests
from mlops_assets.ledger.retraining import RetrainLog
from mlops_assets.ledger.rollouts import Rollouts
from mlops_assets.ledger.served_predictions import ServedPredictions
from mlops_assets.ledger.versions import Versions
from mlops_assets.ledger.watermarks import Watermarks


class Ledger(
    Champions,
    History,
    Versions,
    EvidenceStore,
    Approvals,
    AssetRecords,
    RetrainRequests,
    RetrainLog,
    Alerts,
    AlertsLog,
    PerformanceRows,
    Predictions,
    ServedPredictions,
    Rollouts,
    ApiKeys,
    Watermarks,
    Audit,
    PlatformHistory,
):
    """The truth about champions, versions, evidence, decisions and records.

    Every verb is one short transaction. Every verb raises ServiceError when the server does not respond and
    LedgerError when it refuses; times are arguments and need a time zone. Safe to share between threads;
    after a fork, open a new one.
    """

    @classmethod
    def open(cls, url: str | URL, approvals_url: str | URL | None = None) -> Self:
        """Open the ledger at a PostgreSQL URL.

        Args:
            url: PostgreSQL URL of the ledger's database.
            approvals_url: The same database as the role that may record verdicts and waivers; None when the role
                of `url` may.

        Returns:
            The ledger; close it, or use it as a context manager.

        Raises:
            LedgerError: When the URL is not PostgreSQL, or the schema is missing or at another revision.
            ServiceError: When the server does not respond.
        """
        ledger = cls(make_engine(url), None if approvals_url is None else make_engine(approvals_url))
        try:
            with ledger._transaction() as connection:
                require_head(connection)
        except BaseException:
            ledger.close()
            raise
        return ledger
