"""How far a reading may lie from the instant that a label, the history grid or a season looks for.

Comes in: the model file and sorted readings. Goes out: the tolerance, the matched rows, and a warning or a refusal
where too few instants find a reading: a model would learn from a few rows that happen to fit, and nobody would know.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.features import windows
from mlops_assets.features.windows import Ints, Line
from mlops_assets.matching import (
    MICROSECOND,
    NO_MATCH,
    REFUSE_BELOW,
    WARN_BELOW,
    Matches,
    below_half,
    nearest,
    season_reach,
    usual_step,
    within_span,
)
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration

_ADVICE: Final = "; choose a multiple of the step between readings, or a wider features.tolerance"


def label_tolerance(spec: ModelSpec, line: Line) -> int:
    """Return `features.tolerance`, else just below half the usual step of the readings, in microseconds.

    Args:
        spec: The model file.
        line: Instants of the readings.

    Returns:
        Microseconds; 0 where no entity has two readings.
    """
    declared = spec.features.tolerance
    return below_half(usual_step(line.times, line.starts)) if declared is None else declared // MICROSECOND


def usual_step_of(spec: ModelSpec, frame: pl.DataFrame) -> int:
    """Return the usual time between two rows of one entity.

    Args:
        spec: The model file; it has a timestamp.
        frame: Readings or feature rows.

    Returns:
        Microseconds; 0 where no entity has two rows.
    """
    line = _line(spec, frame)
    return usual_step(line.times, line.starts)


def grid_tolerance(spec: ModelSpec) -> int:
    """Return `features.tolerance`, else just below half of `features.history.every`, in microseconds; 0 without a grid.

    It follows from the model file alone, so that one request is read as the whole table is.

    Args:
        spec: The model file.

    Returns:
        Microseconds.
    """
    declared, history = spec.features.tolerance, spec.features.history
    if history is None:
        return 0
    return below_half(history.every // MICROSECOND) if declared is None else declared // MICROSECOND


def label_rows(line: Line, horizon: timedelta, tolerance: int) -> Ints:
    """Return for each row the index of the reading that is its label: a later one of the entity, or NO_MATCH.

    Args:
        line: Instants of the readings.
        horizon: How far ahead the forecast looks.
        tolerance: How far from that instant the reading may lie, in microseconds.

    Returns:
        Indices, shape (rows,).
    """
    return nearest(line.times, line.starts, line.times + horizon // MICROSECOND, tolerance, after=line.times)


def overshoot(spec: ModelSpec, frame: pl.DataFrame) -> timedelta:
    """Return how far the latest label lies after t + horizon: the split leaves out that much more time.

    Args:
        spec: The model file.
        frame: Rows with timestamp and entity.

    Returns:
        A duration; 0 where every label lies at its instant or before.
    """
    horizon = spec.features.horizon
    if horizon is None or spec.timestamp is None or not frame.height:
        return timedelta(0)
    line = _line(spec, frame)
    rows = label_rows(line, horizon, label_tolerance(spec, line))
    has_label = rows != NO_MATCH
    late = line.times[rows[has_label]] - line.times[has_label] - horizon // MICROSECOND
    return timedelta(microseconds=int(late.max())) if len(late) and late.max() > 0 else timedelta(0)


def match_readings(spec: ModelSpec, readings: pl.DataFrame) -> tuple[Matches, ...]:
    """Return for labels, the history grid and each season how many of their instants have a reading.

    Args:
        spec: The model file.
        readings: Rows with timestamp and entity.

    Returns:
        One record each, in that order; empty for a model without a timestamp.
    """
    if spec.timestamp is None or not readings.height:
        return ()
    return tuple(_matches(spec, _line(spec, readings)))


def match_warnings(spec: ModelSpec, readings: pl.DataFrame) -> tuple[str, ...]:
    """Return a sentence for each of them of which more than a tenth find no reading.

    Args:
        spec: The model file.
        readings: Rows with timestamp and entity.

    Returns:
        Sentences for the report.
    """
    few = (one for one in match_readings(spec, readings) if one.share < WARN_BELOW)
    return tuple(f"only {one.sentence}{_ADVICE}" for one in few)


def refuse_unmatched(spec: ModelSpec, matches: tuple[Matches, ...]) -> None:
    """Refuse to build on instants of which more than half find no reading.

    Args:
        spec: The model file.
        matches: What `match_readings` counted.

    Raises:
        DataError: Fewer than half have a reading.
    """
    for one in matches:
        if one.share < REFUSE_BELOW:
            raise DataError(f"{spec.name}: only {one.sentence}{_ADVICE}")


def _matches(spec: ModelSpec, line: Line) -> Iterator[Matches]:
    tolerance = label_tolerance(spec, line)
    horizon, history = spec.features.horizon, spec.features.history
    if horizon is not None:
        later = line.times + horizon // MICROSECOND
        rows = label_rows(line, horizon, tolerance)
        yield _counted(spec, f"labels {format_duration(horizon)} ahead", line, later, rows, tolerance)
    if history is not None:
        grid = grid_tolerance(spec)
        earlier = line.times - history.every // MICROSECOND
        rows = nearest(line.times, line.starts, earlier, grid, until=line.times)
        yield _counted(
            spec,
            f"readings {format_duration(history.every)} before (features.history)",
            line,
            earlier,
            rows,
            grid,
        )
    for season in spec.evaluation.seasons:
        earlier = line.times + ((horizon or timedelta(0)) - season_reach(season, horizon)) // MICROSECOND
        rows = nearest(line.times, line.starts, earlier, tolerance, until=line.times)
        what = f"values a season of {format_duration(season)} before (evaluation.seasons)"
        yield _counted(spec, what, line, earlier, rows, tolerance)


def _counted(spec: ModelSpec, what: str, line: Line, wanted: Ints, rows: Ints, tolerance: int) -> Matches:
    inside = within_span(line.times, line.starts, wanted)
    matched = int((inside & (rows != NO_MATCH)).sum())
    within = timedelta(microseconds=tolerance)
    return Matches(what, int(inside.sum()), matched, within, spec.features.tolerance is None)


def _line(spec: ModelSpec, frame: pl.DataFrame) -> Line:
    assert spec.timestamp is not None
    keys = [*([spec.entity] if spec.entity else []), spec.timestamp]
    ordered = frame.select(keys).drop_nulls().sort(keys)
    times = ordered[spec.timestamp].cast(pl.Datetime("us", "UTC")).dt.epoch("us").to_numpy().astype(np.int64)
    return windows.line(times, ordered[spec.entity] if spec.entity else None)
