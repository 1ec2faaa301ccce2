"""The declared cleaning steps, one small function each, in the order of `STEPS`; each counts what it changed.

Comes in: a frame as the source had it. Goes out: the cleaned frame and a `Repair` per column changed. A defect that
is not declared stays in the data for `validation` to report, or refuses the read where nothing could be built on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import RepairsSpec
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.cleaning.timestamps import in_microseconds, to_instants
from mlops_assets.readings.request import examples

Repaired = tuple[pl.DataFrame, list[Repair]]
Step = Callable[[pl.DataFrame, RepairsSpec, str], Repaired]

_WIDE: Final = (pl.UInt64, pl.Int128, pl.UInt128)
EXACT_IN_FLOAT: Final = 2**53
"""Whole numbers below are exact as 64-bit floats; from here on two different ones may become equal."""
SIGNS: Final = r"[\s\u{a0}\u{202f}$€£¥%]"
"""Spaces, currency and percent signs that stand around or inside a written number."""
_TRUE: Final = ("true", "t", "yes", "y", "1")
_FALSE: Final = ("false", "f", "no", "n", "0")


def need(frame: pl.DataFrame, column: str, named_as: str, where: str) -> None:
    """Check that the frame has a column.

    Args:
        frame: The rows.
        column: Name of the column.
        named_as: The key of the model file that names it.
        where: The source, for error messages.

    Raises:
        SourceError: It does not; the message proposes a similar name.
    """
    if column not in frame.columns:
        raise SourceError(
            f"{where} has no column {column!r} (named in {named_as}){did_you_mean(column, frame.columns)}"
        )


def rename(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Rename columns.

    Raises:
        SourceError: An old name does not exist, or a new one exists already.
    """
    for old, new in spec.rename.items():
        need(frame, old, "repairs.rename", where)
        if new in frame.columns and new not in spec.rename:
            raise SourceError(
                f"{where}: repairs.rename makes a second column {new!r}; drop or rename the first"
            )
    return frame.rename(spec.rename), [Repair("renamed", new, frame.height) for new in spec.rename.values()]


def plain_types(frame: pl.DataFrame, _spec: RepairsSpec, where: str) -> Repaired:
    """Convert storage types to the few that the other packages use.

    Spans of time become seconds; NaN, which can only mean missing, becomes missing (counted). Whole numbers that
    64 bits cannot hold become text (counted): as floats, different ids would become equal.

    Raises:
        SourceError: A date-time lies outside the years 1 to 9999.
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


def combine(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Add text columns made of several others.

    Raises:
        SourceError: A part does not exist, or the new name exists already.
    """
    repairs: list[Repair] = []
    for name, parts in spec.combine.items():
        for part in parts:
            need(frame, part, f"repairs.combine.{name}", where)
        if name in frame.columns:
            raise SourceError(f"{where}: repairs.combine makes a second column {name!r}; choose another name")
        joined = pl.concat_str([written(frame[part]) for part in parts], separator=" ")
        frame = frame.with_columns(joined.alias(name))
        repairs.append(Repair("combined", name, frame.height - frame[name].null_count()))
    return frame, repairs


def written(column: pl.Series) -> pl.Expr:
    """Return a column as `combine` writes it: days without their midnight, whole numbers without a point.

    Args:
        column: Any column.
    """
    if isinstance(column.dtype, pl.Datetime):
        return pl.lit(column.dt.strftime("%Y-%m-%d"))
    if column.dtype.is_float() and (column.drop_nulls() == column.drop_nulls().round()).all():
        return pl.lit(column.cast(pl.Int64).cast(pl.String))
    text = column.cast(pl.String).str.strip_chars()
    return pl.lit(text.set(text.str.len_chars() == 0, None))


def missing_text(frame: pl.DataFrame, spec: RepairsSpec, _where: str) -> Repaired:
    """Set text that means missing to missing."""
    markers = [word.strip() for word in spec.missing_text]
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    hits = {name: pl.col(name).str.strip_chars().is_in(markers) for name in texts} if markers else {}
    return _to_missing(frame, hits, "missing_text")


