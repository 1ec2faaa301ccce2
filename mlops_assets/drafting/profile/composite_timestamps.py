"""Timestamps in several columns: year, month and day; year and quarter; or a day and a time of day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from itertools import takewhile
from typing import Final

import polars as pl

from mlops_assets.drafting.profile.sampling import sample
from mlops_assets.drafting.profile.time_formats import DAYS, format_of

_PARTS: Final = {
    "year": (re.compile(r"(?i)^(year|yr|yyyy|jahr)$"), 1_500, 2_200, "%Y"),
    "month": (re.compile(r"(?i)^(month|mnth|mon|mm|monat)$"), 1, 12, "%m"),
    "day": (re.compile(r"(?i)^(day|dd|tag|day_?of_?month|mday)$"), 1, 31, "%d"),
    "hour": (re.compile(r"(?i)^(hour|hr|hh|stunde|hour_?of_?day)s?$"), 0, 23, "%H"),
    "minute": (re.compile(r"(?i)^(minute|min|mi)s?$"), 0, 59, "%M"),
}
"""Part of an instant: names of a column that may hold it, its least and greatest value, its code in a format."""
_QUARTER: Final = re.compile(r"(?i)^(quarter|qtr|q|quartal|trimest(er|re))$")
_MONTH_NAMES: Final = {
    r"(?i)^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)$": "%b",
    r"(?i)^(january|february|march|april|may|june|july|august|september|october|november|december)$": "%B",
}
_CLOCKS: Final = {
    r"^\d{1,2}:\d{2}:\d{2}$": "%H:%M:%S",
    r"^\d{1,2}:\d{2}$": "%H:%M",
    r"^\d{1,2}\.\d{2}\.\d{2}$": "%H.%M.%S",
    r"(?i)^\d{1,2}:\d{2}:\d{2} ?[ap]m$": "%I:%M:%S %p",
    r"(?i)^\d{1,2}:\d{2} [ap]m$": "%I:%M %p",
}


def composite_timestamps(frame: pl.DataFrame) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield columns that make an instant together, and the format of what they make.

    They are year, month, day (, hour, minute), year and quarter, month and day in the order of one
    year, or days and a time of day.

    Args:
        frame: The table.

    Yields:
        Names of the columns, and the format of their text joined by spaces.
    """
    named = {part: _part(frame, pattern, low, high) for part, (pattern, low, high, _) in _PARTS.items()}
    parts = list(takewhile(lambda part: named[part] is not None, _PARTS))
    if len(parts) >= 2:
        yield tuple(str(named[part]) for part in parts), " ".join(_PARTS[part][3] for part in parts)
    if named["year"] is not None:
        yield from (
            ((named["year"], name), f"%Y {form}")
            for name in frame.columns
            if (form := _quarter_format(frame[name]) or _month_name_format(frame[name]))
        )
    elif named["month"] is not None and named["day"] is not None:
        form = " ".join(_PARTS[part][3] for part in ("month", "day"))
        within_a_year = frame.select(named["month"], named["day"]).drop_nulls()
        if within_a_year.rows() == sorted(set(within_a_year.rows())):
            yield (named["month"], named["day"]), form
    clocks = [(name, form) for name in frame.columns if (form := _clock_format(frame[name]))]
    if named["hour"] is not None:
        clocks.append((named["hour"], "%H"))
    for day in frame.columns if clocks else ():
        form = _day_format(frame[day])
        for clock, of_day in clocks if form else ():
            yield (day, clock), f"{form} {of_day}"


def _part(frame: pl.DataFrame, pattern: re.Pattern[str], low: int, high: int) -> str | None:
    for name in frame.columns:
        column = _padded_number(frame[name]) if pattern.match(name) else frame[name]
        if pattern.match(name) and column.dtype.is_numeric() and column.null_count() <= 0.05 * len(column):
            least, most = column.min(), column.max()
            if least is not None and low <= least <= most <= high:  # type: ignore[operator]
                return name
    return None


def _quarter_format(column: pl.Series) -> str | None:
    values = column.drop_nulls()
    if not _QUARTER.match(column.name) or values.is_empty() or column.null_count() > 0.05 * len(column):
        return None
    if values.dtype.is_numeric():
        return "%q" if values.cast(pl.Float64).is_in([1.0, 2.0, 3.0, 4.0]).all() else None
    is_text = values.dtype == pl.String and values.str.strip_chars().str.contains("^Q[1-4]$").all()
    return "Q%q" if is_text else None


def _month_name_format(column: pl.Series) -> str | None:
    if column.dtype != pl.String or not _PARTS["month"][0].match(column.name):
        return None
    names = column.drop_nulls().str.strip_chars().unique()
    able = (form for pattern, form in _MONTH_NAMES.items() if names.str.contains(pattern).all())
    return next(able, None) if len(names) else None


def _padded_number(column: pl.Series) -> pl.Series:
    """Numbers written with leading zeros, such as 01 for January, which the reader keeps as text."""
    padded = column.dtype == pl.String and column.drop_nulls().str.contains(r"^\d{1,4}$").all()
    return column.cast(pl.Int64) if padded else column


def _clock_format(column: pl.Series) -> str | None:
    if column.dtype != pl.String or column.null_count() > 0.05 * len(column):
        return None
    values = sample(column).drop_nulls().str.strip_chars().unique()
    able = [(pattern, form) for pattern, form in _CLOCKS.items() if values.str.contains(pattern).all()]
    values = column.drop_nulls().str.strip_chars().unique() if able else values
    return next((form for pattern, form in able if values.str.contains(pattern).all()), None)


def _day_format(column: pl.Series) -> str | None:
    """Return the format in which `combine` writes a column of days, None for any other column."""
    if column.dtype == pl.Date:
        return "%Y-%m-%d"
    if isinstance(column.dtype, pl.Datetime):
        return "%Y-%m-%d" if (column.drop_nulls().dt.time() == time(0)).all() else None
    if column.dtype != pl.String:
        return None
    form = format_of(column)
    if form is None:
        return "%Y-%m-%d" if (column.drop_nulls().str.strip_chars().str.len_chars() == 10).all() else None
    return form if form in DAYS else None
