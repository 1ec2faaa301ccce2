"""All leakage checks, in the order in which a report lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mlops_assets.leakage.alone import alone
from mlops_assets.leakage.copies import copy_of_target
from mlops_assets.leakage.encodings import target_encodings
from mlops_assets.leakage.later_rows import needs_later_rows
from mlops_assets.leakage.neighbors import groups_across_parts, near_duplicates, rows_of_one_target
from mlops_assets.leakage.previous_step import collapses
from mlops_assets.leakage.record import Finding, LeakageTable
from mlops_assets.leakage.sums import sums


def _copies(table: LeakageTable) -> Iterator[Finding]:
    target = table.frame[table.target]
    for name in table.inputs:
        finding = copy_of_target(table.frame[name], target, is_classification=table.is_classification)
        if finding is not None:
            yield finding


def _computed(table: LeakageTable) -> Iterator[Finding]:
    """Check features computed from a column that knows the target: a lag of the next value is the value itself.

    That a feature explains nearly all of the target is no leak here, so only copies and later rows count. A lag must
    not need the row's own target either, which may be physics: a sensor upstream.
    """
    lags = replace(table, inputs=table.lagged, horizon_steps=max(1, table.horizon_steps))
    features = replace(table, inputs=table.computed)
    others = replace(table, inputs=tuple(name for name in table.computed if name not in table.lagged))
    known: set[str] = set()
    for finding in (*_copies(features), *needs_later_rows(others), *needs_later_rows(lags)):
        if known.isdisjoint(finding.columns):
            known.update(finding.columns)
            yield finding if finding.strength == "proof" else replace(finding, strength="suspicion")


MOST_ROWS: Final = 20_000
"""Rows that columns are checked on."""
MOST_POINTS: Final = 60_000
"""Rows among which near duplicates and groups are looked for: a sample would lose them."""
COLUMN_CHECKS: Final = (_copies, needs_later_rows, target_encodings, sums, alone, collapses, _computed)
ROW_CHECKS: Final = (groups_across_parts, near_duplicates, rows_of_one_target)


def findings(table: LeakageTable) -> tuple[Finding, ...]:
    """Return what looks like target leakage, each column once, by the first check that finds it.

    Args:
        table: Rows with their target.

    Returns:
        Findings; empty for none.
    """
    result: list[Finding] = []
    for checks, rows in ((COLUMN_CHECKS, MOST_ROWS), (ROW_CHECKS, MOST_POINTS)):
        some = table.newest(rows)
        for check in checks:
            known = {name for finding in result for name in finding.columns}
            rest = replace(some, inputs=tuple(name for name in table.inputs if name not in known))
            result += [finding for finding in check(rest) if not known.intersection(finding.columns)]
    return tuple(result)
