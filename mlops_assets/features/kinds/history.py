"""The recent history on an even grid: the values one, two, three ... steps before a row.

One column per channel and step, `sales@0` (the row's own), `sales@-1` ..., null where no reading lies within
`features.tolerance`. Lags count
readings; this counts time, so that a missing day does not move the weekdays of a season.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from typing_extensions import override

from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows
from mlops_assets.features.tolerance import grid_tolerance
from mlops_assets.features.windows import Line
from mlops_assets.matching import MICROSECOND, NO_MATCH, nearest
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import channels, history_column


class History(FeatureKind):
    """The grid of `features.history`, newest first, channel by channel; no feature of algorithms that read rows."""

    role = "grid"
    example: ClassVar[Any] = {"every": "1h", "steps": 5, "columns": ("b",)}

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one column per channel and step."""
        history = spec.features.history
        for channel in channels(spec.features, spec.target):
            for back in range(history.steps if history else 0):
                description = f"{channel}, {back} grid steps earlier"
                yield Feature(history_column(channel, back), "lags", (channel,), description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return the distance of the oldest point of the grid."""
        history = spec.features.history
        return (
            LookBack(duration=history.every * (history.steps - 1) + grid_tolerance(spec) * MICROSECOND)
            if history
            else LookBack()
        )

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Series]:
        """Yield the value of each channel at each point of the grid."""
        history = spec.features.history
        if history is None:
            return
        line = rows.require_line("history")
        values = {
            name: np.append(rows.frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.nan)
            for name in channels(spec.features, spec.target)
        }
        for back in range(history.steps):
            index = _index_before(line, back * history.every, grid_tolerance(spec) if back else 0)
            for name, column in values.items():
                yield pl.Series(history_column(name, back), column[index], nan_to_null=True)


def _index_before(line: Line, before: timedelta, tolerance: int) -> NDArray[np.int64]:
    """For each row the index of the same entity's reading that much earlier, and the number of rows without one."""
    rows = nearest(line.times, line.starts, line.times - before // MICROSECOND, tolerance, until=line.times)
    return np.where(rows == NO_MATCH, len(line.times), rows)
