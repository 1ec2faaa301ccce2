"""What a table nobody has described yet looks like: kinds, time, entity, sentinels, columns that are no inputs.

Comes in: a frame as a file gave it, and the column to predict. Goes out: `TableFacts`, from which `spec.drafting`
writes a model file. Guesses follow the values first and names second, and every one is written into that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from mlops_assets.errors import SourceError
from mlops_assets.readings.times import to_instants
from mlops_assets.spec.drafting import (
    FEW_INPUTS,
    MANY_MISSING,
    ColumnFacts,
    Kind,
    Role,
    TableFacts,
    TimeFacts,
)
from mlops_assets.spec.source import RepairsSpec
from mlops_assets.spec.suggestion import did_you_mean
from mlops_assets.spec.training import Problem

MISSING_WORDS: Final = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "none", "-", "?")
AMBIGUOUS_WORDS: Final = frozenset({"none", "None", "na", "-"})
"""Words that are categories as often as gaps: they count as missing in columns of numbers only."""
SENTINELS: Final = frozenset(
    sign * number for number in (99, 999, 9_999, 99_999, 999_999) for sign in (1, -1)
)
FORMATS: Final = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%d-%b-%Y",
)  # fmt: skip
FEW_VALUES: Final = 20
"""Whole numbers with at most so many values are taken for classes."""
MANY_VALUES: Final = 500
"""Text columns with more values than this are left out."""
RARE_ROWS: Final = 10
REGULAR: Final = 0.7
SAMPLE_ROWS: Final = 50_000
DISGUISE: Final = 0.9999
CLOSE: Final = 0.97
_TIME_NAME: Final = re.compile(r"(?i)(time|date|stamp|recorded|_at$|^ts$|^day$|^when$)")
_EPOCH_NAME: Final = re.compile(r"(?i)(timestamp|epoch|unix|^ts$|_ts$)")
_ENTITY_NAME: Final = re.compile(
    r"(?i)(^|_)(id|name|unit|sensor|store|shop|device|machine|series|site|station|file|host)s?$"
)
_ID_NAME: Final = re.compile(r"(?i)^(id|uuid|guid|index|row|row_?(id|number)|unnamed.*|.*_uuid)$")
_ANSWER_NAME: Final = re.compile(r"(?i)(^|_)(predict(ed|ions?)?|forecast(ed)?)(_|$)")
_FLAG_NAME: Final = re.compile(r"(?i)^(?:(?:f|flag|qc|qa)_(.+)|(.+)_(?:f|flag|qc|qa))$")
_COMMA: Final = r"^[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+$"
_THOUSANDS: Final = r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$"


@dataclass(frozen=True, slots=True)
class _Read:
    """A column as it will be after the repairs that its facts declare."""

    values: pl.Series
    facts: ColumnFacts


def profile_table(
    frame: pl.DataFrame,
    target: str,
    *,
    problem: Problem | None = None,
    time: str | None = None,
    entity: str | None = None,
    separator: str | None = None,
) -> TableFacts:
    """Facts about a table. What is not given is guessed. Raises SourceError for a column that is not there, and for a
    target from which nothing can be learnt."""
    for named in (target, time, entity):
        if named is not None and named not in frame.columns:
            raise SourceError(f"the table has no column {named!r}{did_you_mean(named, frame.columns)}")
    words = _missing_words(frame)
    read = {name: _read(frame[name], words, name == target) for name in frame.columns}
    timed = _time(read, frame, target, time)
    instants = timed[1] if timed else None
    table = pl.DataFrame([column.values for column in read.values()])
    chosen, rare, classes = _problem(read[target], problem)
    found_entity = entity or (_entity(table, instants, target) if instants is not None else None)
    facts = timed[0] if timed else None
    if facts is not None and instants is not None:
        facts = _stepped(facts, instants, table[found_entity] if found_entity else None)
    columns = dict(_roles(read, table, target, facts.column if facts else None, found_entity, chosen))
    inputs = [name for name, column in columns.items() if column.role == "input"]
    series = facts is not None and facts.step is not None and facts.regular >= REGULAR
    if problem is None and chosen == "regression" and series and len(inputs) < FEW_INPUTS:
        chosen = "forecasting"
    if chosen == "forecasting" and not series:
        raise SourceError(
            "forecasting needs a timestamp with a regular step"
            + (
                f"; {facts.column!r} has none"
                if facts
                else ", and no column looks like one: name it with --time"
            )
        )
    if not inputs and chosen != "forecasting":
        raise SourceError(
            f"no column is left to predict {target!r} from: "
            + "; ".join(f"{name}: {column.why}" for name, column in columns.items() if column.why)
        )
    used = [*inputs, target]
    return TableFacts(
        rows=frame.height,
        target=target,
        problem=chosen,
        columns=tuple(columns.values()),
        time=facts,
        entity=found_entity,
        classes=classes,
        rare=rare,
        missing_text=words,
        repeated=int(frame.height - frame.n_unique()) if frame.width else 0,
        twins=int(frame.height - table.select(used).n_unique()),
        separator=separator,
    )


# --- one column --------------------------------------------------------------------------------------


def _missing_words(frame: pl.DataFrame) -> tuple[str, ...]:
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


def _read(column: pl.Series, words: tuple[str, ...], is_target: bool) -> _Read:
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
    return _Read(
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


# --- the target --------------------------------------------------------------------------------------


def _problem(
    read: _Read, asked: Problem | None
) -> tuple[Problem, tuple[str, ...], tuple[tuple[str, int], ...]]:
    """The problem, classes too rare to learn, and the others with their rows."""
    name, values = read.facts.name, read.values.drop_nulls()
    count = values.n_unique()
    if read.facts.kind in ("time", "other"):
        raise SourceError(f"the target {name!r} holds {read.values.dtype}: neither a number nor a class")
    if count < 2:
        what = f"only the value {values[0]!r}" if count else "no value"
        raise SourceError(f"the target {name!r} holds {what}; nothing can be learnt from it")
    numeric = read.facts.kind == "number"
    whole = numeric and bool((values == values.round()).all())
    classes = (
        not numeric or count == 2 or (whole and count <= FEW_VALUES and len(values) >= RARE_ROWS * count)
    )
    problem: Problem = asked or ("classification" if classes else "regression")
    if problem != "classification":
        if not numeric:
            raise SourceError(f"the target {name!r} of a {problem} must hold numbers, and holds text")
        return problem, (), ()
    named = values.cast(pl.Int64).cast(pl.String) if whole else values.cast(pl.String)
    counts = named.value_counts(sort=True).sort(["count", name], descending=[True, False])
    rows = [(str(value), int(number)) for value, number in counts.iter_rows()]
    kept = tuple(pair for pair in rows if pair[1] >= RARE_ROWS)
    if len(kept) < 2 or len(kept) > max(2, len(values) // RARE_ROWS):
        raise SourceError(
            f"the target {name!r} has {count:,} classes, of which {len(kept)} have {RARE_ROWS} rows or more; "
            "merge classes, or choose another target"
        )
    if numeric and not whole:
        rare: tuple[str, ...] = ()
    else:
        rare = tuple(value for value, number in rows if number < RARE_ROWS)
    return problem, rare, kept


# --- time and entity ---------------------------------------------------------------------------------


def _time(
    read: dict[str, _Read], frame: pl.DataFrame, target: str, asked: str | None
) -> tuple[TimeFacts, pl.Series] | None:
    """The column with the most different instants among those that read as time."""
    found: list[tuple[int, int, TimeFacts, pl.Series]] = []
    for place, name in enumerate([asked] if asked else [name for name in frame.columns if name != target]):
        hit = _as_time(frame[name], read[name].facts, certain=asked is not None)
        if hit is not None:
            found.append((hit[1].n_unique(), -place, *hit))
    if asked and not found:
        raise SourceError(
            f"{asked!r} does not read as a time; its first values: {frame[asked].head(3).to_list()}"
        )
    best = max(found, key=lambda one: one[:2], default=None)
    return (best[2], best[3]) if best else None


def _as_time(column: pl.Series, facts: ColumnFacts, *, certain: bool) -> tuple[TimeFacts, pl.Series] | None:
    form = unit = None
    if column.dtype == pl.String:
        sample = column.drop_nulls().head(200)
        form = next(
            (form for form in (None, *FORMATS) if _parses(sample, RepairsSpec(timestamp_format=form))), "no"
        )
        if form == "no" or sample.is_empty():
            return None
    elif column.dtype.is_integer() and (certain or _EPOCH_NAME.search(column.name)):
        low = column.min()
        unit = {10: "s", 13: "ms"}.get(len(str(low)))
        if unit is None:
            return None
    elif not isinstance(column.dtype, pl.Datetime) and column.dtype != pl.Date:
        return None
    rules = RepairsSpec(timestamp_format=form, timestamp_unit=unit)  # type: ignore[arg-type]
    try:
        instants, _ = to_instants(column, rules, "the table")
    except SourceError:
        return None
    if instants.null_count() > 0.05 * len(instants) or instants.n_unique() < 10:
        return None
    first, last = instants.min(), instants.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    zoned = unit is not None or getattr(column.dtype, "time_zone", None) is not None
    zoned = zoned or (column.dtype == pl.String and form is None and _zoned(column))
    return TimeFacts(
        column=facts.name,
        span=f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        step=None,
        regular=0.0,
        zoned=zoned,
        sorted=instants.drop_nulls().is_sorted(),
        missing=instants.null_count(),
        repeated=0,
        format=form,
        unit=unit,
    ), instants


def _parses(sample: pl.Series, rules: RepairsSpec) -> bool:
    try:
        return to_instants(sample, rules, "the table")[0].null_count() == 0
    except (SourceError, pl.exceptions.PolarsError):
        return False


def _zoned(column: pl.Series) -> bool:
    return bool(column.drop_nulls().head(1).str.contains(r"(Z|[+-]\d{2}:?\d{2})$").any())


def _entity(table: pl.DataFrame, instants: pl.Series, target: str) -> str | None:
    """The column with the fewest values that, with the time, tells rows apart; None where time does so alone."""
    rows = table.height
    if _repeats(instants) <= 0.001 * rows:
        return None
    found: list[tuple[bool, int, str]] = []
    for name in table.columns:
        column = table[name]
        count = column.n_unique()
        whole = column.dtype.is_float() and bool((column.drop_nulls() == column.drop_nulls().round()).all())
        if name == target or column.null_count() or not 2 <= count <= rows // 20:
            continue
        if not (column.dtype == pl.String or whole):
            continue
        pairs = pl.DataFrame({"time": instants, "entity": column})
        if rows - pairs.n_unique() <= 0.01 * rows:
            found.append((_ENTITY_NAME.search(name) is None, count, name))
    return min(found)[2] if found else None


def _repeats(instants: pl.Series) -> int:
    return len(instants) - instants.n_unique()


def _stepped(facts: TimeFacts, instants: pl.Series, entity: pl.Series | None) -> TimeFacts:
    label = entity if entity is not None else pl.repeat("", len(instants), eager=True)
    pairs = pl.DataFrame({"time": instants, "entity": label}).drop_nulls("time")
    alone = pairs.unique().sort("entity", "time")
    steps = alone.select(pl.col("time").diff().over("entity"))["time"].drop_nulls()
    counts = steps.value_counts(sort=True)
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
        facts, step=usual, regular=share, repeated=pairs.height - alone.height, sorted=bool(in_order)
    )


# --- inputs ------------------------------------------------------------------------------------------


def _roles(
    read: dict[str, _Read],
    table: pl.DataFrame,
    target: str,
    time: str | None,
    entity: str | None,
    problem: Problem,
) -> Iterator[tuple[str, ColumnFacts]]:
    sampled = table.gather_every(max(1, table.height // SAMPLE_ROWS))
    flags = _flags(read)
    for name, column in read.items():
        facts = replace(column.facts, flagged_by=flags.get(name))
        role: Role = (
            "target"
            if name == target
            else "timestamp"
            if name == time
            else "entity"
            if name == entity
            else "input"
        )
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


def _flags(read: dict[str, _Read]) -> dict[str, str]:
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
    sample = values.drop_nulls().head(50)
    return any(_parses(sample, RepairsSpec(timestamp_format=form)) for form in (None, *FORMATS))


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
