"""What changed between two versions of a table.

Comes in: two versions. Goes out: columns, rows and values that differ, in numbers a person can read. Rows are
compared as whole rows, each as often as it stands there; there is no key to say that a row was 'changed'.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets.tables import Datasets


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column on both sides: share missing, and mean for numbers (None otherwise)."""

    name: str
    type_before: str
    type_after: str
    missing_before: float
    missing_after: float
    mean_before: float | None
    mean_after: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """`rows_removed` and `rows_added` count over the columns both sides have; `changed` leaves out equal columns."""

    before: TableVersion
    after: TableVersion
    columns_removed: tuple[str, ...]
    columns_added: tuple[str, ...]
    rows_removed: int
    rows_added: int
    reordered: bool
    changed: tuple[ColumnChange, ...]

    @property
    def same(self) -> bool:
        """True when both hold the same content."""
        return self.before.content_hash == self.after.content_hash


def diff(datasets: Datasets, before: TableVersion, after: TableVersion) -> Difference:
    """Compare two versions, of one table or of two.

    Args:
        datasets: The Delta tables.
        before: The older version.
        after: The newer version.

    Returns:
        Added and removed rows, and the changed columns.

    Raises:
        DataError: When a version cannot be read.
    """
    old, new = datasets.read(before), datasets.read(after)
    both = [name for name in old.columns if name in new.columns]
    retyped = {name for name in both if old.schema[name] != new.schema[name]}
    removed, added = _rows_apart(old, new, both, retyped)
    changed = [
        _column(name, old[name], new[name])
        for name in both
        if name in retyped or not old[name].equals(new[name])
    ]
    return Difference(
        before=before,
        after=after,
        columns_removed=tuple(name for name in old.columns if name not in new.columns),
        columns_added=tuple(name for name in new.columns if name not in old.columns),
        rows_removed=removed,
        rows_added=added,
        reordered=bool(changed) and not removed and not added and old.height == new.height and not retyped,
        changed=tuple(changed),
    )


def _rows_apart(old: pl.DataFrame, new: pl.DataFrame, both: list[str], retyped: set[str]) -> tuple[int, int]:
    """Rows of one side without a partner on the other; columns of another type are compared as text."""
    if not both:
        return old.height, new.height

    def counted(frame: pl.DataFrame) -> pl.LazyFrame:
        columns = [pl.col(name).cast(pl.String) if name in retyped else pl.col(name) for name in both]
        return frame.lazy().select(columns).group_by(both).len("_count")

    difference = (
        pl.concat(
            [counted(old), counted(new).with_columns(-pl.col("_count").cast(pl.Int64))],
            how="vertical_relaxed",
        )
        .group_by(both)
        .agg(pl.col("_count").sum())
        .select(
            removed=pl.col("_count").clip(lower_bound=0).sum(),
            added=-pl.col("_count").clip(upper_bound=0).sum(),
        )
        .collect()
    )
    removed, added = difference.row(0)
    return int(removed), int(added)


def _column(name: str, old: pl.Series, new: pl.Series) -> ColumnChange:
    return ColumnChange(
        name=name,
        type_before=str(old.dtype),
        type_after=str(new.dtype),
        missing_before=_missing(old),
        missing_after=_missing(new),
        mean_before=_mean(old),
        mean_after=_mean(new),
    )


def _missing(column: pl.Series) -> float:
    return column.null_count() / column.len() if column.len() else 0.0


def _mean(column: pl.Series) -> float | None:
    if not column.dtype.is_numeric():
        return None
    mean = column.cast(pl.Float64).drop_nulls().drop_nans().mean()
    return float(mean) if isinstance(mean, float) else None
