"""Timestamps in any usual form in, instants in UTC out.

Comes in: one column and what the model file says about it. Goes out: the column as Datetime(us, UTC), the repairs
this took, and nulls only where the source had none or the model file allows them. No format or zone is guessed.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec, TimezoneRule
from mlops_assets.readings.cleaning.calendar_numbers import (
    decimal_years,
    quarters_as_months,
    whole_numbers_without_point,
)
from mlops_assets.readings.request import examples

UTC_TIME: Final = pl.Datetime("us", "UTC")
_NAIVE_FORMS: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_AWARE_FORMS: Final = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
_UNIT: Final[dict[str, tuple[int, int]]] = {
    "s": (1_000_000, 1),
    "ms": (1_000, 1),
    "us": (1, 1),
    "ns": (1, 1_000),
    "h": (3_600_000_000, 1),
    "d": (86_400_000_000, 1),
    "week": (7 * 86_400_000_000, 1),
}
"""Microseconds in a unit, and units in a microsecond."""
YEARLESS: Final = 1972
"""The year of times whose format has none: a leap year, so that each of its days exists."""
_FIRST_MICROSECOND: Final = -62_135_596_800_000_000
"""0001-01-01, the first instant that Python knows; counted from 1970, as the next."""
_LAST_MICROSECOND: Final = 253_402_300_799_999_999
"""9999-12-31 23:59:59.999999"""


def to_instants(column: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, tuple[Repair, ...]]:
    """Return a column as instants in UTC.

    This is the one reading of timestamps: files, databases, streams and requests to the API use it.

    Args:
        column: Timestamps as text, numbers, dates or date-times.
        spec: The cleaning steps of the model file: format, unit, time zone.
        where: The source, for error messages.

    Returns:
        The column as Datetime(us, UTC), null only where the source has no value or the spec allows it, and the repairs.

    Raises:
        SourceError: A value is no timestamp or lies outside the years 1 to 9999; the message shows a few of them.
    """
    kind = column.dtype
    if isinstance(kind, pl.Datetime):
        micros = in_microseconds(column, where)
        return (micros.cast(UTC_TIME), ()) if kind.time_zone else _localize(micros, spec, where)
    if kind == pl.Date:
        days = column.to_physical().cast(pl.Int64)
        return _localize(_checked_micros(days, "d", column.name, where).cast(pl.Datetime("us")), spec, where)
    if kind == pl.String:
        return _from_text(column, spec, where)
    if kind.is_numeric() and spec.timestamp_format is not None:
        return _from_text(column.cast(pl.String), spec, where)  # 20260131, or a year, also 1871.0
    if kind.is_numeric():
        return _from_number(column, spec, where), ()
    if kind == pl.Null:
        return column.cast(UTC_TIME), ()
    raise SourceError(
        f"{where}: the timestamp {column.name!r} holds {kind}, which is no time; name another column as 'timestamp'"
    )


def in_microseconds(column: pl.Series, where: str) -> pl.Series:
    """Return a column of date-times with microseconds as its unit.

    Args:
        column: Date-times of any unit, with or without a time zone.
        where: The source, for error messages.

    Returns:
        The column, its zone unchanged.

    Raises:
        SourceError: A value lies outside the years 1 to 9999.
    """
    kind = column.dtype
    assert isinstance(kind, pl.Datetime)
    micros = _checked_micros(column.to_physical(), kind.time_unit, column.name, where)
    return micros.cast(pl.Datetime("us", kind.time_zone))


def _checked_micros(values: pl.Series, unit: str, name: str, where: str) -> pl.Series:
    """Whole units since 1970 to microseconds, without wrapping around: outside the years 1 to 9999 is refused."""
    factor, divisor = _UNIT[unit]
    low, high = -(-_FIRST_MICROSECOND * divisor // factor), _LAST_MICROSECOND * divisor // factor
    outside = ~values.is_between(max(low, -(2**63)), min(high, 2**63 - 1))
    if outside.any():
        _refuse_outside(values.filter(outside), name, f"as {unit} since 1970", where)
    return values * factor // divisor


def _refuse_outside(values: pl.Series, name: str, reading: str, where: str) -> None:
    raise SourceError(
        f"{where}: {len(values)} values of the timestamp {name!r} lie outside the years 1 to 9999 {reading}: "
        f"{examples(values.unique(maintain_order=True))}; "
        "check repairs.timestamp_unit, or list values that mean missing in repairs.sentinels"
    )


def _from_number(column: pl.Series, spec: RepairsSpec, where: str) -> pl.Series:
    if spec.timestamp_unit is None:
        raise SourceError(
            f"{where}: the timestamp {column.name!r} holds numbers such as {examples(column.drop_nulls().head(1))}; "
            "say what they count from 1970 with repairs.timestamp_unit: s, ms, us, ns, h, d or week (year for 1949.083)"
        )
    unit = spec.timestamp_unit
    if unit == "year":
        micros = decimal_years(column)
        outside = micros.is_null() & column.is_not_null()
        if outside.any():
            _refuse_outside(column.filter(outside), column.name, "as decimal years", where)
    elif column.dtype.is_integer():
        wide = column.cast(pl.Int128)
        beyond = ~wide.is_between(-(2**63), 2**63 - 1)
        if beyond.any():
            _refuse_outside(column.filter(beyond), column.name, f"as {unit} since 1970", where)
        micros = _checked_micros(column.cast(pl.Int64), unit, column.name, where)
    else:
        factor, divisor = _UNIT[unit]
        scaled = column.cast(pl.Float64).fill_nan(None) * factor / divisor
        outside = ~scaled.is_between(_FIRST_MICROSECOND, _LAST_MICROSECOND)
        if outside.any():
            _refuse_outside(column.filter(outside), column.name, f"as {unit} since 1970", where)
        micros = scaled.round().cast(pl.Int64)
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _from_text(column: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, tuple[Repair, ...]]:
    text, naive, aware = _parsed(column, spec)
    complaint = (
        "are not ISO 8601; declare repairs.timestamp_format, such as '%d/%m/%Y %H:%M'"
        if spec.timestamp_format is None
        else f"do not read as {spec.timestamp_format!r}; correct repairs.timestamp_format"
    )
    _refuse_unparsed(text, naive.is_not_null() | aware.is_not_null(), where, complaint)
    _refuse_distant(text, naive, where)
    localized, repairs = _localize(naive, spec, where)
    instants = pl.select(pl.coalesce(localized, aware.cast(UTC_TIME))).to_series().alias(column.name)
    _refuse_distant(text, instants, where)
    return instants, repairs


def unreadable_times(column: pl.Series, spec: RepairsSpec) -> pl.Series:
    """Return which values of a text column are no timestamps under these rules; missing ones are none of them.

    Args:
        column: Timestamps as text.
        spec: The cleaning steps of the model file: format and zone.

    Returns:
        Booleans, shape (rows,).
    """
    text, naive, aware = _parsed(column, spec)
    return text.is_not_null() & naive.is_null() & aware.is_null()


def _parsed(column: pl.Series, spec: RepairsSpec) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return the text without spaces around it, the times that name no zone, and those that do.

    Null where neither reads.
    """
    text = column.str.strip_chars()
    text = text.set(text.str.len_chars() == 0, None)
    if spec.timestamp_format is not None:
        text = whole_numbers_without_point(text, spec.timestamp_format)
        has_zone = any(code in spec.timestamp_format for code in ("%z", "%#z", "%:z", "%Z", "%+"))
        more, form = _completed(*quarters_as_months(text, spec.timestamp_format))
        zone: Literal["UTC"] | None = "UTC" if has_zone else None
        parsed = more.str.to_datetime(form, time_unit="us", strict=False, time_zone=zone)
        other = pl.Series(text.name, [None], dtype=pl.Datetime("us", None if has_zone else "UTC"))
        other = other.new_from_index(0, len(text))
        return (text, other, parsed) if has_zone else (text, parsed, other)
    iso = (
        text.str.replace(r"^(\d{4}-\d{2}-\d{2}) +", "${1}T")
        .str.replace(r"(?i)T(.*)Z$", "T${1}+00:00")
        .str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00")
    )
    naive = _first_that_reads(iso, _NAIVE_FORMS, None)
    return text, naive, _first_that_reads(iso.set(naive.is_not_null(), None), _AWARE_FORMS, "UTC")


