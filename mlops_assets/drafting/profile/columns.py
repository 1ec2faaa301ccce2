"""One column: its type and values after the repairs it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from mlops_assets.drafting import ColumnFacts, Kind, Writing
from mlops_assets.drafting.profile.sampling import more_than, sample
from mlops_assets.readings.cleaning.types import EXACT_IN_FLOAT, SIGNS
from mlops_assets.readings.mixed_types import odd_values

MISSING_MARKERS: Final = (
    "",
    "NA",
    "N/A",
    "n/a",
    "na",
    "NaN",
    "nan",
    "null",
    "NULL",
    "None",
    "none",
    "-",
    "?",
)
AMBIGUOUS_MARKERS: Final = frozenset({"none", "None", "na", "-"})
"""Words that are categories as often as gaps: they count as missing in columns of numbers only."""
NINES: Final = (99.0, 999.0, 9_999.0, 99_999.0, 999_999.0, 99.9, 999.9, 9_999.9, 99.99, 999.99)
SENTINELS: Final = frozenset({*NINES, *(-value for value in NINES), -200.0, -999.25, -32_768.0})
"""Numbers that loggers and agencies write where nothing was measured."""
_COMMA: Final = r"^[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+$"
_THOUSANDS: Final = r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$"
_PLAIN: Final = r"^[-+]?\d+(\.\d+)?$"
_WRITINGS: Final[dict[Writing, tuple[str, str, str]]] = {
    "thousands": (_THOUSANDS, ",", "."),
    "decimal_comma": (_COMMA, ".", ","),
}
"""Per way of writing: the form, what falls away, what becomes the decimal point."""
ODD_MARKERS: Final = 10
"""So many different words among the numbers of a column are taken for gaps."""
MANY_NUMBERS: Final = 50
"""Text with fewer different numbers is left as categories."""


@dataclass(frozen=True, slots=True)
class Read:
    """A column as it will be after the repairs that its facts declare."""

    values: pl.Series
    facts: ColumnFacts


def missing_markers(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the words that can only mean missing: the usual ones in any text, and any few words among numbers.

    A word that another text column uses as a value is no such word.

    Args:
        frame: The table.

    Returns:
        Markers for `repairs.missing_text`.
    """
    missing: set[str] = set()
    doubtful: set[str] = set()
    used: set[str] = set()
    texts: list[pl.Series] = []
    for name in _texts(frame):
        values = frame[name].cast(pl.String).str.strip_chars().drop_nulls()
        plain = set(values.filter(values.is_in(MISSING_MARKERS)).unique().to_list())
        odd = _odd_markers(values)
        if odd is None:
            missing |= plain - AMBIGUOUS_MARKERS
            used |= plain & AMBIGUOUS_MARKERS
            texts.append(values)
        else:
            missing |= plain
            doubtful |= odd
    for values in texts if doubtful else ():
        used |= set(values.filter(values.is_in(list(doubtful))).unique().to_list())
    known = [word for word in MISSING_MARKERS if word in missing]
    return (*known, *sorted(doubtful - used - missing))


def _odd_markers(values: pl.Series) -> set[str] | None:
    """Return the few words of a column of numbers that neither are numbers nor known to mean missing.

    None for texts.
    """
    sampled = sample(values)
    if len(_non_numbers(sampled.unique())) > ODD_MARKERS:
        return None
    different = values.unique()
    different = different.filter(~different.is_in(MISSING_MARKERS))
    odd = _non_numbers(different)
    few = len(odd) < len(different) and len(odd) <= min(ODD_MARKERS, len(different) // 5)
    return set(odd.to_list()) if few else None


def _non_numbers(values: pl.Series) -> pl.Series:
    """Those that are no numbers, in whatever way they are written, and not known to mean missing."""
    return values.filter(~values.is_in(MISSING_MARKERS) & ~_numeric(values))


def _numeric(values: pl.Series) -> pl.Series:
    """Which of some texts are numbers, in any of the ways they are written."""
    bare = values.str.replace_all(SIGNS, "")
    plain = bare.cast(pl.Float64, strict=False).is_not_null()
    return plain | bare.str.contains(_COMMA) | bare.str.contains(_THOUSANDS)


def _texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind in (pl.String, pl.Categorical, pl.Enum)]


def read_column(
    column: pl.Series, markers: tuple[str, ...], is_target: bool, comma_splits: bool = True
) -> Read:
    """Return a column after the repairs it needs: gaps as null, numbers in text and sentinels recognized.

    Args:
        column: The column as the file has it.
        markers: Words that mean missing.
        is_target: Whether it is the column to predict.
        comma_splits: Whether a comma separates the fields of the file, so that 1,234 has a thousands comma.

    Returns:
        The column and its facts.
    """
    if isinstance(column.dtype, pl.Duration):
        column = column.dt.total_microseconds() / 1e6  # as the reader does
    kind = column.dtype
    facts = ColumnFacts(column.name, "other", "input", 0.0, 0)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        column, facts = _text(column.cast(pl.String), markers, facts, is_target, comma_splits)
    elif kind == pl.Boolean:
        facts = replace(facts, kind="boolean")
    elif kind.is_integer() and not is_target and _has_long_ids(column):
        column, facts = column.cast(pl.String), replace(facts, kind="text", cast="text")
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
    return Read(column, _counted(column, facts))


