"""The types of columns: storage types to few, numbers and booleans written as text to what they are.

Comes in: a frame as the source had it. Goes out: the frame with typed columns, every value exact or counted.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.step import Repaired, need
from mlops_assets.readings.cleaning.timestamps import in_microseconds, to_instants
from mlops_assets.readings.request import examples

_WIDE: Final = (pl.UInt64, pl.Int128, pl.UInt128)
EXACT_IN_FLOAT: Final = 2**53
"""Whole numbers below are exact as 64-bit floats; from here on two different ones may become equal."""
SIGNS: Final = r"[\s\u{a0}\u{202f}$€£¥%]"
"""Spaces, currency and percent signs around or inside a written number."""
_TRUE: Final = ("true", "t", "yes", "y", "1")
_FALSE: Final = ("false", "f", "no", "n", "0")


def plain_types(frame: pl.DataFrame, _spec: RepairsSpec, where: str) -> Repaired:
    """Convert storage types to the few that the other packages use.

    Durations become seconds; NaN, which can only mean missing, becomes missing (counted). Integers beyond 64
    bits become text (counted): as floats, different ids would become equal.

    Args:
        frame: The readings.
        _spec: Not used; all cleaning steps have one signature.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: When a date-time is outside the years 1 to 9999.
    """
    columns: list[pl.Series] = []
    repairs: list[Repair] = []
    for column in frame:
        kind = column.dtype
        if kind in (pl.Categorical, pl.Enum, pl.Time):
            column = column.cast(pl.String)
        elif kind in _WIDE or (isinstance(kind, pl.Decimal) and not kind.scale):
            column, noted = _exact(column, where)
            repairs += noted
        elif isinstance(kind, pl.Decimal) or kind == pl.Null:
            column = column.cast(pl.Float64)
        elif isinstance(kind, pl.Duration):
            column = column.dt.total_microseconds().cast(pl.Float64) / 1e6
        elif kind.is_unsigned_integer():
            column = column.cast(pl.Int64)
        elif isinstance(kind, pl.Datetime):
            column = in_microseconds(column, where)
        if column.dtype.is_float() and (count := int(column.is_nan().sum())):
            column = column.fill_nan(None)
            repairs.append(Repair("nan_is_missing", column.name, count))
        columns.append(column)
    return pl.DataFrame(columns), repairs


def _exact(column: pl.Series, where: str) -> tuple[pl.Series, list[Repair]]:
    """Wide whole numbers as Int64, or as text where one does not fit; decimals that fit a float are measurements."""
    if column.dtype == pl.UInt128 and (wide := column > 2**127 - 1).any():
        raise SourceError(
            f"{where}: {column.name!r} holds {examples(column.filter(wide))}, more than 127 bits can hold"
        )
    numbers = column.cast(pl.Int128)
    low, high = numbers.min(), numbers.max()
    assert low is None or isinstance(low, int)
    assert high is None or isinstance(high, int)
    if low is None or high is None:
        return column.cast(pl.Float64 if isinstance(column.dtype, pl.Decimal) else pl.Int64), []
    if isinstance(column.dtype, pl.Decimal) and -EXACT_IN_FLOAT < low <= high < EXACT_IN_FLOAT:
        return column.cast(pl.Float64), []
    if -(2**63) <= low <= high < 2**63:
        return numbers.cast(pl.Int64), []
    return numbers.cast(pl.String), [Repair("large_integer_kept_as_text", column.name, column.count())]


def numbers_in_text(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Read numbers written 1.234,5 or 1,234.5; spaces, currency and percent signs are ignored: 45 % is 45.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: A value is no number, unless `uncastable: missing`.
    """
    repairs: list[Repair] = []
    for columns, group, comma, name in (
        (spec.decimal_comma, ".", ",", "decimal_comma"),
        (spec.thousands, ",", ".", "thousands"),
    ):
        for column in columns:
            need(frame, column, f"repairs.{name}", where)
            if frame[column].dtype != pl.String:
                continue
            cleaned = (
                frame[column]
                .str.replace_all(SIGNS, "")
                .str.replace_all(group, "", literal=True)
                .str.replace(comma, ".", literal=True)
            )
            touched = int((cleaned != frame[column]).sum())
            values, failed = _number(frame[column], cleaned, spec, where)
            frame = frame.with_columns(values.alias(column))
            repairs += [Repair(name, column, touched)] if touched else []
            repairs += [Repair("uncastable_missing", column, failed)] if failed else []
    return frame, repairs


