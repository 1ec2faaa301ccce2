"""Records of watching production."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from mlops_assets.artifacts.data import TableVersion

Level: TypeAlias = Literal["stable", "moderate", "significant", "unmeasurable"]


@dataclass(frozen=True, slots=True)
class DriftStatistic:
    """Stored. One number about one feature and its limits.

    Below `warn` it is stable, up to `act` moderate, above that significant. A statistic
    that does not decide is shown and changes no level.

    Attributes:
        learned: Whether the limits keep an alarm budget by what the training data does by itself.
        usual: The method's usual limits, where the statistic has others.
    """

    value: float
    warn: float
    act: float
    decides: bool = True
    learned: bool = False
    usual: tuple[float, float] | None = None

    @property
    def level(self) -> Level:
        """What the value means by its limits; NaN and infinity are unmeasurable."""
        return _level(self.value, self.warn, self.act)

    @property
    def usual_level(self) -> Level:
        """What the value means by the method's usual limits."""
        return _level(self.value, *self.usual) if self.usual else self.level


def _level(value: float, warn: float, act: float) -> Level:
    if not math.isfinite(value):
        return "unmeasurable"
    if value < warn:
        return "stable"
    return "moderate" if value <= act else "significant"


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Stored. Movement of one feature.

    Attributes:
        feature: Its name.
        level: The worst of its deciding statistics; 'unmeasurable' (never 'stable') without a value of `method`.
        method: The drift method that the model file chose (or `psi` where that method cannot measure the column).
        statistics: By drift method, and `missing_rise` (share of missing values now minus in training) and
            `out_of_range` (share of values beyond the training range).
        details: Further numbers, such as rows, means and p-values; they decide nothing.
        decides: Whether the feature counts for the level of the report.
        reason: One sentence unless the level is stable.
        reference: The training rows that it is compared with.
        note: Why its limits are the method's usual ones although the model file has an alarm budget.
    """

    feature: str
    level: Level
    method: str = "psi"
    statistics: dict[str, DriftStatistic] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    decides: bool = True
    reason: str = ""
    reference: str = "all"
    note: str = ""

    @property
    def value(self) -> float | None:
        """The value of `method`; None when it could not be measured."""
        return self.statistics[self.method].value if self.method in self.statistics else None

    @property
    def limit(self) -> float | None:
        """The limit of a significant movement; None when it could not be measured."""
        return self.statistics[self.method].act if self.method in self.statistics else None

    @property
    def usual_level(self) -> Level:
        """What its movement means by the method's usual limits, whatever the limits of the model file."""
        return self.statistics[self.method].usual_level if self.method in self.statistics else "unmeasurable"

    @property
    def has_moved(self) -> bool:
        """Whether the distribution itself moved significantly; missing and impossible values are broken data."""
        statistic = self.statistics.get(self.method)
        return statistic is not None and statistic.value > statistic.act


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """Stored. What the alarms of one cause were worth.

    Attributes:
        cause: The cause of the signals.
        alarms: Alarms until now; those about overlapping or adjoining windows are one.
        confirmed: Alarms at or before a rise of the error.
        errors: Rises of the error until now.
        unannounced: Rises of the error without such an alarm before them.
    """

    cause: str
    alarms: int
    confirmed: int
    errors: int
    unannounced: int


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Stored. All features of one window against the champion's training profile.

    Attributes:
        level: The worst level of the features that decide: significant, then unmeasurable, moderate, stable.
        mean_value: Mean of the features' values of their method.
        drifted_share: Share of the features whose level is significant.
        table: The table version that the window was read from; None in records of earlier releases.
        source: Where the window comes from: what callers of the API sent, or the readings.
        prediction: Movement of the predictions; it decides nothing. None without a reference in the bundle.
        alarms: What each alarm was worth until now.
    """

    model: str
    version: int | None
    rows: int
    level: Literal["stable", "moderate", "significant", "unmeasurable", "no_champion"]
    mean_value: float | None
    drifted_share: float | None
    features: tuple[FeatureDrift, ...]
    as_of: datetime
    table: TableVersion | None = None
    source: Literal["readings", "served inputs"] = "readings"
    prediction: FeatureDrift | None = None
    alarms: tuple[AlarmRecord, ...] = ()
