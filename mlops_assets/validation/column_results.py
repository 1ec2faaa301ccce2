"""Results of rules about columns: presence, types, missing values.

Comes in: a rule and the measurements of a batch. Goes out: a `RuleResult`. A rule that could not be checked has failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from mlops_assets.artifacts import RuleResult
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.validation.measurements import Measurements
from mlops_assets.validation.result import rule_result
from mlops_assets.validation.rules import Rule, misses_too_much, missing_limit, named_columns
from mlops_assets.validation.trained_types import mostly_numbers, type_changes


def _columns_present(rule: Rule, measured: Measurements) -> RuleResult:
    columns = measured.batch.frame.columns
    absent = [name for name in named_columns(measured.batch.spec) if name not in measured.batch.schema]
    message = rule.description
    if absent:
        near = {name: get_close_matches(name, columns, n=1) for name in absent[:20]}
        listed = (f"{name!r} (near: {names[0]!r})" if names else repr(name) for name, names in near.items())
        message = (
            f"Not in the data: {', '.join(listed)}; the data has {', '.join(columns[:40]) or 'no columns'}"
        )
    return rule_result(rule, passed=not absent, observed=float(len(absent)), limit=0.0, message=message)


def _column_types(rule: Rule, measured: Measurements) -> RuleResult:
    batch = measured.batch
    problems = [*batch.misfits.values(), *mostly_numbers(batch)]
    for name in batch.spec.validation.columns:
        if count := measured.values.get(f"not_whole:{name}"):
            problems.append(f"{name!r} holds {count:,} values that are not whole numbers")
    passed = not problems and bool(batch.frame.columns)
    message = "; ".join(problems) or (rule.description if passed else "There are no columns")
    return rule_result(rule, passed=passed, observed=float(len(problems)), limit=0.0, message=message)


def _target_present(rule: Rule, measured: Measurements) -> RuleResult:
    target = measured.batch.spec.target
    if target not in measured.batch.schema:
        near = did_you_mean(target, measured.batch.frame.columns)
        return rule_result(rule, passed=False, message=f"The target {target!r} is not in the data{near}")
    if reason := measured.batch.why_not(target):
        return rule_result(rule, passed=False, message=f"Not checked: {reason}")
    share = 1.0 - measured.missing(target)
    if share == 0.0:
        message = f"The target {target!r} is missing in every row"
    elif not measured.values["target_varies"]:
        message = f"The target {target!r} has the same value in every row: there is nothing to learn"
    else:
        return rule_result(
            rule,
            passed=True,
            observed=share,
            limit=None,
            message=f"The target is there in {share:.2%} of rows",
        )
    return rule_result(rule, passed=False, observed=share, limit=None, message=message)


def _empty_columns(rule: Rule, measured: Measurements) -> RuleResult:
    empty = [name for name in measured.batch.used if measured.missing(name) == 1.0]
    message = rule.description
    if empty:
        message = f"Missing in every row: {', '.join(map(repr, empty))}; fix the source or list under features.exclude"
    passed = not empty and bool(measured.batch.used)
    return rule_result(rule, passed=passed, observed=float(len(empty)), limit=0.0, message=message)


def _missing(rule: Rule, measured: Measurements) -> RuleResult:
    """Return the column furthest above its own limit decides; the share over all columns follows."""
    batch = measured.batch
    if not batch.used:
        return rule_result(rule, passed=False, message="Nothing was checked: no column is used")
    limits = {name: missing_limit(batch.spec, name) for name in batch.used}
    worst = max(batch.used, key=lambda name: measured.missing(name) - limits[name])
    over = [name for name in batch.used if misses_too_much(measured.missing(name), limits[name])]
    total = math.fsum(measured.missing(name) for name in batch.used) / len(batch.used)
    message = (
        f"Worst column {worst!r} misses {measured.missing(worst):.2%} (must be below {limits[worst]:.2%}); "
        f"all columns together {total:.2%}"
    )
    if len(over) > 1:
        message += f"; {len(over)} columns miss too much: {', '.join(map(repr, over[:10]))}"
    return rule_result(
        rule,
        passed=not over,
        observed=measured.missing(worst),
        limit=limits[worst],
        failed_rows=int(measured.values[f"missing:{worst}"]),
        message=message,
    )


def _types_as_trained(rule: Rule, measured: Measurements) -> RuleResult:
    """One odd value turns a column of numbers into text, and training into something else than the champion's."""
    if measured.reference is None:
        return rule_result(
            rule, passed=True, message="Not applicable: there is no champion to compare with yet"
        )
    changes = type_changes(measured.reference, measured.batch)
    message = "; ".join(changes[:5]) or rule.description
    if len(changes) > 5:
        message += f"; and {len(changes) - 5:,} columns more"
    return rule_result(rule, passed=not changes, observed=float(len(changes)), limit=0.0, message=message)


COLUMN_RULES: Final[Mapping[str, Callable[[Rule, Measurements], RuleResult]]] = {
    "columns_present": _columns_present,
    "column_types": _column_types,
    "types_as_trained": _types_as_trained,
    "target_present": _target_present,
    "empty_columns": _empty_columns,
    "missing": _missing,
}
