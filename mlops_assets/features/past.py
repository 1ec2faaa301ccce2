"""The recent past on an even grid: for each row the values exactly one, two, three ... steps before it.

Comes in: whole entities in the order of entity, then time, and the line they stand on. Goes out: one column per channel
and step, `sales@0` (the row's own), `sales@-1` ..., null where no reading lies exactly there. Lags count readings; this
counts time, so that a missing day does not move the weekdays of a season.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.features.windows import Line
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import channels, past_column


def grid(spec: ModelSpec, frame: pl.DataFrame, on: Line) -> Iterator[pl.Series]:
    """Columns named by `past_column`, newest first, for every channel of `features.history`."""
    history = spec.features.history
    if history is None:
        return
    values = {
        name: np.append(frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.nan)
        for name in channels(spec.features, spec.target)
    }
    for back in range(history.steps):
        at = _rows_at(on, back * history.every)
        for name, column in values.items():
            yield pl.Series(past_column(name, back), column[at], nan_to_null=True)


def _rows_at(on: Line, before: timedelta) -> NDArray[np.int64]:
    """For each row the row of the same entity exactly that much earlier, the number of rows where there is none."""
    wanted = on.times - before // timedelta(microseconds=1)
    rows = np.full(len(on.times), len(on.times), dtype=np.int64)
    for start, stop in zip(on.starts[:-1].tolist(), on.starts[1:].tolist(), strict=True):
        own = on.times[start:stop]
        place = np.searchsorted(own, wanted[start:stop], side="right") - 1
        there = (place >= 0) & (own[np.maximum(place, 0)] == wanted[start:stop])
        rows[start:stop][there] = start + place[there]
    return rows
