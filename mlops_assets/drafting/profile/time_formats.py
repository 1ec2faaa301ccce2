"""How a column writes its times: the format of text, days written as one number, seconds counted since 1970.

Comes in: one column. Goes out: the format or unit with which `to_instants` reads every value of it, or that it holds
no times. Which of several such columns is the timestamp is decided in `timestamp`.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from mlops_assets.drafting import Unit
from mlops_assets.drafting.profile.sampling import sample
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.timestamps import to_instants, unreadable_times

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
    """Return what a time in this format looks like, to see quickly which formats are worth trying."""
    parts = re.split(r"(%\.f|%[A-Za-z])", form)
    return re.compile("".join(_CODES.get(part, re.escape(part)) for part in parts))


FORMATS: Final = {day + hour: _shape(day + hour) for day in DAYS for hour in HOURS}
"""Format: what a value in it looks like."""
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DIGITS: Final = re.compile(r"\d")
NO_FORMAT: Final = "no"
FEW_UNREADABLE: Final = 0.01
"""Proportion of values up to which those that are no times are set aside, row by row."""
MOST_UNREADABLE: Final = 20
"""Different values that are set aside at most: each is written into the model file."""
EARLIEST: Final = 1500
"""Years before are numbers read wrongly."""
_EPOCH_NAME: Final = re.compile(r"(?i)(time|date|epoch|unix|^ts$|_ts$|_at$|_ms$|when)")
_YEAR_NAME: Final = re.compile(r"(?i)(^|_)(year|yr|jahr|ann[ée]e|año|anno)$")
_TIME_NAME: Final = re.compile(r"(?i)^(t|time|date|period|when|zeit|datum)$")
"""Names under which whole numbers of the size of a year are years."""
_DAY_NAME: Final = re.compile(r"(?i)(date|datum|^day$)")
_SIX_DIGITS: Final = (100_101, 991_231)
"""Days written 800102; those of 2000 to 2009 lose their zero as a number and are not recognized."""
YEARS: Final = (1_500, 2_200)
"""Numbers in this range may be years."""
PARTS_OF_YEAR: Final = (1 / 365.25, 7 / 365.25, 1 / 52, 1 / 24, 1 / 12, 1 / 4, 1 / 2)
"""Steps of decimal years: day, week, half a month, month, quarter, half a year."""
REGULAR_PARTS: Final = 0.9
"""Share of steps that must be one of them, within a twentieth of it."""
_COUNTERS: Final[dict[Unit, tuple[re.Pattern[str], int]]] = {
    "h": (re.compile(r"(?i)^(hour|hr|stunde)s?(_?(nr|no|number|index))?$"), 24),
    "d": (re.compile(r"(?i)^(day|tag)s?(_?(nr|no|number|index))?$"), 31),
    "week": (re.compile(r"(?i)^(week|wk|woche)s?(_?(nr|no|number|index))?$"), 53),
}
"""Names of columns that count hours, days or weeks, and what a clock or calendar begins anew after."""
FEW_GAPS: Final = 0.9
"""Share of the numbers between the first and the last that a counter holds."""
_EPOCHS: Final[dict[Unit, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EPOCH_RANGE: Final = (3e8, 3e9)
"""Seconds since 1970 between 1979 and 2065."""


def format_of(column: pl.Series) -> str | None:
    """Return how a text column writes its times: None for ISO 8601, NO_FORMAT for a column that holds no times.

    Where two formats read every value (day and month may be either), the one that keeps the rows in order wins.

    Args:
        column: The column.

    Returns:
        A strptime format, None or NO_FORMAT.
    """
    if not _may_hold_times(column):
        return NO_FORMAT
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


def format_of_most(
    column: pl.Series, few_unreadable: float = FEW_UNREADABLE, most: int = MOST_UNREADABLE
) -> tuple[str | None, tuple[tuple[int, str], ...]]:
    """Return the format of a text column in which a few values are no times, and these values with their rows (from 1).

    Args:
        column: A column that `format_of` does not know a format for.
        few_unreadable: Share of the values that may be no times.
        most: How many different ones.

    Returns:
        The format as `format_of` gives it, NO_FORMAT where more than a few values read in none.
    """
    few = [value.strip() for value in sample(column.drop_nulls()).head(400)]
    need = (1 - 2 * few_unreadable) * len(few)
    if not few or sum(bool(_DIGITS.search(one)) for one in few) < need:
        return NO_FORMAT, ()
    is_iso = sum(bool(_ISO.match(one)) for one in few) >= need
    forms = [
        form for form, shape in FORMATS.items() if sum(bool(shape.fullmatch(one)) for one in few) >= need
    ]
    hits: list[tuple[int, str | None, pl.Series]] = []
    for form in ((None,) if is_iso else ()) + tuple(forms):
        bad = unreadable_times(column, RepairsSpec(timestamp_format=form))
        if bad.sum() <= few_unreadable * len(column) and column.filter(bad).n_unique() <= most:
            hits.append((int(bad.sum()), form, bad))
    if not hits:
        return NO_FORMAT, ()
    _, form, bad = min(hits, key=lambda hit: hit[0])
    texts = column.filter(bad).str.strip_chars().to_list()
    return form, tuple((row + 1, text) for row, text in zip(bad.arg_true().to_list(), texts, strict=True))


def _may_hold_times(column: pl.Series) -> bool:
    """Return False where the first value is a time in no format: then no other value is examined."""
    index = column.is_not_null().arg_max()
    first = None if index is None else column[index]
    if first is None or not _DIGITS.search(first):
        return False
    known = any(shape.fullmatch(first.strip()) for shape in FORMATS.values())
    return known or parses(pl.Series([first]), RepairsSpec())


def _read_by(values: pl.Series, form: str | None) -> bool:
    rules = RepairsSpec(timestamp_format=form)
    return all(parses(part, rules) for part in (values.head(1), values.head(200), values))


def days_first(column: pl.Series, form: str | None) -> str | None:
    """Return the format with day and month exchanged, where it reads every value too.

    Args:
        column: The column.
        form: The format that was chosen.

    Returns:
        The other format, or None.
    """
    if form is None or column.dtype != pl.String or "%b" in form or "%B" in form:
        return None
    other = form.replace("%d", "%0").replace("%m", "%d").replace("%0", "%m")
    return other if other in FORMATS and parses(column, RepairsSpec(timestamp_format=other)) else None


def format_of_numbers(column: pl.Series) -> str | None:
    """Return %Y%m%d for days written as one number, %Y for a column of years.

    Args:
        column: The column; whole numbers may be stored as floats, as a column with gaps is.

    Returns:
        A strptime format, or None.
    """
    values = column.drop_nulls()
    if values.is_empty() or not values.is_finite().all() or not (values == values.round()).all():
        return None
    low, high = int(values.min()), int(values.max())  # type: ignore[arg-type]
    least, most = YEARS
    is_named = _YEAR_NAME.search(column.name) or _TIME_NAME.match(column.name)
    if is_named and least <= low <= high <= most:
        return "%Y"
    values = values.cast(pl.Int64, strict=False)
    if _DAY_NAME.search(column.name) and _SIX_DIGITS[0] <= low <= high <= _SIX_DIGITS[1]:
        rules = RepairsSpec(timestamp_format="%y%m%d")
        return "%y%m%d" if parses(values.unique().cast(pl.String), rules) else None
    for digits, form in ((8, "%Y%m%d"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S")):
        written_so = 18 * 10 ** (digits - 2) <= low <= high < 22 * 10 ** (digits - 2)
        if written_so and parses(values.unique().cast(pl.String), RepairsSpec(timestamp_format=form)):
            return form
    return None


def unit_of(column: pl.Series, certain: bool) -> Unit | None:
    """Return what numbers count since 1970, judged by their size.

    Args:
        column: The column.
        certain: Whether it is known to hold times whatever its name.

    Returns:
        `s`, `ms`, `us`, `ns`, `h`, `d`, `week` or `year`; None when no unit fits.
    """
    values = column.drop_nulls()
    if _are_decimal_years(values):
        return "year"
    if counted := counter_unit(values):
        return counted
    if values.is_empty() or not (certain or _EPOCH_NAME.search(column.name)):
        return None
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    least, most = _EPOCH_RANGE
    return next((unit for unit, per in _EPOCHS.items() if least * per <= low <= high <= most * per), None)


def counter_unit(values: pl.Series) -> Unit | None:
    """Return what whole numbers count that go on beyond a day, a month or a year, from a start that nobody knows.

    Args:
        values: The column without its gaps.

    Returns:
        `h`, `d` or `week`, or None.
    """
    if _TIME_NAME.match(values.name) and _counts_from_one(values):
        return "d"
    unit = next((unit for unit, (name, _) in _COUNTERS.items() if name.match(values.name)), None)
    if unit is None or values.is_empty() or not values.dtype.is_numeric() or not values.is_finite().all():
        return None
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    whole = bool((values == values.round()).all())
    is_complete = values.n_unique() >= FEW_GAPS * (high - low + 1)
    return unit if whole and low >= 0 and high > _COUNTERS[unit][1] and is_complete else None


def _counts_from_one(values: pl.Series) -> bool:
    """Whether numbers count the rows of one series: steps whose length nobody wrote down."""
    is_number = values.dtype.is_numeric() and len(values) > 1
    return is_number and values.min() in (0, 1) and bool((values.diff().drop_nulls() == 1).all())


def _are_decimal_years(values: pl.Series) -> bool:
    """Whether numbers such as 1949.083 proceed by months, quarters or another part of a year, whatever their name."""
    if not values.dtype.is_float() or len(values) < 2 or not values.is_finite().all():
        return False
    least, most = YEARS
    if not values.is_between(least, most).all() or (values == values.round()).all():
        return False
    steps = values.unique().sort().diff().drop_nulls()
    return any(
        ((steps - part).abs() <= part / 20).mean() >= REGULAR_PARTS  # type: ignore[operator]
        for part in PARTS_OF_YEAR
    )


def parses(sample: pl.Series, rules: RepairsSpec) -> bool:
    """Return whether every value of a sample is missing or a time under these rules.

    Args:
        sample: Values of a column.
        rules: Format and unit.

    Returns:
        False also for a format that cannot be used.
    """
    try:
        return to_instants(sample, rules, "the table")[0].null_count() == sample.null_count()
    except (SourceError, pl.exceptions.PolarsError):
        return False


def says_zone(column: pl.Series) -> bool:
    """Return whether times written as text name their zone.

    Args:
        column: A text column of times.

    Returns:
        Whether the first value ends with a zone.
    """
    return bool(column.drop_nulls().head(1).str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any())
