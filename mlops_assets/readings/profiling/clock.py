"""When, and about what: the column that reads as time, its usual step, and the entity that tells rows apart."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from mlops_assets.errors import SourceError
from mlops_assets.readings.profiling.columns import Read
from mlops_assets.readings.times import to_instants
from mlops_assets.spec.drafting import ColumnFacts, TimeFacts
from mlops_assets.spec.source import RepairsSpec

FORMATS: Final = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%d-%b-%Y",
)  # fmt: skip
_EPOCH_NAME: Final = re.compile(r"(?i)(timestamp|epoch|unix|^ts$|_ts$)")
_ENTITY_NAME: Final = re.compile(
    r"(?i)(^|_)(id|name|unit|sensor|store|shop|device|machine|series|site|station|file|host)s?$"
)


def time_of(
    read: dict[str, Read], frame: pl.DataFrame, target: str, asked: str | None
) -> tuple[TimeFacts, pl.Series] | None:
    """The column with the most different instants among those that read as time."""
    found: list[tuple[int, int, TimeFacts, pl.Series]] = []
    for place, name in enumerate([asked] if asked else [name for name in frame.columns if name != target]):
        hit = _as_time(frame[name], read[name].facts, certain=asked is not None)
        if hit is not None:
            found.append((hit[1].n_unique(), -place, *hit))
    if asked and not found:
        raise SourceError(
            f"{asked!r} does not read as a time; its first values: {frame[asked].head(3).to_list()}"
        )
    best = max(found, key=lambda one: one[:2], default=None)
    return (best[2], best[3]) if best else None


def _as_time(column: pl.Series, facts: ColumnFacts, *, certain: bool) -> tuple[TimeFacts, pl.Series] | None:
    form = unit = None
    if column.dtype == pl.String:
        sample = column.drop_nulls().head(200)
        form = next(
            (form for form in (None, *FORMATS) if parses(sample, RepairsSpec(timestamp_format=form))), "no"
        )
        if form == "no" or sample.is_empty():
            return None
    elif column.dtype.is_integer() and (certain or _EPOCH_NAME.search(column.name)):
        low = column.min()
        unit = {10: "s", 13: "ms"}.get(len(str(low)))
        if unit is None:
            return None
    elif not isinstance(column.dtype, pl.Datetime) and column.dtype != pl.Date:
        return None
    rules = RepairsSpec(timestamp_format=form, timestamp_unit=unit)  # type: ignore[arg-type]
    try:
        instants, _ = to_instants(column, rules, "the table")
    except SourceError:
        return None
    if instants.null_count() > 0.05 * len(instants) or instants.n_unique() < 10:
        return None
    first, last = instants.min(), instants.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    zoned = unit is not None or getattr(column.dtype, "time_zone", None) is not None
    zoned = zoned or (column.dtype == pl.String and form is None and _zoned(column))
    return TimeFacts(
        column=facts.name,
        span=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        step=None,
        regular=0.0,
        zoned=zoned,
        sorted=instants.drop_nulls().is_sorted(),
        missing=instants.null_count(),
        repeated=0,
        length=last - first,
        format=form,
        unit=unit,
    ), instants


def parses(sample: pl.Series, rules: RepairsSpec) -> bool:
    """Whether every value of a sample is a time under these rules."""
    try:
        return to_instants(sample, rules, "the table")[0].null_count() == 0
    except (SourceError, pl.exceptions.PolarsError):
        return False


def _zoned(column: pl.Series) -> bool:
    return bool(column.drop_nulls().head(1).str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any())


def entity_of(table: pl.DataFrame, instants: pl.Series, target: str) -> str | None:
    """The column with the fewest values that, with the time, tells rows apart; None where time does so alone."""
    rows = table.height
    if _repeats(instants) <= 0.001 * rows:
        return None
    found: list[tuple[bool, int, str]] = []
    for name in table.columns:
        column = table[name]
        count = column.n_unique()
        whole = column.dtype.is_float() and bool((column.drop_nulls() == column.drop_nulls().round()).all())
        if name == target or column.null_count() or not 2 <= count <= rows // 20:
            continue
        if not (column.dtype == pl.String or whole):
            continue
        pairs = pl.DataFrame({"time": instants, "entity": column})
        if rows - pairs.n_unique() <= 0.01 * rows:
            found.append((_ENTITY_NAME.search(name) is None, count, name))
    return min(found)[2] if found else None


def _repeats(instants: pl.Series) -> int:
    return len(instants) - instants.n_unique()


def stepped(facts: TimeFacts, instants: pl.Series, entity: pl.Series | None) -> TimeFacts:
    """With the usual step within an entity, how many keep to it, and rows that repeat an instant."""
    label = entity if entity is not None else pl.repeat("", len(instants), eager=True)
    pairs = pl.DataFrame({"time": instants, "entity": label}).drop_nulls("time")
    alone = pairs.unique().sort("entity", "time")
    steps = alone.select(pl.col("time").diff().over("entity"))["time"].drop_nulls()
    counts = steps.value_counts(sort=True)
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
        facts, step=usual, regular=share, repeated=pairs.height - alone.height, sorted=bool(in_order)
    )
