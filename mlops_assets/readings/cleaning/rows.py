"""Whole rows: their timestamps, the window, and the declared steps that drop, sort or select.

Comes in: a frame whose cells `steps` has cleaned. Goes out: the rows to hand on, and a count of everything left out.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.step import Repaired, need
from mlops_assets.readings.cleaning.timestamps import to_instants


def to_utc_timestamps(frame: pl.DataFrame, timestamp: str | None, rules: RepairsSpec, where: str) -> Repaired:
    """Convert the timestamp column to instants in UTC.

    Args:
        frame: Rows after the cleaning steps.
        timestamp: Name of the column; None returns the frame unchanged.
        rules: The cleaning steps of the model file.
        where: The source, for error messages.

    Returns:
        The rows without those that have no timestamp, and the repairs.

    Raises:
        SourceError: A value is no timestamp, or is missing without `missing_timestamp: drop_row`.
    """
    if timestamp is None:
        return frame, []
    before = frame[timestamp].null_count()
    instants, repairs = to_instants(frame[timestamp], rules, where)
    frame = frame.with_columns(instants.alias(timestamp))
    missing = frame[timestamp].null_count()
    blank = missing - sum(note.count for note in repairs if note.name.endswith("_clock_time_missing"))
    if blank and rules.missing_timestamp is None:
        raise SourceError(
            f"{where}: {max(before, blank)} rows have no {timestamp!r}; declare repairs.missing_timestamp: drop_row"
        )
    frame, dropped = drop_missing(frame, timestamp, "row_without_timestamp_dropped")
    return frame, [*repairs, *dropped]


def cut(frame: pl.DataFrame, timestamp: str, start: datetime | None, as_of: datetime) -> Repaired:
    """Return the rows with start < timestamp <= as_of.

    Args:
        frame: Rows with instants in UTC.
        timestamp: Name of the timestamp column.
        start: Start of the window; None means from the beginning.
        as_of: The instant the run looks from.

    Returns:
        The rows of the window, and a count of the rows after `as_of`.
    """
    time = pl.col(timestamp)
    future = int(frame.select((time > as_of).sum()).item())
    kept = frame.filter((time <= as_of) & (time > start)) if start else frame.filter(time <= as_of)
    return kept, [Repair("after_as_of_left_out", timestamp, future)] if future else []


def drop_missing(frame: pl.DataFrame, column: str, name: str) -> Repaired:
    """Drop the rows without a value in a column.

    Args:
        frame: The rows.
        column: Name of the column.
        name: Name of the repair that counts them.

    Returns:
        The readings and the counts.
    """
    missing = frame[column].null_count()
    return (
        (frame.filter(pl.col(column).is_not_null()), [Repair(name, column, missing)])
        if missing
        else (frame, [])
    )


def drop_duplicates(frame: pl.DataFrame, spec: RepairsSpec, keys: list[str]) -> Repaired:
    """Keep one row per key, the first or the last in the order of the source.

    Args:
        frame: The rows.
        spec: The cleaning steps of the model file.
        keys: Columns that identify a row; empty means all columns.

    Returns:
        The readings and the counts.
    """
    if spec.duplicates is None:
        return frame, []
    single = frame.unique(keys or None, keep=spec.duplicates, maintain_order=True)
    missing = frame.height - single.height
    return single, [Repair("duplicate_dropped", None, missing)] if missing else []


def sort(frame: pl.DataFrame, spec: RepairsSpec, keys: list[str]) -> Repaired:
    """Sort the rows by time where that is declared, and count those that went backward.

    Args:
        frame: The rows.
        spec: The cleaning steps of the model file.
        keys: The timestamp column, then the entity.

    Returns:
        The readings and the counts.
    """
    if spec.sort is None or not keys or not frame.height:
        return frame, []
    backward = int((frame[keys[0]].diff().dt.total_microseconds() < 0).sum())
    ordered = frame.sort(keys, maintain_order=True)
    return ordered, [Repair("sorted_by_time", keys[0], backward)] if backward else []


def choose(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> pl.DataFrame:
    """Return the columns that `select` and `drop` leave.

    Args:
        frame: The rows.
        spec: The cleaning steps of the model file.
        where: The source, for error messages.

    Returns:
        The readings with fewer columns.

    Raises:
        SourceError: A named column does not exist.
    """
    for column in (*(spec.select or ()), *spec.drop):
        need(frame, column, "repairs.select or repairs.drop", where)
    wanted = spec.select if spec.select is not None else frame.columns
    return frame.select(column for column in wanted if column not in spec.drop)
