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
from mlops_assets.model_file.source import RepairsSpec, TimezoneRule
from mlops_assets.readings.request import examples

UTC_TIME: Final = pl.Datetime("us", "UTC")
_NAIVE_FORMS: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_AWARE_FORMS: Final = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
_UNIT: Final[dict[str, tuple[int, int]]] = {
    "s": (1_000_000, 1),
    "ms": (1_000, 1),
    "us": (1, 1),
    "ns": (1, 1_000),
}


def to_instants(column: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, tuple[Repair, ...]]:
    """The column as instants. Raises SourceError on values that are no timestamp, with a few of them."""
    kind = column.dtype
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(UTC_TIME), ()
    if isinstance(kind, pl.Datetime):
        return _localize(column.cast(pl.Datetime("us")), spec, where)
    if kind == pl.Date:
        return _localize(column.cast(pl.Datetime("us")), spec, where)
    if kind == pl.String:
        return _from_text(column, spec, where)
    if kind.is_integer() and spec.timestamp_format is not None:
        return _from_text(column.cast(pl.String), spec, where)  # 20260131, or a year
    if kind.is_numeric():
        return _from_number(column, spec, where), ()
    if kind == pl.Null:
        return column.cast(UTC_TIME), ()
    raise SourceError(
        f"{where}: the timestamp {column.name!r} holds {kind}, which is no time; name another column as 'timestamp'"
    )


def _from_number(column: pl.Series, spec: RepairsSpec, where: str) -> pl.Series:
    if spec.timestamp_unit is None:
        raise SourceError(
            f"{where}: the timestamp {column.name!r} holds numbers such as {examples(column.drop_nulls().head(1))}; "
            "say what they count from 1970 with repairs.timestamp_unit: s, ms, us or ns"
        )
    times, divided = _UNIT[spec.timestamp_unit]
    whole = column.cast(pl.Int64) if column.dtype.is_integer() else (column * times).round().cast(pl.Int64)
    micros = (
        whole // divided
        if column.dtype.is_integer() and divided > 1
        else whole * times
        if column.dtype.is_integer()
        else whole // divided
    )
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _from_text(column: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, tuple[Repair, ...]]:
    text = column.str.strip_chars()
    text = text.set(text.str.len_chars() == 0, None)
    if spec.timestamp_format is not None:
        aware = any(code in spec.timestamp_format for code in ("%z", "%#z", "%:z", "%Z", "%+"))
        more, form = _completed(text, spec.timestamp_format)
        parsed = more.str.to_datetime(form, time_unit="us", strict=False, time_zone="UTC" if aware else None)
        _refuse_unparsed(
            text, parsed, where, f"do not read as {spec.timestamp_format!r}; mend repairs.timestamp_format"
        )
        return (parsed.cast(UTC_TIME), ()) if aware else _localize(parsed, spec, where)
    iso = (
        text.str.replace(r"^(\d{4}-\d{2}-\d{2}) +", "${1}T")
        .str.replace(r"(?i)T(.*)Z$", "T${1}+00:00")
        .str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00")
    )
    naive = _first_that_reads(iso, _NAIVE_FORMS, None)
    localized, repairs = _localize(naive, spec, where)
    aware_part = _first_that_reads(iso.set(naive.is_not_null(), None), _AWARE_FORMS, "UTC")
    _refuse_unparsed(
        text,
        naive.is_not_null() | aware_part.is_not_null(),
        where,
        "are not ISO 8601; declare repairs.timestamp_format, such as '%d/%m/%Y %H:%M'",
    )
    return pl.select(pl.coalesce(localized, aware_part.cast(UTC_TIME))).to_series().alias(
        column.name
    ), repairs


def _completed(text: pl.Series, form: str) -> tuple[pl.Series, str]:
    """What a format leaves open, filled with the first of it: a month's first day, an hour's first minute."""
    bare = re.sub(r"%(?:[-_0#:.]|\d)*", "%", form)
    codes = {bare[at + 1] for at, letter in enumerate(bare[:-1]) if letter == "%"}
    for wanted, otherwise, code, first in (
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


def _refuse_unparsed(text: pl.Series, read: pl.Series, where: str, complaint: str) -> None:
    good = read if read.dtype == pl.Boolean else read.is_not_null()
    bad = text.filter(text.is_not_null() & ~good)
    if len(bad):
        raise SourceError(
            f"{where}: {len(bad)} values of the timestamp {text.name!r} {complaint}: {examples(bad)}"
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
