"""The recent past inside a matrix: which columns are steps of which channel, and the series that rows were cut from.

Comes in: a matrix whose columns carry names of `model_file.features.history_column`. Goes out: windows, and for
the training rows of one series the series itself. A row holds what was known at its instant, so that a prediction
depends on its row alone: the same in training, in a backtest, in serving and when a stored sample is replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import TrainingError
from mlops_assets.model_file.features import TIME, history_column, parse_history_column

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Column positions: per channel its steps, oldest first; columns that are no steps; the time, if there."""

    past: dict[str, tuple[int, ...]]
    plain: tuple[int, ...]
    time: int | None

    @property
    def steps(self) -> int:
        """Return the length of the windows; 0 without a history."""
        return min((len(indices) for indices in self.past.values()), default=0)


def layout(names: tuple[str, ...]) -> Layout:
    """Return the roles of a matrix's columns, from their names.

    Args:
        names: Names of the columns, in order.

    Returns:
        Indices of history columns per channel (oldest first), of plain columns and of the time.
    """
    indices: dict[str, dict[int, int]] = {}
    plain = []
    for position, name in enumerate(names):
        parsed = parse_history_column(name)
        if parsed is not None:
            indices.setdefault(parsed[0], {})[parsed[1]] = position
        elif name != TIME:
            plain.append(position)
    past = {
        name: tuple(steps[back] for back in sorted(steps, reverse=True)) for name, steps in indices.items()
    }
    return Layout(past, tuple(plain), names.index(TIME) if TIME in names else None)


def horizon_steps(params: Mapping[str, Any]) -> int:
    """Return the steps from a row's instant to the instant forecast, 1 when unset.

    Args:
        params: Parameters of the algorithm, from the model file.

    Returns:
        Number of steps, from 1.
    """
    return int(params.get("ahead", 1))


def step_seconds(params: Mapping[str, Any]) -> float:
    """Return the seconds of a step, 1 when unset.

    Args:
        params: Parameters of the algorithm, from the model file.

    Returns:
        Seconds.
    """
    return float(params.get("every", 1.0))


def window(values: Floats, channel: tuple[int, ...]) -> Floats:
    """Return the steps of a channel, shape (rows, steps), oldest first.

    Args:
        values: The matrix, shape (rows, columns).
        channel: Column indices of the channel, oldest first.

    Returns:
        Shape (rows, steps).
    """
    steps: Floats = values[:, list(channel)]
    return steps


def main_channel(who: str, column_layout: Layout) -> str:
    """Return the target's own channel, the first.

    Args:
        who: Name of the algorithm, for the error text.
        column_layout: Result of `layout`.

    Returns:
        Name of the channel.

    Raises:
        TrainingError: If there is no history.
    """
    if not column_layout.past:
        raise TrainingError(
            f"{who}: there is no past to forecast from; add 'features.history' to the model file"
        )
    return next(iter(column_layout.past))


@dataclass(frozen=True, slots=True)
class Series:
    """One evenly spaced series: values (points,), and the same instants of other channels; gaps are NaN."""

    values: Floats
    others: dict[str, Floats]
    first: float
    """Seconds since 1970 of the first point."""


def reconstruct_series(
    who: str, values: Floats, target: Floats, column_layout: Layout, every: float, ahead: int
) -> Series:
    """Return the series that training rows of one entity were cut from, up to the last target.

    Args:
        who: The algorithm, for messages.
        values: The matrix, rows in any order.
        target: The targets (rows,).
        column_layout: Where in the matrix the history is.
        every: Seconds between two points; rows that lie between the points that lead to the newest row are left out.
        ahead: Steps from a row's instant to its target.

    Returns:
        Values at each step, NaN where no row shows them.

    Raises:
        TrainingError: If the rows have no time, or no known target.
    """
    if column_layout.time is None:
        raise TrainingError(
            f"{who}: the matrix has no column {TIME!r}, so that the order of its rows is unknown"
        )
    main = main_channel(who, column_layout)
    times = values[:, column_layout.time]
    back = np.rint((times.max() - times) / every)
    on_grid = np.abs(times.max() - times - back * every) < every * 1e-6
    back = back.astype(np.int64)
    rows = np.flatnonzero(on_grid)
    size = int(back[rows].max()) + column_layout.steps + ahead
    at = size - 1 - ahead - back[rows]
    series = {name: np.full(size, np.nan) for name in column_layout.past}
    oldest = rows[int(np.argmax(back[rows]))]
    for name, channel in column_layout.past.items():
        begin = size - 1 - ahead - int(back[oldest]) - (len(channel) - 1)
        series[name][begin : begin + len(channel)] = values[oldest, list(channel)]
        series[name][at] = values[rows, channel[-1]]
    ahead_at = at + ahead
    missing = np.isnan(series[main][ahead_at])
    series[main][ahead_at[missing]] = target[rows][missing]
    start = float(times.max() - (size - 1 - ahead) * every)
    known = np.flatnonzero(~np.isnan(series[main]))
    if known.size == 0:
        raise TrainingError(f"{who}: the target has no known value in the past of any row")
    cut = int(known[0])
    return Series(
        series[main][cut:],
        {name: column[cut:] for name, column in series.items() if name != main},
        start + cut * every,
    )


def exogenous_columns(
    who: str, spec: object, names: tuple[str, ...], column_layout: Layout
) -> dict[str, str]:
    """Return for each channel the column that holds its value at the instant forecast.

    A channel without such a column keeps its last value.

    Args:
        who: Name of the algorithm, for the error text.
        spec: Value of the key `exogenous`: a list of channels, a mapping from channel to column, or None.
        names: Names of the matrix's columns.
        column_layout: Result of `layout`.

    Returns:
        Column by channel.

    Raises:
        TrainingError: If a channel or column does not exist.
    """
    wanted: Mapping[str, Any]
    if spec is None:
        return {}
    wanted = spec if isinstance(spec, Mapping) else {str(name): None for name in _listed(who, spec)}
    chosen = {
        name: history_column(name, 0) if wanted[name] is None else str(wanted[name])
        for name in sorted(wanted)
    }
    for name, future in chosen.items():
        if name not in column_layout.past:
            raise TrainingError(
                f"{who}: exogenous {name!r} is not looked back at; add it to features.history.columns"
            )
        if future not in names:
            raise TrainingError(f"{who}: there is no column {future!r} to say what {name!r} will be")
    return chosen


def _listed(who: str, spec: object) -> list[Any]:
    if not isinstance(spec, list | tuple):
        raise TrainingError(f"{who}: 'exogenous' is a list of columns, or column: its planned column")
    return list(spec)
