"""The null distribution of drift: how far windows inside the training data move from the rest of it by themselves.

Comes in: the training part, its profile, the length of the monitoring window. Goes out: a profile whose columns hold
the values of every drift method over such windows, and the seasons of a year where the history has one. Limits follow
from them in `monitoring`.

A window is compared with the training data without it and without its neighbors by half a window on either side: a new
window is not part of the training data either. Windows are whole stretches of time, so that their values contain
whatever makes neighboring rows resemble each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import ColumnProfile, Profile, WindowNull
from mlops_assets.binning import SEASONS, bin_codes, season_of
from mlops_assets.drift_methods import DRIFT_METHODS, ZERO_FILL, Bins

MIN_WINDOWS: Final = 4
"""Fewer windows say too little about how much windows differ."""
MOST_WINDOWS: Final = 60
"""Windows whose values are stored, spread evenly over the training data."""
MIN_ROWS: Final = 100
"""Windows with fewer present values are left out: they are not measured in production either."""
SAMPLE_ROWS: Final = 500_000
ROWS_PER_HALF: Final = 1_000
"""A sample keeps about so many rows of half a window."""
YEAR: Final = timedelta(days=365)
LONGEST_SEASONAL_WINDOW: Final = timedelta(days=31)
SHORT_WINDOW: Final = timedelta(days=10)
"""A window of this length at most is compared with three half months, a longer one with five."""
MOST_ALIKE: Final = 0.95
"""Largest autocorrelation of neighboring windows that is believed."""

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Halves:
    """The training rows by half windows, oldest first.

    Attributes:
        index: Half window of each row; -1 before the first whole one.
        count: Number of half windows.
        seasons: Half month of the year of each half window; None without a year of history.
        reach: Half months on either side that belong to a season.
    """

    index: NDArray[np.int64]
    count: int
    seasons: NDArray[np.int64] | None
    reach: int


def with_nulls(profile: Profile, frame: pl.DataFrame, timestamp: str | None, window: timedelta) -> Profile:
    """Add the null distribution of windows to each column of a profile.

    Args:
        profile: The distributions of the frame.
        frame: The training part.
        timestamp: Its column with the instants; None leaves the profile as it is.
        window: Length of the monitoring window.

    Returns:
        The profile; its columns have no null distribution where the training data holds fewer than MIN_WINDOWS
        windows with MIN_ROWS values.
    """
    if timestamp is None:
        return profile
    instants = frame[timestamp]
    first, last = instants.min(), instants.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return profile
    windows = (last - first) / window
    halves = int(2 * windows)
    if windows < MIN_WINDOWS:
        return replace(profile, window=window, windows=windows)
    rows = min(frame.height, max(SAMPLE_ROWS, ROWS_PER_HALF * halves))
    names = [timestamp, *(name for name in profile.columns if name != timestamp)]
    if rows < frame.height:
        frame = frame.select(names).sample(rows, seed=0)
    layout = _halves(frame[timestamp], last, window, halves)
    if last - first < YEAR or window > LONGEST_SEASONAL_WINDOW:
        layout = replace(layout, seasons=None)
    columns = {
        name: _with_null(column, bin_codes(column, frame[name]), layout) if column.shares else column
        for name, column in profile.columns.items()
    }
    return replace(profile, columns=columns, window=window, windows=windows)


def _halves(instants: pl.Series, last: datetime, window: timedelta, count: int) -> _Halves:
    age = (pl.Series([last], dtype=instants.dtype) - instants).dt.total_microseconds().to_numpy()
    half = window.total_seconds() * 1e6 / 2
    index = count - 1 - np.floor_divide(age, half).astype(np.int64)
    middles = [last - window * ((count - 1 - i) / 2 + 0.25) for i in range(count)]
    seasons = np.array([season_of(middle) for middle in middles])
    return _Halves(np.maximum(index, -1), count, seasons, 1 if window <= SHORT_WINDOW else 2)


def _with_null(column: ColumnProfile, codes: NDArray[np.int64], halves: _Halves) -> ColumnProfile:
    bins = len(column.shares) + (column.kind == "category")
    usable = (codes >= 0) & (halves.index >= 0)
    cells = np.bincount(halves.index[usable] * bins + codes[usable], minlength=halves.count * bins)
    counts = cells.reshape(halves.count, bins).astype(np.float64)
    if halves.seasons is not None:
        by_season = _by_season(counts, halves.seasons, halves.reach)
        if by_season.sum(axis=1).min() >= MIN_ROWS:
            shares = by_season / by_season.sum(axis=1, keepdims=True)
            null = _null(column, counts, halves.seasons, halves.reach, by_season)
            return replace(column, null=null, seasons=tuple(tuple(one) for one in shares.tolist()))
    one_season = np.zeros(halves.count, dtype=np.int64)
    return replace(column, null=_null(column, counts, one_season, 0, counts.sum(axis=0, keepdims=True)))


def _near(seasons: NDArray[np.int64], season: int, reach: int) -> NDArray[np.bool_]:
    """Whether each half month is at most `reach` from the other one, in any year."""
    distance = (seasons - season) % SEASONS
    near: NDArray[np.bool_] = np.minimum(distance, SEASONS - distance) <= reach
    return near


def _by_season(counts: Counts, seasons: NDArray[np.int64], reach: int) -> Counts:
    """Return the counts around each half month of the year, shape (SEASONS, bins)."""
    return np.stack([counts[_near(seasons, season, reach)].sum(axis=0) for season in range(SEASONS)])


def _null(
    column: ColumnProfile, counts: Counts, seasons: NDArray[np.int64], reach: int, by_season: Counts
) -> WindowNull | None:
    windows = counts[:-1] + counts[1:]
    rows = windows.sum(axis=1)
    usable = np.flatnonzero(rows >= MIN_ROWS)
    independent = _independent(counts, by_season[seasons])
    if len(usable) < MIN_WINDOWS:
        return None
    if len(usable) > MOST_WINDOWS:
        usable = usable[np.linspace(0, len(usable) - 1, MOST_WINDOWS).astype(int)]
    values: dict[str, list[float]] = {name: [] for name in DRIFT_METHODS}
    for start in usable.tolist():
        around = slice(max(0, start - 1), start + 3)
        excluded = counts[around][_near(seasons[around], int(seasons[start]), reach)].sum(axis=0)
        reference = by_season[seasons[start]] - excluded
        if reference.sum() < MIN_ROWS:
            continue
        expected, actual = _bins(column, reference), _bins(column, windows[start])
        for name, method in DRIFT_METHODS.items():
            if method.orders_bins and column.kind == "category":
                continue
            try:
                values[name].append(method.function(expected, actual))
            except ValueError:
                continue
    stored = {
        name: tuple(float(f"{value:.4g}") for value in sorted(of_method))
        for name, of_method in values.items()
        if len(of_method) >= MIN_WINDOWS
    }
    return WindowNull(independent, float(np.median(rows[usable])), stored)


def _independent(counts: Counts, reference: Counts) -> float:
    """Return how many independent windows the data is worth, by how much each window resembles the next.

    For a first-order autocorrelation r it is n (1 - r) / (1 + r); an estimate of r from n values is about 1/n too low.
    """
    offset = len(counts) % 2
    windows = counts[offset::2] + counts[offset + 1 :: 2]
    rows = windows.sum(axis=1)
    full = rows >= MIN_ROWS
    number = int(full.sum())
    if number < MIN_WINDOWS:
        return float(number)
    shares = windows / np.maximum(rows, 1)[:, None]
    expected = reference[offset::2] / np.maximum(reference[offset::2].sum(axis=1), 1)[:, None]
    moved = (shares - expected) / np.sqrt(np.maximum(expected, ZERO_FILL))
    moved[~full] = 0.0
    variance = float((moved * moved).sum())
    if variance == 0.0:
        return float(number)
    lag = float((moved[1:] * moved[:-1]).sum()) / variance * number / (number - 1)
    r = min(max(0.0, lag + 1 / number), MOST_ALIKE)
    return number * (1 - r) / (1 + r)


def _bins(column: ColumnProfile, counts: Counts) -> Bins:
    return Bins(tuple((counts / counts.sum()).tolist()), column.edges, column.std)
