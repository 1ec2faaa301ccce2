"""Whole rows: placing them in time, cutting them to the window, and the declared repairs that drop, order or choose.

Comes in: a frame whose cells `repair` has mended. Goes out: the rows to hand on, and a count for everything left out.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import RepairsSpec
from mlops_assets.readings.cleaning.steps import Repaired, need
from mlops_assets.readings.cleaning.timestamps import to_instants


def to_utc_timestamps(frame: pl.DataFrame, timestamp: str | None, rules: RepairsSpec, where: str) -> Repaired:
    """Make the timestamp column instants in UTC; rows without one are dropped where declared, else refused."""
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
    """Rows with start < timestamp <= as_of; rows of the future are counted as such."""
    time = pl.col(timestamp)
    future = int(frame.select((time > as_of).sum()).item())
    kept = frame.filter((time <= as_of) & (time > start)) if start else frame.filter(time <= as_of)
    return kept, [Repair("after_as_of_left_out", timestamp, future)] if future else []


def drop_missing(frame: pl.DataFrame, column: str, name: str) -> Repaired:
    """Rows without a value in a column."""
    missing = frame[column].null_count()
    return (
        (frame.filter(pl.col(column).is_not_null()), [Repair(name, column, missing)])
        if missing
        else (frame, [])
    )


def drop_duplicates(frame: pl.DataFrame, spec: RepairsSpec, keys: list[str]) -> Repaired:
    """One row per key, the first or last as the source gave them."""
    if spec.duplicates is None:
        return frame, []
    single = frame.unique(keys or None, keep=spec.duplicates, maintain_order=True)
    missing = frame.height - single.height
    return single, [Repair("duplicate_dropped", None, missing)] if missing else []


def sort(frame: pl.DataFrame, spec: RepairsSpec, keys: list[str]) -> Repaired:
    """Order of time; counts the rows that went backward."""
    if spec.sort is None or not keys or not frame.height:
        return frame, []
    backward = int((frame[keys[0]].diff().dt.total_microseconds() < 0).sum())
    ordered = frame.sort(keys, maintain_order=True)
    return ordered, [Repair("sorted_by_time", keys[0], backward)] if backward else []


def choose(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> pl.DataFrame:
    """Only the columns wanted."""
    for column in (*(spec.select or ()), *spec.drop):
        need(frame, column, "repairs.select or repairs.drop", where)
    wanted = spec.select if spec.select is not None else frame.columns
    return frame.select(column for column in wanted if column not in spec.drop)
