"""One column: what its values are, once the repairs it needs are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from mlops_assets.spec.drafting import ColumnFacts, Kind

MISSING_WORDS: Final = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "none", "-", "?")
AMBIGUOUS_WORDS: Final = frozenset({"none", "None", "na", "-"})
"""Words that are categories as often as gaps: they count as missing in columns of numbers only."""
SENTINELS: Final = frozenset(
    sign * number for number in (99, 999, 9_999, 99_999, 999_999) for sign in (1, -1)
)
_COMMA: Final = r"^[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+$"
_THOUSANDS: Final = r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$"


@dataclass(frozen=True, slots=True)
class Read:
    """A column as it will be after the repairs that its facts declare."""

    values: pl.Series
    facts: ColumnFacts


def missing_words(frame: pl.DataFrame) -> tuple[str, ...]:
    """Words in text columns that can only mean missing: the plain ones anywhere, the others among numbers."""
    found: set[str] = set()
    for name in _texts(frame):
        column = frame[name].cast(pl.String).str.strip_chars()
        here = set(column.filter(column.is_in(MISSING_WORDS)).unique().to_list())
        if here & AMBIGUOUS_WORDS:
            rest = column.filter(~column.is_in(MISSING_WORDS)).drop_nulls()
            numeric = len(rest) > 0 and rest.cast(pl.Float64, strict=False).null_count() == 0
            here = here if numeric else here - AMBIGUOUS_WORDS
        found |= here
    return tuple(word for word in MISSING_WORDS if word in found)


def _texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind in (pl.String, pl.Categorical, pl.Enum)]


def read_column(column: pl.Series, words: tuple[str, ...], is_target: bool) -> Read:
    """The column after the repairs it needs: gaps as null, numbers in text and sentinels recognised."""
    kind = column.dtype
    facts = ColumnFacts(column.name, "other", "input", 0.0, 0)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        column, facts = _text(column.cast(pl.String), words, facts, is_target)
    elif kind == pl.Boolean:
        facts = replace(facts, kind="boolean")
    elif kind.is_numeric() or kind == pl.Null:
        column = column.cast(pl.Float64).fill_nan(None)
        facts = replace(facts, kind="number")
    elif kind in (pl.Datetime, pl.Date):
        facts = replace(facts, kind="time")
    if facts.kind == "number":
        sentinels = _sentinels(column)
        column = (
            column.set(column.is_in([float(value) for value in sentinels]), None) if sentinels else column
        )
        facts = replace(facts, sentinels=sentinels)
    values = column.drop_nulls()
    return Read(
        column,
        replace(
            facts,
            missing=column.null_count() / max(1, len(column)),
            distinct=values.n_unique() if facts.kind != "other" else 0,
            span=_span(values, facts.kind),
        ),
    )


def _text(
    column: pl.Series, words: tuple[str, ...], facts: ColumnFacts, is_target: bool
) -> tuple[pl.Series, ColumnFacts]:
    column = column.set(column.str.strip_chars().is_in(words), None) if words else column
    present = column.drop_nulls().str.strip_chars()
    if present.is_empty():
        return column, replace(facts, kind="text")
    for writing, form, old, new in (("decimal_comma", _COMMA, ".", ","), ("thousands", _THOUSANDS, ",", ".")):
        if present.str.contains(form).mean() == 1.0 or (
            present.str.contains(form).any() and present.str.contains(rf"{form}|^[-+]?\d+$").all()
        ):
            plain = column.str.replace_all(old, "", literal=True).str.replace(new, ".", literal=True)
            return plain.cast(pl.Float64, strict=False), replace(facts, kind="number", writing=writing)  # type: ignore[arg-type]
    codes = present.str.contains(r"^[-+]?0\d").any()
    many = is_target or present.n_unique() > 50
    if many and not codes and present.cast(pl.Float64, strict=False).null_count() == 0:
        return column.cast(pl.Float64, strict=False), replace(facts, kind="number", cast="number")
    return column, replace(facts, kind="text")


def _sentinels(column: pl.Series) -> tuple[int, ...]:
    """Values such as -99 and 9999 that stand alone, far from all others."""
    values = column.drop_nulls()
    if values.n_unique() < 5:
        return ()
    found = [value for value in sorted(SENTINELS, key=abs) if (values == value).any()]
    kept: list[int] = []
    for value in sorted(found, key=abs, reverse=True):
        others = values.filter((values != value) & ~values.is_in([float(one) for one in kept]))
        if others.is_empty():
            continue
        low, high = float(others.quantile(0.01) or 0), float(others.quantile(0.99) or 0)
        edge = float(others.min()) if value < 0 else float(others.max())  # type: ignore[arg-type]
        beyond = value < edge if value < 0 else value > edge
        if beyond and abs(value - edge) > max(3 * (high - low), 10.0):
            kept.append(value)
    return tuple(kept)


def _span(values: pl.Series, kind: Kind) -> str:
    if values.is_empty():
        return ""
    if kind == "number":
        low, high = values.cast(pl.Float64).to_numpy().min(), values.cast(pl.Float64).to_numpy().max()
        return f"{low:.6g} to {high:.6g}"
    if kind == "text":
        count = values.n_unique()
        return f"{count:,} value{'s' if count > 1 else ''}"
    return ""
