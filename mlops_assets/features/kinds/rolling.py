"""Statistics over true time windows that end at a row: `power_kw_mean_6h`, `sales_mean_7d`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any, ClassVar, Final

import polars as pl
from typing_extensions import override

from mlops_assets.features import windows
from mlops_assets.features.clock import LARGEST_CHANGE, clock_line
from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows, hidden
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration

_CLOCK: Final = "@clock"


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
            clock = f" of the clock in {spec.features.timezone}" if rolling.day == "local" else ""
            description = f"{statistic} of {column} over {format_duration(length)}{clock}"
            name = rolling_column(column, statistic, length, rolling.day)
            yield Feature(name, "windows", (column,), description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return the longest window, and where days are those of a clock as much as it may be set."""
        rolling = spec.features.rolling
        if rolling is None:
            return LookBack()
        return LookBack(max(rolling.windows) + (LARGEST_CHANGE if rolling.day == "local" else timedelta(0)))

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr | pl.Series]:
        """Yield every statistic; each window is computed once for all columns."""
        rolling = spec.features.rolling
        if rolling is None:
            return
        line, frame = rows.require_line("rolling"), rows.frame
        clock = spec.timestamp or ""
        if rolling.day == "local":
            line, clock = clock_line(line, spec.features.timezone), _CLOCK
            frame = frame.with_columns(pl.Series(_CLOCK, line.times).cast(pl.Datetime("us")))
        values = {name: frame[name].fill_null(float("nan")).to_numpy() for name in rolling.columns}
        for length, open_end in product(rolling.windows, (False, True)):
            names = [name for name in rolling.columns if hidden(spec, name) == open_end]
            if names and not windows.RUNNING.isdisjoint(rolling.statistics):
                window = windows.window(line, length, including=not open_end)
                for name in names:
                    for statistic, column in windows.running(
                        window, values[name], rolling.statistics
                    ).items():
                        feature = rolling_column(name, statistic, length, rolling.day)
                        yield pl.Series(feature, column, nan_to_null=True)
        if "median" in rolling.statistics:
            medians = (
                _median(spec, name, length, clock).alias(rolling_column(name, "median", length, rolling.day))
                for name, length in product(rolling.columns, rolling.windows)
            )
            yield from frame.select(medians).get_columns()


def rolling_column(column: str, statistic: str, window: timedelta, day: str) -> str:
    """Return the name of one statistic over one window; 24 hours are written 24h, a day of a clock is 1d.

    Args:
        column: Name of the source column.
        statistic: Name of the statistic.
        window: Length of the window.
        day: `features.rolling.day`.

    Returns:
        For example `pressure_mean_24h`.
    """
    hours, rest = divmod(int(window.total_seconds()), 3_600)
    length = f"{hours}h" if rest == 0 and hours < 48 and day == "24h" else format_duration(window)
    return f"{column}_{statistic}_{length}"


def _median(spec: ModelSpec, name: str, length: timedelta, clock: str) -> pl.Expr:
    """Polars picks the median from the window's values, so earlier values leave no rounding error."""
    rolled = pl.col(name).rolling_median_by(
        clock, window_size=format_duration(length), closed="left" if hidden(spec, name) else "right"
    )
    return rolled.over(spec.entity) if spec.entity else rolled
