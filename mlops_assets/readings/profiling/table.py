"""A whole table: its columns, its time, its target, put together."""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.errors import SourceError
from mlops_assets.readings.profiling.clock import entity_of, stepped, time_of
from mlops_assets.readings.profiling.columns import Read, missing_words, read_column
from mlops_assets.readings.profiling.inputs import roles
from mlops_assets.spec.drafting import FEW_INPUTS, TableFacts
from mlops_assets.spec.suggestion import did_you_mean
from mlops_assets.spec.training import Problem

FEW_VALUES: Final = 20
"""Whole numbers with at most so many values are taken for classes."""
RARE_ROWS: Final = 10
"""Classes with fewer rows are set aside."""
REGULAR: Final = 0.7
"""Share of equal steps from which a series can be forecast a fixed time ahead."""


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
    words = missing_words(frame)
    read = {name: read_column(frame[name], words, name == target) for name in frame.columns}
    timed = time_of(read, frame, target, time)
    instants = timed[1] if timed else None
    table = pl.DataFrame([column.values for column in read.values()])
    chosen, rare, classes = problem_of(read[target], problem)
    found_entity = entity or (entity_of(table, instants, target) if instants is not None else None)
    facts = timed[0] if timed else None
    if facts is not None and instants is not None:
        facts = stepped(facts, instants, table[found_entity] if found_entity else None)
    columns = dict(roles(read, table, target, facts.column if facts else None, found_entity, chosen))
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


def problem_of(
    read: Read, asked: Problem | None
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
