"""Calendar notations that no strftime code reads: quarters in text, and years as decimal numbers.

Comes in: a column and what the model file says about it. Goes out: text with months for quarters, or microseconds
since 1970. Each value is read by itself, so that one value of a request reads as in a whole table.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

QUARTER: Final = "%q"
"""The code of `timestamp_format` for a quarter, 1 to 4."""
FIRST_YEAR: Final = 1
LAST_YEAR: Final = 9_999
_MONTHS: Final = {"1": "01", "2": "04", "3": "07", "4": "10"}
_CODES: Final = {"%Y": r"\d{4}", "%y": r"\d{2}"}
_ROUNDING: Final = 0.0065
"""Months that a year with three decimals (1949.083 for February) may differ from the month it means."""


def quarters_as_months(text: pl.Series, form: str) -> tuple[pl.Series, str]:
    """Return text and format with the first month of each quarter in place of the quarter.

    Args:
        text: Timestamps as text.
        form: A format, with or without `%q`.

    Returns:
        The text, null where it does not fit a format with `%q`, and the format with `%m` for `%q`.
    """
    if QUARTER not in form:
        return text, form
    before, after = (_pattern(part) for part in form.split(QUARTER, 1))
    months = text.set(~text.str.contains(f"^{before}[1-4]{after}$"), None)
    for quarter, month in _MONTHS.items():
        months = months.str.replace(f"^({before}){quarter}({after})$", f"${{1}}{month}${{2}}")
    return months, form.replace(QUARTER, "%m")


def _pattern(form: str) -> str:
    parts = re.split(r"(%[A-Za-z])", form)
    return "".join(_CODES.get(part, ".+?" if part.startswith("%") else re.escape(part)) for part in parts)


def whole_numbers_without_point(text: pl.Series, form: str) -> pl.Series:
    """Return text such as 1871.0 as 1871, where the format has no point: a column with gaps is written so.

    Args:
        text: Timestamps as text.
        form: The format that reads them.

    Returns:
        The text, missing values unchanged.
    """
    return text if "." in form else text.str.replace(r"^(\d+)\.0+$", "${1}")


def decimal_years(values: pl.Series) -> pl.Series:
    """Return decimal years as microseconds since 1970; null where a value is no year from 1 to 9999.

    A year counts twelve equal months, as time series in R and statistics offices do: 1949.083 (or 1949 + 1/12) is the
    first of February, and the rest of a month is a proportion of its days.

    Args:
        values: Years with decimals.

    Returns:
        Int64, microseconds since 1970.
    """
    years = values.cast(pl.Float64).fill_nan(None)
    years = years.set(~years.is_between(FIRST_YEAR, LAST_YEAR + 1, closed="left"), None)
    months = years * 12
    month = (months + _ROUNDING).floor().cast(pl.Int64)
    rest = months - month
    frame = pl.DataFrame({"month": month, "rest": rest.set(rest < _ROUNDING, 0.0)})
    first = pl.datetime(pl.col("month") // 12, pl.col("month") % 12 + 1, 1, time_unit="us")
    length = (
        pl.datetime((pl.col("month") + 1) // 12, (pl.col("month") + 1) % 12 + 1, 1, time_unit="us") - first
    )
    micros = first.dt.epoch("us") + (pl.col("rest") * length.dt.total_microseconds()).round().cast(pl.Int64)
    return frame.select(micros.alias(values.name)).to_series()
