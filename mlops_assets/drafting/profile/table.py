"""A whole table: its columns, its time, its entity and its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from mlops_assets.drafting import FEW_INPUTS, LONGEST_NAME, ColumnFacts, Role, TableFacts
from mlops_assets.drafting.profile.absurd import absurd_values
from mlops_assets.drafting.profile.columns import Read, missing_markers, read_column, shared_sentinels
from mlops_assets.drafting.profile.composite_timestamps import composite_timestamps
from mlops_assets.drafting.profile.entity import entity_of
from mlops_assets.drafting.profile.groups import group_of
from mlops_assets.drafting.profile.roles import roles, shown
from mlops_assets.drafting.profile.time_formats import NO_FORMAT, format_of
from mlops_assets.drafting.profile.timestamp import free_name, stepped, time_of
from mlops_assets.errors import SourceError
from mlops_assets.model_file.algorithms import Problem
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.cleaning.steps import written

FEW_VALUES: Final = 20
"""Whole numbers with at most so many values are taken for classes."""
RARE_ROWS: Final = 10
"""Classes with fewer rows are excluded."""
REGULAR: Final = 0.7
"""Share of equal steps from which a series can be forecast a fixed time ahead."""


def profile_table(
    frame: pl.DataFrame,
    target: str,
    *,
    problem: Problem | None = None,
    time: str | None = None,
    entity: str | None = None,
    comma_splits: bool = True,
    now: datetime | None = None,
) -> TableFacts:
    """Measure the facts about a table; what is not declared is guessed.

    Args:
        frame: The table as the file has it.
        target: The column to predict.
        problem: What is predicted.
        time: The timestamp column.
        entity: The entity column.
        comma_splits: Whether a comma separates fields, so that 1,234 has a thousands comma.
        now: Rows dated later are counted.

    Returns:
        The facts, for `draft`.

    Raises:
        SourceError: A column does not exist, or nothing can be learned from the target.
    """
    for named in (target, time, entity):
        if named is not None and named not in frame.columns:
            raise SourceError(f"the table has no column {named!r}{did_you_mean(named, frame.columns)}")
    if len(target) > LONGEST_NAME:
        raise SourceError(
            f"the target's name has {len(target)} letters, more than {LONGEST_NAME}; shorten it in the file"
        )
    markers = missing_markers(frame)
    read = shared_sentinels(
        {name: read_column(frame[name], markers, name == target, comma_splits) for name in frame.columns}
    )
    timed = time_of(frame, target, time)
    instants = timed[1] if timed else None
    table = pl.DataFrame({name: column.values for name, column in read.items()})
    chosen, rare, classes = problem_of(read[target], problem)
    if chosen != "classification":
        read[target] = _without_absurd(read[target])
        table = table.with_columns(read[target].values.alias(target))
    facts = timed[0] if timed else None
    names: tuple[str, ...] = (entity,) if entity else ()
    if facts is not None and instants is not None:
        excluded = [target, facts.column, *facts.made_of]
        names = names or entity_of(table.select(pl.exclude(excluded)), instants, target, table[target])
        label = (
            pl.select(pl.concat_str([written(table[one]) for one in names], separator=" ")).to_series()
            if names
            else None
        )
        facts = stepped(facts, instants, label)
        facts = replace(facts, future=int((instants > now).sum())) if now else facts
    entity_name = (
        names[0] if len(names) == 1 else free_name("_".join(names), frame.columns) if names else None
    )
    keys: dict[str, Role] = {
        **dict.fromkeys(names, "entity"),
        **dict.fromkeys(facts.made_of if facts else (), "timestamp"),
    }
    group = group_of(table, target) if facts is None and entity is None else None
    if group is not None:
        keys[group] = "entity"
    # Columns besides a timestamp of its own; those it is made of have their role already.
    parts = (
        {part for pair, _ in composite_timestamps(frame.select(pl.exclude(target))) for part in pair}
        if facts
        else ()
    )
    columns = roles(
        read, table, target, facts.column if facts else None, keys, chosen, frozenset(parts), instants
    )
    inputs = [name for name, column in columns.items() if column.role == "input"]
    series = facts is not None and facts.step is not None and facts.regular >= REGULAR and not facts.months
    if problem is None and chosen == "regression" and series and len(inputs) < FEW_INPUTS:
        chosen = "forecasting"
    if chosen == "forecasting" and not series:
        raise SourceError(
            "forecasting needs a timestamp with a regular step, of one length"
            + (
                f"; {facts.column!r} has none"
                if facts
                else ", and no column looks like one: name it with --time"
            )
        )
    table_facts = TableFacts(
        rows=frame.height,
        target=target,
        problem=chosen,
        columns=tuple(columns.values()),
        time=facts,
        entity=entity_name,
        entity_of=names if len(names) > 1 else (),
        group=group,
        classes=classes,
        rare=rare,
        missing_text=markers,
        repeated=0 if facts else _repeated(frame, columns),
    )
    if not inputs and chosen != "forecasting" and not table_facts.own_past:
        reasons = "; ".join(f"{name}: {column.why}" for name, column in columns.items() if column.why)
        raise SourceError(f"no column is left to predict {target!r} from: {reasons}")
    return table_facts


def _without_absurd(read: Read) -> Read:
    """Return a target of numbers without the few values that nothing else comes near."""
    absurd = absurd_values(read.values)
    if not absurd:
        return read
    hits = read.values.is_in(list(absurd)).fill_null(value=False)
    rows = tuple((int(row) + 1, float(read.values[int(row)])) for row in hits.arg_true())
    sentinels = (*read.facts.sentinels, *(int(value) if value.is_integer() else value for value in absurd))
    facts = replace(read.facts, sentinels=sentinels, absurd=rows)
    values = read.values.set(hits, None)
    return Read(values, replace(facts, missing=values.null_count() / max(1, len(values))))


def _repeated(frame: pl.DataFrame, columns: Mapping[str, ColumnFacts]) -> int:
    """Rows equal to an earlier one, compared by their hashes; none where a column has another value in every row."""
    if any(columns[name].distinct == frame.height for name in frame.columns):
        return 0
    flat = frame.select(
        name for name, kind in frame.schema.items() if not kind.is_nested() and kind != pl.Object
    )
    return int(frame.height - flat.hash_rows().n_unique()) if flat.width == frame.width else 0


def problem_of(
    read: Read, requested: Problem | None
) -> tuple[Problem, tuple[str, ...], tuple[tuple[str, int], ...]]:
    """Return the problem, the classes that are too rare to learn, and the others with their rows.

    Args:
        read: The target after its repairs.
        requested: The problem that the user named.

    Returns:
        Problem, rare classes, and (class, rows) of the others; both empty for numbers.

    Raises:
        SourceError: Nothing can be learned from the target.
    """
    name, values = read.facts.name, read.values.drop_nulls()
    count = values.n_unique()
    if read.facts.kind in ("time", "other"):
        what = "times" if read.facts.kind == "time" else read.values.dtype
        raise SourceError(f"the target {name!r} holds {what}: neither a number nor a class")
    if count < 2:
        what = f"only the value {shown(values[0])}" if count else "no value"
        raise SourceError(f"the target {name!r} holds {what}; nothing can be learned from it")
    numeric = read.facts.kind == "number"
    whole = numeric and bool((values == values.round()).all())
    few = whole and count <= FEW_VALUES
    # Grades and counts have rare ends; numbers that name classes seldom do.
    often = few and int(values.value_counts()["count"].min() or 0) >= RARE_ROWS  # type: ignore[arg-type]
    classes = not numeric or count == 2 or often
    problem: Problem = requested or ("classification" if classes else "regression")
    if problem != "classification":
        if not numeric:
            raise SourceError(f"the target {name!r} of a {problem} must hold numbers, and holds text")
        return problem, (), ()
    named = values.cast(pl.Int64).cast(pl.String) if whole else values.cast(pl.String)
    counts = named.value_counts(sort=True).sort(["count", name], descending=[True, False])
    rows = [(str(value), int(number)) for value, number in counts.iter_rows()]
    kept = tuple(pair for pair in rows if pair[1] >= RARE_ROWS)
    if len(kept) < 2 or len(kept) > max(2, len(values) // RARE_ROWS):
        if requested is None and not numeric and count > len(values) // 2:
            what = "times" if format_of(values.cast(pl.String)) != NO_FORMAT else "texts"
            raise SourceError(
                f"the target {name!r} holds {count:,} different {what}: neither a number nor a class"
            )
        raise SourceError(
            f"the target {name!r} has {count:,} classes, of which {len(kept)} have {RARE_ROWS} rows or more "
            f"({', '.join(f'{value}: {number:,}' for value, number in rows[:4])}); fewer cannot be learned and tested: "
            "merge classes, bring more rows, or choose another target"
        )
    if numeric and not whole:
        rare: tuple[str, ...] = ()
    else:
        rare = tuple(value for value, number in rows if number < RARE_ROWS)
    return problem, rare, kept
