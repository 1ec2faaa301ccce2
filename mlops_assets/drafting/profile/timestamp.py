"""The timestamp: the column, or columns, with the time of a row, and the usual step between rows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from mlops_assets.drafting import TimeFacts, Unit
from mlops_assets.drafting.profile.composite_timestamps import composite_timestamps
from mlops_assets.drafting.profile.time_formats import (
    EARLIEST,
    NO_FORMAT,
    days_first,
    format_of,
    format_of_most,
    format_of_numbers,
    says_zone,
    unit_of,
)
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.steps import written
from mlops_assets.readings.cleaning.timestamps import to_instants

_NO_CLOCK: Final = re.compile(r"(?i)(birth|born|dob$|expir|due(_|$)|deadline|valid_(to|until))")
"""Dates that say nothing about when the row was taken."""
NEARLY_ALL: Final = 0.98
"""Proportion of the different instants of another column with which a column with a time zone is preferred."""
CALENDAR_STEPS: Final = (1, 2, 3, 4, 6, 12, 24, 60, 120)
"""Months between readings that keep to the calendar: no such step has a fixed number of days."""
HOURS_OF_DAY: Final = 6
"""Different instants a day from which a column with a time zone is preferred to parts of a local clock."""
FEWEST_INSTANTS: Final = 10
FEWEST_YEARS: Final = 8
"""Different instants, and years, that a timestamp has at least."""
REGULAR_MONTHS: Final = 0.9
"""Share of steps that must be as many months for readings to keep to the calendar."""


def time_of(frame: pl.DataFrame, target: str, requested: str | None) -> tuple[TimeFacts, pl.Series] | None:
    """Return the column with the most different instants among those that read as time, or columns that do together.

    Args:
        frame: The table.
        target: The column to predict.
        requested: The column that the user named.

    Returns:
        Facts of the timestamp and its values; None without one.

    Raises:
        SourceError: The named column does not read as a time.
    """
    candidates: list[tuple[int, int, TimeFacts, pl.Series]] = []
    for index, name in enumerate(
        [requested] if requested else [name for name in frame.columns if name != target]
    ):
        parsed = _as_time(frame[name], certain=requested is not None)
        if parsed is not None:
            candidates.append((parsed[1].n_unique(), -index, *parsed))
    if requested and not candidates:
        raise SourceError(
            f"{requested!r} does not read as a time; its first values: {frame[requested].head(3).to_list()}"
        )
    for parts, form in () if requested else composite_timestamps(frame.select(pl.exclude(target))):
        joined = pl.select(pl.concat_str([written(frame[part]) for part in parts], separator=" ")).to_series()
        parsed = _as_time(joined.alias(free_name("timestamp", frame.columns)), certain=True, form=form)
        if parsed is not None:
            # A clock column of its own knows its zone: what is put together must say a good deal more.
            candidates.append(
                (parsed[1].n_unique() // 2, -frame.width, replace(parsed[0], made_of=parts), parsed[1])
            )
    most = max((count for count, *_ in candidates), default=0)
    # A local clock repeats an hour a year: a column that names its zone wins where both say nearly the same.
    best = max(candidates, key=lambda one: one[:2], default=None)
    days = best[3].dt.date().n_unique() if best and best[2].made_of else 0
    zoned = [
        one
        for one in candidates
        if one[2].zoned and (one[0] >= NEARLY_ALL * most or one[0] > HOURS_OF_DAY * days > 0)
    ]
    best = max(zoned, key=lambda one: one[:2]) if zoned else best
    return (best[2], best[3]) if best else None


def free_name(name: str, taken: list[str]) -> str:
    """Return the name, with underscores at its end where a column has it already.

    Args:
        name: The name.
        taken: Names of columns.

    Returns:
        A name that no column has.
    """
    while name in taken:
        name += "_"
    return name


def _writing(
    column: pl.Series, certain: bool, form: str | None
) -> tuple[str | None, Unit | None, tuple[tuple[int, str], ...]]:
    """Format, unit and unreadable values of a column of times; NO_FORMAT for any other column."""
    if column.dtype == pl.String:
        form = form or format_of(column)
        if form == NO_FORMAT:
            form, unreadable = format_of_most(column)
            return form, None, unreadable
        return form, None, ()
    if column.dtype.is_numeric():
        form = format_of_numbers(column)
        unit = None if form else unit_of(column, certain)
        return (form if form or unit else NO_FORMAT), unit, ()
    is_time = isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date
    return (form if is_time else NO_FORMAT), None, ()


def _as_time(
    column: pl.Series, *, certain: bool, form: str | None = None
) -> tuple[TimeFacts, pl.Series] | None:
    if _NO_CLOCK.search(column.name) and not certain:
        return None
    form, unit, unreadable = _writing(column, certain, form)
    if form == NO_FORMAT:
        return None
    if unreadable:
        column = column.scatter([row - 1 for row, _ in unreadable], None)
    rules = RepairsSpec(timestamp_format=form, timestamp_unit=unit)
    try:
        instants, _ = to_instants(column, rules, "the table")
    except SourceError:
        return None
    fewest = FEWEST_YEARS if form == "%Y" else FEWEST_INSTANTS
    if instants.null_count() > 0.05 * len(instants) or instants.n_unique() < fewest:
        return None
    first, last = instants.min(), instants.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    if first.year < EARLIEST:
        return None
    zoned = unit is not None or getattr(column.dtype, "time_zone", None) is not None
    zoned = zoned or (column.dtype == pl.String and (form is None or "%z" in form) and says_zone(column))
    return TimeFacts(
        column=column.name,
        span=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        length=last - first,
        last=f"{last + timedelta(days=1):%Y-%m-%d}",
        step=None,
        regular=0.0,
        zoned=zoned,
        sorted=instants.drop_nulls().is_sorted(),
        missing=instants.null_count(),
        instants=instants.n_unique() - (instants.null_count() > 0),
        repeated=0,
        format=form,
        unit=unit,
        days_first=days_first(column, form),
        unreadable=unreadable,
    ), instants


def stepped(facts: TimeFacts, instants: pl.Series, entity: pl.Series | None) -> TimeFacts:
    """Return the facts with the usual step within an entity, its share of all steps, and the repeated instants.

    Args:
        facts: Facts about the timestamp column.
        instants: The time of each row.
        entity: The entity of each row.

    Returns:
        The facts; unchanged where no step can be measured.
    """
    # Without an entity all rows are of one, which spares sorting a constant column of millions.
    codes = (
        pl.repeat(0, len(instants), dtype=pl.UInt32, eager=True) if entity is None else entity.rank("dense")
    )
    pairs = pl.DataFrame({"time": instants, "entity": codes}).drop_nulls("time")
    ordered = pairs.sort(*(() if entity is None else ("entity",)), "time")
    again = (pl.col("time") == pl.col("time").shift(1)) & (pl.col("entity") == pl.col("entity").shift(1))
    alone = ordered.filter(~again.fill_null(False))
    own = alone["entity"].diff().fill_null(1) == 0
    steps = alone["time"].diff().filter(own)
    counts = steps.value_counts(sort=True).sort(["count", "time"], descending=[True, False])
    if counts.is_empty():
        return facts
    step: Any = counts[counts.columns[0]][0]
    usual = (
        step
        if isinstance(step, timedelta) and step >= timedelta(seconds=1) and not step.microseconds
        else None
    )
    share = float(counts["count"][0]) / len(steps)
    in_order = (
        facts.sorted
        if entity is None
        else pairs.with_columns(early=pl.col("time") < pl.col("time").shift(1).over("entity"))["early"].any()
        is False
    )
    return replace(
        facts,
        step=usual,
        regular=share,
        repeated=pairs.height - alone.height,
        sorted=bool(in_order),
        months=_months(alone, own),
    )


def _months(alone: pl.DataFrame, own: pl.Series) -> int | None:
    """Return the usual step in months, where readings keep to the calendar.

    1 to 120 from the same day to the same day.
    """
    when = pl.col("time")
    month = when.dt.year().cast(pl.Int64) * 12 + when.dt.month()
    late = (when.dt.day() >= 28) & (when.dt.offset_by("1d").dt.day() == 1)
    days = alone.select(when.dt.day().n_unique().alias("days"), late.mean().alias("last"))
    if days["days"][0] > 1 and days["last"][0] < REGULAR_MONTHS:
        return None
    steps = alone.select(month.diff()).to_series().filter(own)
    shares = {many: int((steps == many).sum()) / max(1, len(steps)) for many in CALENDAR_STEPS}
    return next((many for many, share in shares.items() if share >= REGULAR_MONTHS), None)
