"""What a kind of feature must state: its names, sources, look-back and values, in one class.

Which columns must be numbers, and whether a timestamp is needed, is stated by the types of its key in
`model_file.features` (`NumberColumn`, `NEEDS_TIMESTAMP`), because packages that know no kinds ask for it.

Comes in: a model file and, to build, sorted rows. Goes out: descriptions and columns. A class that leaves one of the
abstract methods out cannot be constructed, so no kind is accepted in training and forgotten in serving.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.features.encoding import Group
from mlops_assets.features.windows import Line
from mlops_assets.model_file import ModelSpec

Family = Literal["inputs", "calendar", "lags", "windows", "pairs"]
Role = Literal["feature", "grid", "fitted"]


@dataclass(frozen=True, slots=True)
class Feature:
    """Describe one feature.

    `sources` are columns of the readings; `missing`, `mean` and `std` describe the training data and are None
    without it.
    """

    name: str
    family: Family
    sources: tuple[str, ...]
    description: str
    missing: float | None = None
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True, slots=True)
class LookBack:
    """How far before a row its features read: a duration and a number of readings of the same entity."""

    duration: timedelta = timedelta(0)
    readings: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Whole entities, sorted by entity, then time; `line` is None where the model file names no timestamp."""

    frame: pl.DataFrame
    line: Line | None

    def require_line(self, key: str) -> Line:
        """Return the line of instants.

        Args:
            key: Key of `features` that needs a timestamp, for the error text.

        Returns:
            The entities' boundaries and instants of these rows.

        Raises:
            DataError: The model file has no timestamp, and the kind under `features.<key>` needs one.
        """
        if self.line is None:
            raise DataError(f"'features.{key}' needs a 'timestamp' in the model file")
        return self.line


class FeatureKind(ABC):
    """One kind of feature: everything that training, batch prediction and the API must agree on.

    Attributes:
        role: 'feature' is a column that every algorithm sees, 'grid' a column for sequence algorithms only, 'fitted'
            a column of the matrix that is learned from the training part (see `fit`).
        from_clock: Whether the values follow from the timestamp alone, so that their movement is no drift.
        example: What stands below the key in a model file, with numbers `a` and `b`, text `kind` and the target `y`;
            the conformity suite reads it.
    """

    role: ClassVar[Role] = "feature"
    from_clock: ClassVar[bool] = False
    example: ClassVar[Any]

    @abstractmethod
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield every feature of this kind, in the order of the table's columns; nothing where the key is unset.

        Args:
            spec: The model file.

        Yields:
            Name, family, sources and description of each column.
        """

    @abstractmethod
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return how far before a row its values read.

        Args:
            spec: The model file.

        Returns:
            A duration and a number of readings; both zero where only the row itself is read.
        """

    @abstractmethod
    def build(self, spec: ModelSpec, rows: Rows) -> Iterable[pl.Expr | pl.Series]:
        """Compute the columns of `describe` for these rows; nothing for the role 'fitted'.

        Args:
            spec: The model file.
            rows: Readings sorted by entity, then time.

        Returns:
            Expressions or series that carry the described names, in any order.
        """

    def fit(self, spec: ModelSpec, train: pl.DataFrame) -> Iterator[Group]:
        """Yield what is learned from the training part, for the role 'fitted'.

        Args:
            spec: The model file.
            train: The training part of the feature table.

        Yields:
            One learned statistic per column.
        """
        return iter(())

    def names(self, spec: ModelSpec) -> tuple[str, ...]:
        """Return the names of this kind's columns, in order.

        Args:
            spec: The model file.

        Returns:
            Names in the order of `describe`.
        """
        return tuple(feature.name for feature in self.describe(spec))

    def sources(self, spec: ModelSpec) -> tuple[str, ...]:
        """Return the columns of the readings that this kind reads, each once.

        Args:
            spec: The model file.

        Returns:
            Names of columns of the readings.
        """
        return tuple(dict.fromkeys(name for feature in self.describe(spec) for name in feature.sources))


def hidden(spec: ModelSpec, column: str) -> bool:
    """Return whether a row's own value of this column is what must be predicted from the row.

    Args:
        spec: The model file.
        column: Name of a column.

    Returns:
        True for the target, except in forecasting, where its present value is known.
    """
    return column == spec.target and spec.problem != "forecasting"
