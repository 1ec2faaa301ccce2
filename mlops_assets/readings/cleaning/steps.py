"""The declared cleaning steps, one small function each, in the order of `STEPS`; each counts what it changed.

Comes in: a frame as the source had it. Goes out: the cleaned frame and a `Repair` per column changed. A defect that
is not declared stays in the data for `validation` to report, or refuses the read where nothing could be built on it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.step import Repaired, Step, need
from mlops_assets.readings.cleaning.types import cast, numbers_in_text, plain_types


def rename(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Rename columns.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

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


def combine(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Add text columns made of several others.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

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

    Returns:
        A literal expression of text.
    """
    if isinstance(column.dtype, pl.Datetime):
        return pl.lit(column.dt.strftime("%Y-%m-%d"))
    if column.dtype.is_float() and (column.drop_nulls() == column.drop_nulls().round()).all():
        return pl.lit(column.cast(pl.Int64).cast(pl.String))
    text = column.cast(pl.String).str.strip_chars()
    return pl.lit(text.set(text.str.len_chars() == 0, None))


def missing_text(frame: pl.DataFrame, spec: RepairsSpec, _where: str) -> Repaired:
    """Set text that means missing to missing.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        _where: Not used; all cleaning steps have one signature.

    Returns:
        The readings and the counts.
    """
    markers = [word.strip() for word in spec.missing_text]
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    hits = {name: pl.col(name).str.strip_chars().is_in(markers) for name in texts} if markers else {}
    return _to_missing(frame, hits, "missing_text")


def sentinels(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Set values such as -99 that mean missing to missing.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

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
    """Set plus and minus infinity to missing where that is declared.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        _where: Not used; all cleaning steps have one signature.

    Returns:
        The readings and the counts.
    """
    floats = [name for name, kind in frame.schema.items() if kind.is_float()] if spec.infinities else []
    return _to_missing(frame, {name: pl.col(name).is_infinite() for name in floats}, "infinity")


def flags(frame: pl.DataFrame, spec: RepairsSpec, where: str) -> Repaired:
    """Remove readings whose quality flag is not accepted; a missing flag is not accepted either.

    Args:
        frame: The readings.
        spec: The section `repairs` of the model file.
        where: Name of the source, for error texts.

    Returns:
        The readings and the counts.

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