def _refuse_distant(text: pl.Series, parsed: pl.Series, where: str) -> None:
    outside = ~parsed.to_physical().is_between(_FIRST_MICROSECOND, _LAST_MICROSECOND)
    if outside.any():
        _refuse_outside(text.filter(outside.fill_null(False)), text.name, "as text", where)


def _completed(text: pl.Series, form: str) -> tuple[pl.Series, str]:
    """Return what a format leaves open, filled with the first of it: a month's first day, an hour's first minute.

    A format without a year reads all times in one leap year.
    """
    bare = re.sub(r"%(?:[-_0#:.]|\d)*", "%", form)
    codes = {bare[at + 1] for at, letter in enumerate(bare[:-1]) if letter == "%"}
    for wanted, otherwise, code, first in (
        ("YyGgCsDFxc+", "", "%Y", str(YEARLESS)),
        ("mbBhjUWDFxcs+", "", "%m", "01"),
        ("dejUWDFxcs+", "", "%d", "01"),
        ("MTRrXcs+", "HkIl", "%M", "00"),
    ):
        if not codes & set(wanted) and (not otherwise or codes & set(otherwise)):
            text, form = text + f" {first}", f"{form} {code}"
    return text, form


def _first_that_reads(text: pl.Series, forms: tuple[str, ...], zone: Literal["UTC"] | None) -> pl.Series:
    parsed_values = pl.Series(text.name, [None], dtype=pl.Datetime("us", zone)).new_from_index(0, len(text))
    for form in forms:
        rest = text.set(parsed_values.is_not_null(), None)
        if rest.null_count() == len(rest):
            break
        parsed = rest.str.to_datetime(form, time_unit="us", strict=False, time_zone=zone)
        parsed_values = pl.select(pl.coalesce(parsed_values, parsed)).to_series()
    return parsed_values.alias(text.name)


