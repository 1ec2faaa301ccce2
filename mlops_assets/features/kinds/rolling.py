"""Statistics over true time windows that end at a row: `power_kw_mean_6h`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any, ClassVar

import polars as pl
from typing_extensions import override

from mlops_assets.features import windows
from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows, hidden
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration


class Rolling(FeatureKind):
    """Statistics of the window (t - length, t]; of a hidden target [t - length, t), which ends before the row."""

    example: ClassVar[Any] = {
        "columns": ("a", "y"),
        "windows": ("6h", "24h"),
        "statistics": ("mean", "std", "median", "count"),
    }

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per column, window and statistic."""
        rolling = spec.features.rolling
        if rolling is None:
            return
        for column, length, statistic in product(rolling.columns, rolling.windows, rolling.statistics):
            description = f"{statistic} of {column} over {format_duration(length)}"
            yield Feature(rolling_column(column, statistic, length), "windows", (column,), description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return the longest window."""
        rolling = spec.features.rolling
        return LookBack(duration=max(rolling.windows)) if rolling is not None else LookBack()

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr | pl.Series]:
        """Yield every statistic; each window is computed once for all columns."""
        rolling = spec.features.rolling
        if rolling is None:
            return
        line = rows.require_line("rolling")
        values = {name: rows.frame[name].fill_null(float("nan")).to_numpy() for name in rolling.columns}
        for length, open_end in product(rolling.windows, (False, True)):
            names = [name for name in rolling.columns if hidden(spec, name) == open_end]
            if names and not windows.RUNNING.isdisjoint(rolling.statistics):
                window = windows.window(line, length, including=not open_end)
                for name in names:
                    for statistic, column in windows.running(
                        window, values[name], rolling.statistics
                    ).items():
                        yield pl.Series(rolling_column(name, statistic, length), column, nan_to_null=True)
        if "median" in rolling.statistics:
            for name, length in product(rolling.columns, rolling.windows):
                yield _median(spec, name, length)


def rolling_column(column: str, statistic: str, window: timedelta) -> str:
    """Return the name of one statistic over one window; a day is written 24h, two days are 2d.

    Args:
        column: Name of the source column.
        statistic: Name of the statistic.
        window: Length of the window.

    Returns:
        For example `pressure_mean_24h`.
    """
    hours, rest = divmod(int(window.total_seconds()), 3_600)
    length = f"{hours}h" if rest == 0 and hours < 48 else format_duration(window)
    return f"{column}_{statistic}_{length}"


def _median(spec: ModelSpec, name: str, length: timedelta) -> pl.Expr:
    """Polars picks the median from the window's values, so earlier values leave no rounding error."""
    assert spec.timestamp is not None
    rolled = pl.col(name).rolling_median_by(
        spec.timestamp, window_size=format_duration(length), closed="left" if hidden(spec, name) else "right"
    )
    return (rolled.over(spec.entity) if spec.entity else rolled).alias(rolling_column(name, "median", length))