def numbers_in_text(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Read numbers written 1.234,5 or 1,234.5; spaces, currency and percent signs are ignored: 45 % is 45.

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


def sentinels(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Set values such as -99 that mean missing to missing.

    Raises:
        SourceError: A named column does not exist.
    """
    hits: dict[str, pl.Expr] = {}
    for column, values in spec.sentinels.items():
        need(frame, column, "repairs.sentinels", where)
        numbers = [float(value) for value in values if not isinstance(value, str)]
        if frame[column].dtype.is_numeric():
            hits[column] = pl.col(column).cast(pl.Float64).is_in(numbers)
        else:
            hits[column] = (
                pl.col(column).cast(pl.String).str.strip_chars().is_in([str(value) for value in values])
            )
    return _to_missing(frame, hits, "sentinel")


def infinities(frame: pl.DataFrame, spec: RepairsSpec, _where: str) -> Repaired:
    """Set plus and minus infinity to missing where that is declared."""
    floats = [name for name, kind in frame.schema.items() if kind.is_float()] if spec.infinities else []
    return _to_missing(frame, {name: pl.col(name).is_infinite() for name in floats}, "infinity")


def flags(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Remove readings whose quality flag is not accepted; a missing flag is not accepted either.

    Raises:
        SourceError: A named column does not exist.
    """
    repairs: list[Repair] = []
    hits: dict[str, pl.Expr] = {}
    keep: list[pl.Expr] = []
    for column, rule in spec.flags.items():
        need(frame, column, "repairs.flags", where)
        need(frame, rule.column, f"repairs.flags.{column}.column", where)
        code = (
            pl.col(rule.column)
            .cast(pl.String)
            .str.strip_chars()
            .str.replace(r"^<\s*([^>]*?)\s*>.*$", "${1}")
            .str.replace(r"^(-?\d+)\.0$", "${1}")
        )
        refused = ~code.is_in([_flag(value) for value in rule.accept]).fill_null(False)
        if rule.otherwise == "missing":
            hits[column] = refused & pl.col(column).is_not_null()
        else:
            keep.append(~refused)
            repairs.append(Repair("flagged_row_dropped", column, int(frame.select(refused.sum()).item())))
    frame = frame.filter(keep) if keep else frame
    frame, nulled = _to_missing(frame, hits, "flagged")
    return frame, [repair for repair in repairs if repair.count] + nulled


def _flag(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _to_missing(frame: pl.DataFrame, hits: dict[str, pl.Expr], name: str) -> Repaired:
    if not hits:
        return frame, []
    counts = frame.select(pair.sum().alias(column) for column, pair in hits.items()).row(0, named=True)
    touched = {column: hits[column] for column, count in counts.items() if count}
    frame = frame.with_columns(
        pl.when(pair.fill_null(False)).then(None).otherwise(pl.col(column)).alias(column)
        for column, pair in touched.items()
    )
    return frame, [Repair(name, column, int(counts[column])) for column in touched]


STEPS: Final[tuple[Step, ...]] = (
    rename,
    plain_types,
    combine,
    missing_text,
    numbers_in_text,
    cast,
    sentinels,
    infinities,
    flags,
)
"""Steps that need no knowledge of target, timestamp or entity, in the order they run."""


def apply_steps(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Run every cleaning step in the order of `STEPS`.

    Args:
        frame: Rows as the source has them.
        spec: The cleaning steps of the model file.
        where: The source, for error messages.

    Returns:
        The cleaned rows, and one repair per step and column with its count.

    Raises:
        SourceError: A named column is missing, or a value is not what it is declared to be.
    """
    repairs: list[Repair] = []
    for step in STEPS:
        frame, noted = step(frame, spec, where)
        repairs += noted
    return frame, repairs