def _refuse_unparsed(text: pl.Series, readable: pl.Series, where: str, complaint: str) -> None:
    bad = text.is_not_null() & ~readable
    if bad.any():
        rows = ", ".join(str(row + 1) for row in bad.arg_true().head(3))
        raise SourceError(
            f"{where}: {int(bad.sum())} values of the timestamp {text.name!r} {complaint}: "
            f"{examples(text.filter(bad))} (rows {rows}); list values that mean missing in repairs.sentinels"
        )


def _localize(naive: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, tuple[Repair, ...]]:
    """Clock times without a zone to instants."""
    rule = spec.timezone
    present = len(naive) - naive.null_count()
    if rule is None:
        repair_records = (Repair("no_time_zone_taken_as_utc", naive.name, present),) if present else ()
        return naive.dt.replace_time_zone("UTC"), repair_records
    earliest = naive.dt.replace_time_zone(rule.name, ambiguous="earliest", non_existent="null")
    latest = naive.dt.replace_time_zone(rule.name, ambiguous="latest", non_existent="null")
    is_ambiguous = (earliest != latest).fill_null(False)
    is_nonexistent = naive.is_not_null() & earliest.is_null()
    repairs = [Repair("time_zone", naive.name, present)] if present else []
    repairs += _resolve_clock_times(
        naive,
        is_ambiguous,
        rule,
        rule.ambiguous,
        "ambiguous",
        "happened twice",
        "earliest, latest or missing",
        where,
    )
    repairs += _resolve_clock_times(
        naive, is_nonexistent, rule, rule.nonexistent, "nonexistent", "never happened", "missing", where
    )
    chosen = latest if rule.ambiguous == "latest" else earliest
    if rule.ambiguous == "missing":
        chosen = chosen.set(is_ambiguous, None)
    return chosen.dt.convert_time_zone("UTC").cast(UTC_TIME), tuple(repairs)


def _resolve_clock_times(
    naive: pl.Series,
    affected: pl.Series,
    rule: TimezoneRule,
    policy: str,
    key: str,
    what: str,
    choices: str,
    where: str,
) -> list[Repair]:
    count = int(affected.sum())
    if not count:
        return []
    if policy == "refuse":
        shown = examples(map(str, naive.filter(affected)))
        raise SourceError(
            f"{where}: {count} clock times of {naive.name!r} {what} in {rule.name}: {shown}; "
            f"say what they mean with repairs.timezone: {{name: {rule.name}, {key}: {choices}}}"
        )
    return [Repair(f"{key}_clock_time_{policy}", naive.name, count)]
