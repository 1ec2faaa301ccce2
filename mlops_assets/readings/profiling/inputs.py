"""What each column is for: inputs, and those that must not be, with the reason in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from mlops_assets.readings.profiling.clock import NO_FORMAT, format_of
from mlops_assets.readings.profiling.columns import Read
from mlops_assets.spec.drafting import LONGEST_NAME, MANY_MISSING, ColumnFacts, Role
from mlops_assets.spec.training import Problem

MANY_VALUES: Final = 500
"""Text columns with more values than this are left out."""
SAMPLE_ROWS: Final = 50_000
DISGUISE: Final = 0.9999
"""Absolute rank correlation with the target from which two columns say the same; from CLOSE it is worth a word."""
CLOSE: Final = 0.97
_ID_NAME: Final = re.compile(r"(?i)^(id|uuid|guid|index|row|row_?(id|number)|unnamed.*|.*_uuid)$")
_ANSWER_NAME: Final = re.compile(r"(?i)(^|_)(predict(ed|ions?)?|forecast(ed)?)(_|$)")
_FLAG_NAME: Final = re.compile(r"(?i)^(?:(?:f|flag|qc|qa)_(.+)|(.+)_(?:f|flag|qc|qa))$")


def roles(
    read: dict[str, Read],
    table: pl.DataFrame,
    target: str,
    time: str | None,
    keys: Mapping[str, Role],
    problem: Problem,
) -> Iterator[tuple[str, ColumnFacts]]:
    """Every column with its role, and why it is left out or deserves a second look."""
    sampled = table.gather_every(max(1, table.height // SAMPLE_ROWS))
    flags = _flags(read)
    for name, column in read.items():
        facts = replace(column.facts, flagged_by=flags.get(name))
        role: Role = "target" if name == target else "timestamp" if name == time else keys.get(name, "input")
        if role == "input":
            why = _no_input(facts, column.values, name in flags.values()) or _disguise(
                sampled, name, target, problem
            )
            if why.startswith("note: "):
                facts = replace(facts, note=why.removeprefix("note: "))
            elif why:
                role = "left out"
                facts = replace(facts, why=why)
        yield name, replace(facts, role=role)


def _flags(read: dict[str, Read]) -> dict[str, str]:
    """Sensor column: the column whose name makes it that one's quality flag."""
    found: dict[str, str] = {}
    for name in read:
        hit = _FLAG_NAME.match(name)
        base = (hit[1] or hit[2]) if hit else None
        if base and base in read and base != name:
            found[base] = name
    return found


def _no_input(facts: ColumnFacts, values: pl.Series, is_flag: bool) -> str:
    rows = max(1, len(values))
    if not 1 <= len(facts.name) <= LONGEST_NAME:
        return f"its name has {len(facts.name)} letters, where 1 to {LONGEST_NAME} can be written"
    if facts.kind == "time":
        return "another time"
    if facts.kind == "other":
        return f"holds {values.dtype}"
    if facts.distinct == 0:
        return "missing in every row"
    if facts.distinct == 1:
        return (
            f"{_shown(values.drop_nulls()[0])} in every row" if not facts.missing else "one value or missing"
        )
    if facts.missing > MANY_MISSING:
        return f"missing in {facts.missing:.0%} of rows"
    if is_flag:
        return "looks like a quality flag; see repairs.flags"
    if _ANSWER_NAME.search(facts.name):
        return "its name says that it is somebody's prediction"
    if facts.kind == "text" and _dates(values):
        return "a date as text"
    if facts.kind == "text" and facts.distinct > min(MANY_VALUES, max(20, rows // 5)):
        return f"{facts.distinct:,} different texts: a name or an id"
    unique = facts.distinct >= 0.99 * rows * (1 - facts.missing)
    whole = facts.kind == "number" and bool((values.drop_nulls() == values.drop_nulls().round()).all())
    if unique and whole and (_ID_NAME.match(facts.name) or values.drop_nulls().is_sorted()) and rows > 50:
        return "a number per row: an id"
    return ""


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _dates(values: pl.Series) -> bool:
    return format_of(values.drop_nulls().head(50)) != NO_FORMAT


def _disguise(sample: pl.DataFrame, name: str, target: str, problem: Problem) -> str:
    """Why a column is the target under another name, or a note when it comes suspiciously close."""
    column, truth = sample[name], sample[target]
    if problem == "classification":
        pairs = pl.DataFrame({"a": column.cast(pl.String), "b": truth.cast(pl.String)}).drop_nulls()
        values, classes = pairs["a"].n_unique(), pairs["b"].n_unique()
        if (
            pairs.height >= 30
            and classes <= values <= max(2 * classes, 10)
            and pairs.unique().height == values
        ):
            return f"names the class of {target!r}: each of its values goes with one class"
        return ""
    if not column.dtype.is_numeric() or not truth.dtype.is_numeric():
        return ""
    ranks = pl.DataFrame({"a": column.rank(), "b": truth.rank()}).drop_nulls()
    if ranks.height < 30:
        return ""
    close = abs(ranks.select(pl.corr("a", "b")).item() or 0.0)
    if close >= DISGUISE:
        return f"is {target!r} in disguise (rank correlation {close:.5f})"
    return f"note: rank correlation {close:.3f} with the target: known before it?" if close >= CLOSE else ""
