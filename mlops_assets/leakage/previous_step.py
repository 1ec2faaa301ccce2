"""A column whose power over the target is gone one step earlier: it moves with the target, or is written after it.

In a series, what explains the target now mostly explains something of it a step later too. A column that alone
explains most of the target, far more than the next column, and as of the previous step nearly nothing, is asked
about. A category that changes from row to row says what is measured, so only numbers count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlops_assets.leakage.alone import FEWEST_ROWS, explained_share
from mlops_assets.leakage.later_rows import in_order, shifted
from mlops_assets.leakage.record import Finding, LeakageTable
from mlops_assets.leakage.values import numbers

MOST: Final = 0.7
"""Share of the target that a column explains now."""
COLLAPSED: Final = 0.2
"""Share of that which it explains as of the previous step."""
NEXT_BEST: Final = 0.5
"""Share of it that the next column may explain."""


def collapses(table: LeakageTable) -> Iterator[Finding]:
    """Yield the column whose power over the target collapses when it is taken as of the previous step.

    Args:
        table: The rows, with a timestamp.

    Yields:
        At most one suspicion.
    """
    if table.timestamp is None or table.frame.height < FEWEST_ROWS or len(table.inputs) < 2:
        return
    frame, unit = in_order(table)
    target = numbers(frame[table.target])
    now = {
        name: explained_share(
            numbers(frame[name]), target, is_code=not kind.is_numeric(), classes=table.is_classification
        )
        for name, kind in frame.select(table.inputs).schema.items()
    }
    best, second = sorted(now, key=lambda name: -now[name])[:2]
    if not frame.schema[best].is_numeric() or now[best] < MOST or now[second] > NEXT_BEST * now[best]:
        return
    earlier = shifted(numbers(frame[best]), unit, -1)
    before = explained_share(earlier, target, is_code=False, classes=table.is_classification)
    if before <= COLLAPSED * now[best]:
        shares = f"{now[best]:.1%} of the target, as of the previous step {max(before, 0.0):.1%}"
        yield Finding((best,), f"explains {shares}", "suspicion")
