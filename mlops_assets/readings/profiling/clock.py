"""When, and about what: the column that reads as time, its usual step, and the entity that tells rows apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import combinations, takewhile
from typing import Any, Final

import polars as pl

from mlops_assets.errors import SourceError
from mlops_assets.readings.repair import written
from mlops_assets.readings.times import to_instants
from mlops_assets.spec.drafting import TimeFacts, Unit
from mlops_assets.spec.source import RepairsSpec

DAYS: Final = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y",
    "%a, %d %b %Y", "%d/%b/%Y", "%Y-%m", "%Y/%m", "%m/%Y", "%b-%Y", "%b %Y", "%B %Y",
)  # fmt: skip
HOURS: Final = (
    "", " %H:%M:%S", " %H:%M", " %H:%M:%S%.f", " %I:%M:%S %p", " %I:%M %p", " %H.%M.%S", " %H", "T%H:%M:%S", "T%H%M%S",
    "%H%M%S", " %H%M", ":%H:%M:%S", ":%H:%M:%S %z", " %H:%M:%S %z",
)  # fmt: skip
_CODES: Final = {
    "%Y": r"\d{4}", "%y": r"\d\d", "%m": r"\d\d?", "%d": r"\d\d?", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]+",
    "%a": "[A-Za-z]{3}", "%H": r"\d\d?", "%I": r"\d\d?", "%M": r"\d\d", "%S": r"\d\d", "%.f": r"\.\d+",
    "%p": "[AaPp][Mm]", "%z": r"[-+]\d\d:?\d\d",
}  # fmt: skip


def _shape(form: str) -> re.Pattern[str]:
    """What a time in this format looks like, to tell at a glance which formats are worth trying."""
    parts = re.split(r"(%\.f|%[A-Za-z])", form)
    return re.compile("".join(_CODES.get(part, re.escape(part)) for part in parts))


FORMATS: Final = {day + hour: _shape(day + hour) for day in DAYS for hour in HOURS}
"""Format: what a value in it looks like."""
_DIGITS: Final = re.compile(r"\d")
EARLIEST: Final = 1500
"""Years before are numbers read wrongly."""
_EPOCH_NAME: Final = re.compile(r"(?i)(time|date|epoch|unix|^ts$|_ts$|_at$|_ms$|when)")
_YEAR_NAME: Final = re.compile(r"(?i)^(year|yr|jahr|ann[ée]e|año|anno)$")
_NO_CLOCK: Final = re.compile(r"(?i)(birth|born|dob$|expir|due(_|$)|deadline|valid_(to|until))")
"""Dates that say nothing about when the row was taken."""
_EPOCHS: Final[dict[Unit, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EPOCH_RANGE: Final = (3e8, 3e9)
"""Seconds since 1970 between 1979 and 2065."""
_ENTITY_NAME: Final = re.compile(
    r"(?i)(^|_|\b)(id|name|unit|unit[_ ]?(nr|no|number)|"
    r"sensor|store|shop|item|product|sku|device|machine|engine|turbine|vehicle|meter|series|"
    r"site|station|location|country|region|state|city|file|host|symbol|ticker|asset|customer|user|patient|dept|family)s?$"
)
REGULAR_MONTHS: Final = 0.9
"""Share of steps that must be as many months for readings to keep to the calendar."""
MANY_TIMES: Final = 8
"""What rows are about comes up in at least so many of them, on average."""
FEW_REPEATS: Final = 0.02
"""Share of rows that repeat an instant up to which chance explains it: any column would tell them apart."""
FEW_NUMBERS: Final = 100
"""Numbers whose name does not say so name what rows are about only where there are so few of them."""
MANY_NAMES: Final = 30
"""Columns looked at for the entity."""


def time_of(frame: pl.DataFrame, target: str, asked: str | None) -> tuple[TimeFacts, pl.Series] | None:
    """The column with the most different instants among those that read as time, or columns that do together."""
    found: list[tuple[int, int, TimeFacts, pl.Series]] = []
    for place, name in enumerate([asked] if asked else [name for name in frame.columns if name != target]):
        hit = _as_time(frame[name], certain=asked is not None)
        if hit is not None:
            found.append((hit[1].n_unique(), -place, *hit))
    if asked and not found:
        raise SourceError(
            f"{asked!r} does not read as a time; its first values: {frame[asked].head(3).to_list()}"
        )
    for parts, form in () if asked else together(frame.select(pl.exclude(target))):
        joined = pl.select(pl.concat_str([written(frame[part]) for part in parts], separator=" ")).to_series()
        hit = _as_time(joined.alias(_free("timestamp", frame.columns)), certain=True, form=form)
        if hit is not None:
            # A clock column of its own knows its zone: what is put together must say a good deal more.
            found.append((hit[1].n_unique() // 2, -frame.width, replace(hit[0], made_of=parts), hit[1]))
    best = max(found, key=lambda one: one[:2], default=None)
    return (best[2], best[3]) if best else None


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _as_time(
    column: pl.Series, *, certain: bool, form: str | None = None
) -> tuple[TimeFacts, pl.Series] | None:
    unit: Unit | None = None
    if _NO_CLOCK.search(column.name) and not certain:
        return None
    if column.dtype == pl.String:
        form = form or format_of(column)
        if form == NO_FORMAT:
            return None
    elif column.dtype.is_numeric():
        form = _format_of_numbers(column)
        unit = None if form else _unit_of(column, certain)
        if form is None and unit is None:
            return None
    elif not isinstance(column.dtype, pl.Datetime) and column.dtype != pl.Date:
        return None
    rules = RepairsSpec(timestamp_format=form, timestamp_unit=unit)
    try:
        instants, _ = to_instants(column, rules, "the table")
    except SourceError:
        return None
    if instants.null_count() > 0.05 * len(instants) or instants.n_unique() < 10:
        return None
    first, last = instants.min(), instants.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    if first.year < EARLIEST:
        return None
    zoned = unit is not None or getattr(column.dtype, "time_zone", None) is not None
    zoned = zoned or (column.dtype == pl.String and (form is None or "%z" in form) and _zoned(column))
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
        repeated=0,
        format=form,
        unit=unit,
        days_first=_days_first(column, form),
    ), instants


NO_FORMAT: Final = "no"


def format_of(column: pl.Series) -> str | None:
    """How a text column writes its times: None for ISO 8601, NO_FORMAT for a column that holds no times.

    Where two formats read every value (day and month may be either), the one that keeps the rows in order wins.
    """
    values = column.drop_nulls().unique(maintain_order=True)
    few = [value.strip() for value in values.head(5)]
    if not few or not all(_DIGITS.search(value) for value in few):
        return NO_FORMAT
    if _read_by(values, None):
        return None
    able: list[tuple[bool, str | None]] = []
    for form, shape in FORMATS.items():
        if not all(shape.fullmatch(value) for value in few) or not _read_by(values, form):
            continue
        rules = RepairsSpec(timestamp_format=form)
        instants = to_instants(values, rules, "the table")[0]
        if instants.dt.year().min() >= EARLIEST:  # type: ignore[operator]
            able.append((instants.is_sorted(), form))
    return next((form for ordered, form in able if ordered), able[0][1] if able else NO_FORMAT)


def _read_by(values: pl.Series, form: str | None) -> bool:
    rules = RepairsSpec(timestamp_format=form)
    return all(parses(part, rules) for part in (values.head(1), values.head(200), values))


def _days_first(column: pl.Series, form: str | None) -> str | None:
    """The format that reads every value too, with day and month changed about."""
    if form is None or column.dtype != pl.String or "%b" in form or "%B" in form:
        return None
    other = form.replace("%d", "%0").replace("%m", "%d").replace("%0", "%m")
    return other if other in FORMATS and parses(column, RepairsSpec(timestamp_format=other)) else None


def _format_of_numbers(column: pl.Series) -> str | None:
    """%Y%m%d for days written as one number, %Y for a column of years."""
    values = column.drop_nulls()
    if not values.dtype.is_integer() or values.is_empty():
        return None
    low, high = int(values.min()), int(values.max())  # type: ignore[arg-type]
    if _YEAR_NAME.match(column.name) and 1_000 <= low <= high <= 2_200:
        return "%Y"
    for digits, form in ((8, "%Y%m%d"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S")):
        written_so = 18 * 10 ** (digits - 2) <= low <= high < 22 * 10 ** (digits - 2)
        if written_so and parses(values.unique().cast(pl.String), RepairsSpec(timestamp_format=form)):
            return form
    return None


def _unit_of(column: pl.Series, certain: bool) -> Unit | None:
    """What numbers count since 1970, told by their size."""
    values = column.drop_nulls()
    if values.is_empty() or not (certain or _EPOCH_NAME.search(column.name)):
        return None
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    least, most = _EPOCH_RANGE
    return next((unit for unit, per in _EPOCHS.items() if least * per <= low <= high <= most * per), None)


def together(frame: pl.DataFrame) -> Iterator[tuple[tuple[str, ...], str]]:
    """Columns that make an instant side by side, and the format of what they make: year, month, day (, hour, minute);
    or days and a time of day."""
    named = {part: _part(frame, pattern, low, high) for part, (pattern, low, high, _) in _PARTS.items()}
    parts = list(takewhile(lambda part: named[part] is not None, _PARTS))
    if len(parts) >= 2:
        yield tuple(str(named[part]) for part in parts), " ".join(_PARTS[part][3] for part in parts)
    clocks = [(name, form) for name in frame.columns if (form := _clock_format(frame[name]))]
    if named["hour"] is not None:
        clocks.append((named["hour"], "%H"))
    for day in frame.columns if clocks else ():
        form = _day_format(frame[day])
        for clock, of_day in clocks if form else ():
            yield (day, clock), f"{form} {of_day}"


_PARTS: Final = {
    "year": (re.compile(r"(?i)^(year|yr|yyyy|jahr)$"), 1_500, 2_200, "%Y"),
    "month": (re.compile(r"(?i)^(month|mnth|mon|mm|monat)$"), 1, 12, "%m"),
    "day": (re.compile(r"(?i)^(day|dd|tag|day_?of_?month|mday)$"), 1, 31, "%d"),
    "hour": (re.compile(r"(?i)^(hour|hr|hh|stunde|hour_?of_?day)s?$"), 0, 23, "%H"),
    "minute": (re.compile(r"(?i)^(minute|min|mi)s?$"), 0, 59, "%M"),
}
"""Part of an instant: names of a column that may hold it, its least and greatest value, its code in a format."""
_CLOCKS: Final = {
    r"^\d{1,2}:\d{2}:\d{2}$": "%H:%M:%S",
    r"^\d{1,2}:\d{2}$": "%H:%M",
    r"^\d{1,2}\.\d{2}\.\d{2}$": "%H.%M.%S",
    r"(?i)^\d{1,2}:\d{2}:\d{2} ?[ap]m$": "%I:%M:%S %p",
    r"(?i)^\d{1,2}:\d{2} [ap]m$": "%I:%M %p",
}


def _part(frame: pl.DataFrame, pattern: re.Pattern[str], low: int, high: int) -> str | None:
    for name in frame.columns:
        column = frame[name]
        if pattern.match(name) and column.dtype.is_numeric() and column.null_count() <= 0.05 * len(column):
            least, most = column.min(), column.max()
            if least is not None and low <= least <= most <= high:  # type: ignore[operator]
                return name
    return None


def _clock_format(column: pl.Series) -> str | None:
    if column.dtype != pl.String or column.null_count() > 0.05 * len(column):
        return None
    values = column.drop_nulls().str.strip_chars().unique()
    return next((form for pattern, form in _CLOCKS.items() if values.str.contains(pattern).all()), None)


def _day_format(column: pl.Series) -> str | None:
    """The format in which `combine` writes a column of days, None for any other column."""
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


def parses(sample: pl.Series, rules: RepairsSpec) -> bool:
    """Whether every value of a sample that is there is a time under these rules."""
    try:
        return to_instants(sample, rules, "the table")[0].null_count() == sample.null_count()
    except (SourceError, pl.exceptions.PolarsError):
        return False


def _zoned(column: pl.Series) -> bool:
    return bool(column.drop_nulls().head(1).str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any())


def entity_of(table: pl.DataFrame, instants: pl.Series, target: str) -> tuple[str, ...]:
    """The column with the fewest values that, with the time, tells rows apart, or two that do; none where time does so
    alone, or where no column leaves a tenth of the repeated instants or fewer."""
    repeats = _repeats(instants)
    if repeats <= FEW_REPEATS * table.height:
        return ()
    allowed = min(0.01 * table.height, 0.1 * repeats)
    able = [name for name in table.columns if name != target and _is_name(table[name])]
    for many in (1, 2):
        found: list[tuple[int, int, tuple[str, ...]]] = []
        for names in combinations(able[:MANY_NAMES], many):
            unnamed = sum(not named_entity(name) for name in names)
            if many == 2 and (unnamed or repeats < table.height // 2):
                continue
            pairs = table.select(names).with_columns(instants.alias(" instant"))
            if table.height - pairs.n_unique() <= allowed:
                found.append((unnamed, table.select(names).n_unique(), names))
        if found:
            return min(found)[2]
    return ()


def named_entity(name: str) -> bool:
    """Whether a column's name says that it tells what a row is about."""
    return _ENTITY_NAME.search(name) is not None


