"""What the page of one model shows, gathered by `lifecycle.model_site`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mlops_assets.artifacts import Evidence, MonitoringReport
from mlops_assets.features import Feature
from mlops_assets.ledger import HistoryEntry
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.explained import ExplainedKey


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger knows about one model.

    Attributes:
        champion: Number of the version in production; None without one.
        since: Since when it is champion.
        evidence: The newest evidence of each evaluated version, oldest version first.
        states: What became of each version: champion, challenger, archived or refused.
        history: Decisions, newest first.
        monitoring: Health, performance and drift of the champion.
        open_alerts: How many alerts nobody has acknowledged.
    """

    champion: int | None
    since: datetime | None
    evidence: tuple[Evidence, ...]
    states: Mapping[int, str]
    history: tuple[HistoryEntry, ...]
    monitoring: MonitoringReport
    open_alerts: int

    @property
    def newest(self) -> Evidence | None:
        """The evidence about the newest evaluated version; None before the first evaluation."""
        return self.evidence[-1] if self.evidence else None

    @property
    def of_champion(self) -> Evidence | None:
        """The evidence about the champion; None without a champion."""
        return self.of_version(self.champion)

    def of_version(self, version: int | None) -> Evidence | None:
        """Return the evidence about a version.

        Args:
            version: Number of the version; None for none.

        Returns:
            The evidence; None where it is not among the shown versions.
        """
        return next((one for one in self.evidence if one.version == version), None)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model: its file, and what the ledger knows.

    Attributes:
        spec: The model file.
        file: Name of the model file, as people find it.
        keys: Its written keys, explained.
        features: Features with the columns they are computed from.
        features_built: Whether a run has built them; else only those that the model file names are known.
        ledger: None where there is no ledger yet.
    """

    spec: ModelSpec
    file: str
    keys: tuple[ExplainedKey, ...]
    features: tuple[Feature, ...]
    features_built: bool
    ledger: LedgerFacts | None
