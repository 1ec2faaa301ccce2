"""Records of the data half: table versions, readings, rules, profiles, splits, matrices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from mlops_assets.artifacts.terms import Part


@dataclass(frozen=True, slots=True)
class TableVersion:
    """Stored. One whole version of one Delta table; `content_hash` is equal exactly when the rows are."""

    model: str
    table: str
    version: int
    content_hash: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """Stored. A repair the model file declares, and how many cells or rows it touched."""

    name: str
    column: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Readings:
    """Rows as a source gave them after declared repairs; `source` describes it without secrets."""

    frame: pl.DataFrame
    repairs: tuple[Repair, ...]
    source: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """Stored. The result of one validation rule. `critical` rules stop the run, the others warn.

    observed and limit are the numbers compared (None where the rule has none or could not be measured: then
    `passed` is False). samples holds a few offending rows.
    """

    rule: str
    column: str | None
    passed: bool
    critical: bool
    observed: float | None
    limit: float | None
    failed_rows: int
    message: str
    samples: tuple[dict[str, JsonValue], ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """Rows that may be used, quarantined rows (with a column `_reason`), and every rule's result."""

    valid: pl.DataFrame
    quarantine: pl.DataFrame
    rules: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """Whether something was checked and no critical rule failed."""
        return bool(self.rules) and all(rule.passed or not rule.critical for rule in self.rules)


@dataclass(frozen=True, slots=True)
class WindowNull:
    """Stored. How far windows of the training data move from the rest of it by themselves: the null distribution.

    Attributes:
        independent: How many independent windows the training data is worth: fewer than it holds where a window
            resembles the one before it.
        rows: Median number of present values in a window.
        values: By drift method, its values over the windows, ascending.
    """

    independent: float
    rows: float
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Stored. Distribution of one column: bin edges (numbers) or values (categories) with their shares.

    Numeric bins are open at both ends: shares has one entry more than edges. `missing` is the share of nulls. minimum
    and maximum bound the finite numbers.

    Attributes:
        null: Null distribution of each drift method; None where the training data does not hold enough windows.
        seasons: Shares of the bins around each half month of the year, early January first; empty without a year of
            history.
    """

    kind: Literal["number", "category"]
    edges: tuple[float, ...]
    values: tuple[str, ...]
    shares: tuple[float, ...]
    missing: float
    mean: float | None
    std: float | None
    minimum: float | None = None
    maximum: float | None = None
    null: WindowNull | None = None
    seasons: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """Stored. Distributions of the training data, the reference of drift.

    Attributes:
        window: Length of the windows of the null distributions; None for rows without a timestamp, and in bundles of
            earlier releases.
        windows: How many such windows the training data holds.
        prediction: What the version predicts for these rows, or a sample of them; None in bundles of earlier releases.
    """

    rows: int
    columns: dict[str, ColumnProfile]
    target: ColumnProfile | None = None
    """What a naive prediction knows; None in bundles of earlier releases."""
    window: timedelta | None = None
    windows: float = 0.0
    prediction: ColumnProfile | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of the three parts, and a digest that is equal exactly when the same rows fell into the same parts."""

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    strategy: str
    digest: str

    def part(self, name: Part) -> pl.DataFrame:
        """Return the rows of one part.

        Args:
            name: `train`, `validation` or `test`.

        Returns:
            The rows.
        """
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """Input of an estimator: float64 (rows, columns) with the names of the columns."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