def cast(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Convert columns to their declared types.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: A value does not fit, unless `uncastable: missing`.
    """
    repairs: list[Repair] = []
    for column, kind in spec.cast.items():
        need(frame, column, "repairs.cast", where)
        before = frame[column]
        if kind == "timestamp":
            after, noted = to_instants(before, spec, where)
            repairs += noted
            failed = 0
        elif kind == "text":
            after, failed = before.cast(pl.String), 0
        elif kind == "boolean":
            after, failed = _boolean(before, spec, where)
        else:
            after, failed = (_whole_number if kind == "integer" else _number)(
                before, before.str.strip_chars() if before.dtype == pl.String else before, spec, where
            )
        if before.dtype != after.dtype:
            repairs.append(Repair(f"cast_to_{kind}", column, len(after) - after.null_count()))
        repairs += [Repair("uncastable_missing", column, failed)] if failed else []
        frame = frame.with_columns(after.alias(column))
    return frame, repairs


def _number(before: pl.Series, cleaned: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, int]:
    text = cleaned.dtype == pl.String
    present = before.is_not_null() & (cleaned.str.len_chars() > 0) if text else before.is_not_null()
    if cleaned.dtype.is_temporal():
        raise SourceError(
            f"{where}: {before.name!r} holds times and cannot be cast to a number; remove it from repairs.cast"
        )
    after = cleaned.cast(pl.Float64, strict=False)
    return after, _judge(before, present.fill_null(False) & after.is_null(), "number", spec, where)


def _whole_number(
    before: pl.Series, cleaned: pl.Series, spec: RepairsSpec, where: str
) -> tuple[pl.Series, int]:
    """Whole numbers, digit by digit: through a float, two ids above 2^53 would become one."""
    if cleaned.dtype == pl.String:
        plain = cleaned.str.replace(r"^\+", "").str.replace(r"^(-?\d+)\.0*$", "${1}")
        integers = plain.cast(pl.Int64, strict=False)
        digits = plain.str.contains(r"^-?\d+$")
        _refuse_large(before, (digits & integers.is_null()).fill_null(False), spec, where)
        rest = plain.set(integers.is_not_null(), None)  # such as 1e3
        floats, failed = _number(before, rest, spec, where)
        whole, fractions = _from_float(floats, spec, where)
        return pl.select(pl.coalesce(integers, whole)).to_series().alias(before.name), failed + fractions
    if cleaned.dtype.is_integer() or cleaned.dtype == pl.Boolean:
        return cleaned.cast(pl.Int64), 0
    floats, failed = _number(before, cleaned, spec, where)
    whole, fractions = _from_float(floats, spec, where)
    return whole, failed + fractions


def _from_float(values: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, int]:
    broken = (
        values.is_not_null()
        & ((values != values.floor()) | values.is_nan() | (values.abs() >= EXACT_IN_FLOAT))
    ).fill_null(False)
    failed = _judge(values, broken, "whole number that a float holds exactly", spec, where)
    return values.set(broken, None).cast(pl.Int64), failed


def _refuse_large(before: pl.Series, large: pl.Series, spec: RepairsSpec, where: str) -> None:
    if large.any() and spec.uncastable == "refuse":
        raise SourceError(
            f"{where}: {int(large.sum())} whole numbers of {before.name!r} do not fit 64 bits: "
            f"{examples(before.filter(large).unique(maintain_order=True))}; "
            f"if they are ids declare repairs.cast: {{{before.name}: text}}"
        )


def _boolean(before: pl.Series, spec: RepairsSpec, where: str) -> tuple[pl.Series, int]:
    if before.dtype == pl.Boolean:
        return before, 0
    text = before.cast(pl.String).str.strip_chars().str.to_lowercase().str.replace(r"^([01])\.0$", "${1}")
    yes, no = text.is_in(_TRUE), text.is_in(_FALSE)
    failed = _judge(
        before, (text.is_not_null() & (text != "") & ~yes & ~no).fill_null(False), "boolean", spec, where
    )
    return yes.set(~(yes | no).fill_null(False), None), failed


def _judge(before: pl.Series, bad: pl.Series, kind: str, spec: RepairsSpec, where: str) -> int:
    count = int(bad.sum())
    if count and spec.uncastable == "refuse":
        odd = examples(before.filter(bad).unique(maintain_order=True))
        raise SourceError(
            f"{where}: {count} values of {before.name!r} are no {kind}: {odd}; "
            "list words that mean missing in repairs.missing_text, or declare repairs.uncastable: missing"
        )
    return count
