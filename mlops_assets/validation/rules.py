"""Which rules a model file implies, known before any data is read.

Comes in: a model file. Goes out: its rules in a fixed order, each with a stable name that can name a Dagster check.
Rules about rows set rows aside and only warn; that too many rows are set aside is a rule of its own, and critical.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import source_columns
from mlops_assets.model_file.validation import ColumnRules


@dataclass(frozen=True, slots=True)
class Rule:
    """One question about a batch.

    A failed `critical` rule stops the run, others warn. A rule `about_rows` sets the rows aside that break it.
    """

    name: str
    kind: str
    column: str | None
    critical: bool
    about_rows: bool
    description: str


def rules(spec: ModelSpec) -> tuple[Rule, ...]:
    """Return every rule that the model file implies, in the order in which `validate` reports them.

    Args:
        spec: The model file.

    Returns:
        Rules with unique names.
    """
    taken: set[str] = set()
    return tuple(_uniquely_named(_rules(spec), taken))


def named_columns(spec: ModelSpec) -> tuple[str, ...]:
    """Return the columns that must exist because the model file names them, in the order of the file.

    Args:
        spec: The model file.

    Returns:
        Names without repetition.
    """
    names: list[str | None] = [spec.target, spec.timestamp, spec.entity, *source_columns(spec.features)]
    names += [spec.split.group, *spec.validation.columns]
    return tuple(dict.fromkeys(name for name in names if name is not None))


def used_columns(spec: ModelSpec, available: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that the model uses: those named, and without `inputs` all others that are not excluded.

    Args:
        spec: The model file.
        available: Names of the columns of the readings.

    Returns:
        Names without repetition.
    """
    available = tuple(available)
    excluded, present = set(spec.features.exclude), set(available)
    used = dict.fromkeys(name for name in named_columns(spec) if name in present)
    if spec.features.inputs is None:
        used |= dict.fromkeys(name for name in available if name not in excluded)
    return tuple(used)


def missing_limit(spec: ModelSpec, column: str) -> float:
    """Return the share of missing values that this column must stay below: its own limit, else the section's.

    Args:
        spec: The model file.
        column: Name of a column.

    Returns:
        Share between 0 and 1.
    """
    declared = spec.validation.columns.get(column)
    own = declared.max_missing if declared else None
    return spec.validation.max_missing if own is None else own


def misses_too_much(share: float, limit: float) -> bool:
    """Return whether a share of missing values breaks its limit: the limit itself does, 0 % allows none, 100 % any.

    Args:
        share: Share of missing values, 0 to 1.
        limit: Limit, 0 to 1.

    Returns:
        True when the rule is broken.
    """
    return share > 0.0 and limit < 1.0 and share >= limit


def _rules(spec: ModelSpec) -> Iterator[Rule]:
    limits = spec.validation
    yield _batch("columns_present", "Every column the model file names is there")
    yield _batch("column_types", "Columns hold the type of value that the model file needs of them")
    yield _batch(
        "types_as_trained", "Columns have the type of value that they had in the champion's training"
    )
    yield _batch("min_rows", f"At least {limits.min_rows:,} rows are left after setting rows aside")
    yield _batch(
        "target_present", f"The target {spec.target!r} is there and holds at least two different values"
    )
    yield _batch("empty_columns", "No column that is used is missing in every row")
    yield _batch(
        "missing",
        f"Every column that is used misses less than {limits.max_missing:.3g} of its values, or than its own limit",
    )
    yield _row("finite", "No infinite number in a column that is used")
    if spec.timestamp is not None or spec.entity is not None:
        yield _row("keys_present", "Timestamp and entity are there in every row")
    if spec.timestamp is not None:
        yield _row("time_not_future", "No reading is from after the time of the run")
        if limits.unique_rows:
            yield _row("unique_rows", "No two rows share entity and timestamp")
        yield _batch("time_order", "Readings of an entity stand in the order of time", critical=False)
        if limits.freshness is not None:
            yield _batch("freshness", f"The newest reading is at most {limits.freshness} old")
        if limits.completeness is not None:
            yield _batch(
                "completeness",
                f"Every whole day holds {limits.completeness:.0%} of its readings or more, per entity",
            )
    for column, declared in limits.columns.items():
        yield from _column_rules(column, declared)
    yield _batch("quarantined", f"At most {limits.max_quarantined:.3g} of the rows are set aside")
    yield _batch(
        "drift",
        "Columns are distributed as in the champion's training data (PSI)",
        critical=limits.max_drift is not None,
    )


def _column_rules(column: str, declared: ColumnRules) -> Iterator[Rule]:
    if declared.required:
        yield _row("required", f"{column!r} is there in every row", column)
    if declared.min is not None or declared.max is not None:
        low = "" if declared.min is None else f" from {declared.min:g}"
        high = "" if declared.max is None else f" up to {declared.max:g}"
        yield _row("range", f"{column!r} lies in the range{low}{high}", column)
    if declared.values is not None:
        yield _row("values", f"{column!r} is one of {len(declared.values)} known values", column)
    if declared.pattern is not None:
        yield _row("pattern", f"{column!r} matches {declared.pattern}", column)
    if declared.unique:
        yield _row("unique", f"No value of {column!r} stands twice", column)


def _batch(kind: str, description: str, *, critical: bool = True) -> Rule:
    return Rule(kind, kind, None, critical, about_rows=False, description=description)


def _row(kind: str, description: str, column: str | None = None) -> Rule:
    name = kind if column is None else f"{kind}_{re.sub(r'[^A-Za-z0-9_]', '_', column)}"
    return Rule(name, kind, column, critical=False, about_rows=True, description=description)


def _uniquely_named(rules: Iterable[Rule], taken: set[str]) -> Iterator[Rule]:
    """Two columns may look alike once their names are plain: the second becomes name_2."""
    for rule in rules:
        name, number = rule.name, 2
        while name in taken:
            name, number = f"{rule.name}_{number}", number + 1
        taken.add(name)
        yield replace(rule, name=name)