def _is_name(column: pl.Series) -> bool:
    """Whether a column may name what rows are about: text or whole numbers, each value again and again."""
    if column.null_count() or not (column.dtype == pl.String or column.dtype.is_float()):
        return False
    named = column.dtype == pl.String or named_entity(column.name)
    if not 2 <= column.n_unique() <= min(len(column) // MANY_TIMES, len(column) if named else FEW_NUMBERS):
        return False
    return column.dtype == pl.String or bool((column == column.round()).all())


def _repeats(instants: pl.Series) -> int:
    return len(instants) - instants.n_unique()


def stepped(facts: TimeFacts, instants: pl.Series, entity: pl.Series | None) -> TimeFacts:
    """With the usual step within an entity, how many keep to it, and rows that repeat an instant."""
    # Without an entity all rows are of one, which spares sorting a constant column of millions.
    codes = (
        pl.repeat(0, len(instants), dtype=pl.UInt32, eager=True) if entity is None else entity.rank("dense")
    )
    pairs = pl.DataFrame({"time": instants, "entity": codes}).drop_nulls("time")
    alone = pairs.unique().sort(*(() if entity is None else ("entity",)), "time")
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
    """The usual step in months, where readings keep to the calendar: 1, 3 or 12 from the same day to the same day."""
    when = pl.col("time")
    month = when.dt.year().cast(pl.Int64) * 12 + when.dt.month()
    late = (when.dt.day() >= 28) & (when.dt.offset_by("1d").dt.day() == 1)
    days = alone.select(when.dt.day().n_unique().alias("days"), late.mean().alias("last"))
    if days["days"][0] > 1 and days["last"][0] < REGULAR_MONTHS:
        return None
    steps = alone.select(month.diff()).to_series().filter(own)
    shares = {many: int((steps == many).sum()) / max(1, len(steps)) for many in (1, 3, 12)}
    return next((many for many, share in shares.items() if share >= REGULAR_MONTHS), None)