def _has_long_ids(column: pl.Series) -> bool:
    """Whether floats would make different ones of these whole numbers equal."""
    low, high = column.min(), column.max()
    return isinstance(low, int) and isinstance(high, int) and max(-low, high) >= EXACT_IN_FLOAT


def _counted(column: pl.Series, facts: ColumnFacts) -> ColumnFacts:
    values = column.drop_nulls()
    return replace(
        facts,
        missing=column.null_count() / max(1, len(column)),
        distinct=values.n_unique() if facts.kind != "other" else 0,
        span=_span(values, facts.kind),
    )


def _text(
    column: pl.Series, markers: tuple[str, ...], facts: ColumnFacts, is_target: bool, comma_splits: bool
) -> tuple[pl.Series, ColumnFacts]:
    column = column.str.strip_chars()
    column = column.set(column.is_in(markers), None) if markers else column
    if not _numeric(sampled := sample(column).drop_nulls()).all() and len(sampled):
        return column, _as_text(column, facts)
    present = column.drop_nulls().unique()
    if present.is_empty():
        return column, _as_text(column, facts)
    bare = present.str.replace_all(SIGNS, "")
    signs = bool((bare != present).any())
    codes = present.str.contains(r"^[-+]?0\d").any()
    if not codes:
        for writing in ("thousands", "decimal_comma") if comma_splits else ("decimal_comma", "thousands"):
            form, old, new = _WRITINGS[writing]
            hits = bare.str.contains(form)
            if (hits.any() or signs) and (hits | bare.str.contains(_PLAIN)).all():
                plain = column.str.replace_all(SIGNS, "").str.replace_all(old, "", literal=True)
                values = plain.str.replace(new, ".", literal=True).cast(pl.Float64, strict=False)
                return values, replace(facts, kind="number", writing=writing)
    many = is_target or len(present) > MANY_NUMBERS
    if many and not codes and present.cast(pl.Float64, strict=False).null_count() == 0:
        return column.cast(pl.Float64, strict=False), replace(facts, kind="number", cast="number")
    return column, _as_text(column, facts)


def _as_text(column: pl.Series, facts: ColumnFacts) -> ColumnFacts:
    """Facts of a text column; one that is nearly all numbers has to be declared as text, or its reading is refused."""
    return replace(facts, kind="text", cast=None if odd_values(column) is None else "text")


def _sentinels(column: pl.Series) -> tuple[int | float, ...]:
    """Values such as -99 and 9999 that stand alone, far from all others."""
    values = column.drop_nulls()
    low, high = values.min(), values.max()
    candidates = [value for value in SENTINELS if low is not None and low <= value <= high]  # type: ignore[operator]
    present_values = values.filter(values.is_in(candidates)).unique() if candidates else values
    candidates = [value for value in candidates if value in present_values]
    kept: list[float] = []
    for value in sorted(candidates, key=abs, reverse=True):
        other_values = values.filter((values != value) & ~values.is_in(kept))
        far_off = distance_from(value, other_values)
        if far_off <= 10.0 or not more_than(other_values, 3):
            continue
        near, far = float(other_values.quantile(0.01) or 0), float(other_values.quantile(0.99) or 0)
        if far_off > max(3 * (far - near), 10.0):
            kept.append(value)
    return tuple(int(value) if value.is_integer() else value for value in kept)


def distance_from(value: float, other_values: pl.Series) -> float:
    """Return how far a value lies below the least of others if negative, above the greatest if positive.

    Args:
        value: The value.
        other_values: The others.

    Returns:
        A distance in the column's unit; 0 when the value is within the others' range.
    """
    least, most = other_values.min(), other_values.max()
    if least is None or most is None:
        return 0.0
    return float(least) - value if value < 0 else value - float(most)  # type: ignore[arg-type]


def shared_sentinels(read: dict[str, Read]) -> dict[str, Read]:
    """Extend the sentinels of one column to others in which they are the only negative values.

    Args:
        read: The columns by name.

    Returns:
        Result by column.
    """
    known = {
        float(v) for one in read.values() for v in one.facts.sentinels if not isinstance(v, str) and v < 0
    }
    if not known:
        return read
    extended = dict(read)
    for name, one in read.items():
        if one.facts.kind != "number":
            continue
        values = one.values.drop_nulls()
        more = [value for value in sorted(known) if (values == value).any()]
        other_values = values.filter(~values.is_in(more)) if more else values
        if not more or other_values.is_empty() or float(other_values.min()) < 0:  # type: ignore[arg-type]
            continue
        column = one.values.set(one.values.is_in(more), None)
        listed = (*one.facts.sentinels, *(int(value) if value.is_integer() else value for value in more))
        extended[name] = Read(column, _counted(column, replace(one.facts, sentinels=listed)))
    return extended


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
