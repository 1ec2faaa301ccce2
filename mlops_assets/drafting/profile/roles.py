"""The role of each column: inputs, and those that must not be, with the reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import polars as pl

from mlops_assets.drafting import LONGEST_NAME, MANY_MISSING, ColumnFacts, Role
from mlops_assets.drafting.profile.columns import Read
from mlops_assets.drafting.profile.leakage import leakage_reasons
from mlops_assets.drafting.profile.time_formats import NO_FORMAT, format_of, format_of_most
from mlops_assets.model_file.algorithms import Problem

MANY_UNREADABLE: Final = 0.2
"""Share of values up to which a column is said to be a time with errors in it."""
MANY_VALUES: Final = 500
"""Text columns with more values than this are left out."""
_ID_NAME: Final = re.compile(
    r"(?i)^(id|uuid|guid|index|no|nr|row|row_?(id|number)|record|unnamed.*|column_1|.*[_ ](uuid|id|no|nr|key))$"
)
_ID_ENDING: Final = re.compile(r"[a-z](Id|ID|No|Key)$")
_LATER_NAME: Final = re.compile(
    r"(?i)(^|_)(arr|arrival|arrived|ended|finished|closed|resolved|completed|outcome|discharged?)(_|$)|"
    r"^(actual_)?(air|elapsed)_time$"
)
"""Columns that are written when the event is over."""
_PLANNED_NAME: Final = re.compile(r"(?i)(^|_)(sched|scheduled|planned|expected|target)(_|$)")
"""Columns that were known before."""
_YEAR: Final = re.compile(r"^(19|20)\d\d$")
_SURVIVED: Final = re.compile(r"(?i)^(status|event|fustat|censor(ed|s|ing)?|dead|died|death)$")
_SURVIVAL_TIME: Final = re.compile(r"(?i)^(time|days|months|futime|t?stop|survival(_time)?|time_to_event)$")
_PREDICTION_NAME: Final = re.compile(r"(?i)(^|_)(predict(ed|ions?)?|forecast(ed)?)(_|$)")
_FLAG_NAME: Final = re.compile(r"(?i)^(?:(?:f|flag|qc|qa)_(.+)|(.+)_(?:f|flag|qc|qa))$")


def roles(
    read: dict[str, Read],
    table: pl.DataFrame,
    target: str,
    time: str | None,
    keys: Mapping[str, Role],
    problem: Problem,
    clock_parts: frozenset[str] = frozenset(),
    instants: pl.Series | None = None,
) -> dict[str, ColumnFacts]:
    """Return every column with its role, and why it is left out or deserves a second look.

    Args:
        read: The columns by name, after their repairs.
        table: The same as a frame.
        target: The column to predict.
        time: The timestamp column.
        keys: Roles of columns that make the timestamp, the entity or the group.
        problem: What is predicted.
        clock_parts: Columns such as year, month and hour that say again what the timestamp says.
        instants: The time of each row, where there is one.

    Returns:
        Facts by column.
    """
    flags = _flags(read)
    facts_by_name: dict[str, ColumnFacts] = {}
    for name, column in read.items():
        facts = replace(column.facts, flagged_by=flags.get(name))
        role: Role = "target" if name == target else "timestamp" if name == time else keys.get(name, "input")
        if role == "input":
            why = _exclusion_reason(facts, column.values, name in flags.values())
            why = why or later_reason(name, target)
            why = why or ("a part of the time; features.calendar reads it" if name in clock_parts else "")
            role = "left out" if why else role
            facts = replace(facts, why=why)
        facts_by_name[name] = replace(facts, role=role)
    inputs = [name for name, facts in facts_by_name.items() if facts.role == "input"]
    units = [name for name, role in keys.items() if role == "entity"]
    reasons = leakage_reasons(table.select(*inputs, target), table.select(units), target, problem, instants)
    for name, (why, note) in reasons.items():
        facts_by_name[name] = replace(
            facts_by_name[name], why=why, note=note, role="left out" if why else "input"
        )
    return facts_by_name


def _flags(read: dict[str, Read]) -> dict[str, str]:
    """Sensor column: the column whose name makes it that one's quality flag."""
    facts_by_name: dict[str, str] = {}
    for name in read:
        hit = _FLAG_NAME.match(name)
        base = (hit[1] or hit[2]) if hit else None
        if base and base in read and base != name:
            facts_by_name[base] = name
    return facts_by_name


def _exclusion_reason(facts: ColumnFacts, values: pl.Series, is_flag: bool) -> str:
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
            f"{shown(values.drop_nulls()[0])} in every row" if not facts.missing else "one value or missing"
        )
    if facts.missing > MANY_MISSING:
        return f"missing in {facts.missing:.0%} of rows"
    return _reason_of_values(facts, values, is_flag)


def _reason_of_values(facts: ColumnFacts, values: pl.Series, is_flag: bool) -> str:
    """For a column that has values enough: flags, predictions, dates, names and ids are no inputs."""
    rows = max(1, len(values))
    if is_flag:
        return "looks like a quality flag; see repairs.flags"
    if _PREDICTION_NAME.search(facts.name):
        return "its name says that it is somebody's prediction"
    if facts.kind == "text" and _dates(values):
        return "a date as text"
    if facts.kind == "text" and facts.distinct > min(MANY_VALUES, max(20, rows // 5)):
        return _nearly_times(values) or f"{facts.distinct:,} different texts: a name or an id"
    if _LATER_NAME.search(facts.name) and not _PLANNED_NAME.search(facts.name):
        return "its name says that it is known only after the event"
    unique = facts.distinct >= 0.99 * rows * (1 - facts.missing)
    whole = facts.kind == "number" and bool((values.drop_nulls() == values.drop_nulls().round()).all())
    named = _ID_NAME.match(facts.name) or _ID_ENDING.search(facts.name)
    if unique and whole and (named or _counts_rows(values.drop_nulls())) and rows > 50:
        return "a number per row: an id"
    return ""


def _nearly_times(values: pl.Series) -> str:
    """Return that a text column would be a time but for some values, with the first of them; else empty text."""
    form, unreadable = format_of_most(values, MANY_UNREADABLE, len(values))
    if form == NO_FORMAT or not unreadable:
        return ""
    shown_values = ", ".join(f"{text!r} (row {row})" for row, text in unreadable[:3])
    return (
        f"{len(unreadable):,} of {len(values):,} values are no times as {form or 'ISO 8601'}: {shown_values}; "
        "correct them and draft again"
    )


def _counts_rows(values: pl.Series) -> bool:
    """Whether whole numbers go up from row to row by nearly always the same; a population that grows does not."""
    steps = values.diff().drop_nulls()
    usual = int(steps.value_counts(sort=True)["count"][0]) if len(steps) else 0
    return bool((steps > 0).all()) and usual >= 0.9 * len(steps)


def later_reason(name: str, target: str) -> str:
    """Return why a column is known only with the target or later, as far as the two names tell; else empty text.

    Args:
        name: The column.
        target: The column to predict.

    Returns:
        End of a sentence, or ''.
    """
    if _YEAR.match(name) and _YEAR.match(target) and int(name) > int(target):
        return f"a later year than {target!r}"
    if _SURVIVED.search(target) and _SURVIVAL_TIME.match(name):
        return f"the time until {target!r}: known only with it"
    return ""


def shown(value: object) -> str:
    """Return a value as a sentence shows it: 7, not 7.0.

    Args:
        value: A value of the table.

    Returns:
        Text.
    """
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _dates(values: pl.Series) -> bool:
    return format_of(values.drop_nulls().head(50)) != NO_FORMAT
