"""Records of what moves a model's predictions now, compared with when it was judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class FeatureImportance:
    """Stored. One feature's share of what moves the predictions: its mean |SHAP| divided by the sum over features.

    Attributes:
        feature: Its name.
        judged: Its share on the holdout that the champion was judged on.
        judged_rank: Its rank there, 1 is the largest.
        recent: Its share on recent rows.
        low: Lower end of the 95 % interval of `recent`.
        high: Upper end.
        rank: Its rank on recent rows.
        rank_low: Smallest rank in 95 % of the resamples.
        rank_high: Largest rank.
    """

    feature: str
    judged: float
    judged_rank: int
    recent: float
    low: float
    high: float
    rank: int
    rank_low: int
    rank_high: int

    @property
    def has_moved(self) -> bool:
        """Whether its rank on the holdout is outside the interval of its recent rank."""
        return not self.rank_low <= self.judged_rank <= self.rank_high


@dataclass(frozen=True, slots=True)
class ImportanceReport:
    """Stored. What moves the champion's predictions on recent rows, against its holdout.

    Attributes:
        model: The model.
        version: The champion's version; None without a champion.
        as_of: Instant of the report.
        level: `changed` where even the upper end of the correlation is low; `unmeasurable` is never read as unchanged.
        sentence: The result, for people.
        rows: Recent rows that were explained.
        method: How.
        correlation: Spearman correlation of the two rankings.
        low: Lower end of its 95 % interval.
        high: Upper end.
        features: Largest recent share first.
    """

    model: str
    version: int | None
    as_of: datetime
    level: Literal["unchanged", "changed", "unmeasurable", "no_champion"]
    sentence: str
    rows: int = 0
    method: str = ""
    correlation: float | None = None
    low: float | None = None
    high: float | None = None
    features: tuple[FeatureImportance, ...] = ()
