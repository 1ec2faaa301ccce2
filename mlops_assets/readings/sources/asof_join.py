"""Point-in-time join: for each row, what was known of another table at that row's instant, and nothing later.

Comes in: two frames. Goes out: the left one with columns of the right. Reading them belongs to `joined`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.model_file.suggestion import did_you_mean

_ORDER: Final = "__order"
_EVENT: Final = "__event"


def asof_join(
    left: pl.DataFrame,
    right: pl.DataFrame,
    *,
    on: str,
    by: Sequence[str] = (),
    available: str | None = None,
    max_age: timedelta | None = None,
) -> pl.DataFrame:
    """Join to each left row the newest right row of the same keys that was known at its instant.

    A fact that arrives after a newer one never replaces it. Of two facts of one instant the later row counts.

    Args:
        left: Rows to extend; their order stays.
        right: Facts.
        on: Column of the instant, in both tables.
        by: Columns whose values must be equal.
        available: Column of `right` with the instant from which a fact is known, where facts arrive late;
            None: its own instant.
        max_age: Oldest fact that still counts, measured from the left row's instant; None: no limit.

    Returns:
        The left columns and the added right columns, null without a match.

    Raises:
        DataError: When a column is missing or is in both tables.
    """
    keys = [*by]
    for name, side, frame in (
        (on, "left", left),
        (on, "right", right),
        *((key, "left", left) for key in keys),
    ):
        _require(name, side, frame)
    for key in (*keys, *([available] if available else [])):
        _require(key, "right", right)
    if both := sorted(set(left.columns) & set(right.columns) - {on, *keys}):
        raise DataError(f"column {both[0]!r} stands in both tables; rename it in one")
    facts = right.drop_nulls(list({on, available or on, *keys}))
    if available:
        event = pl.col(on).alias(_EVENT)
        facts = facts.with_columns(pl.max_horizontal(available, on).alias(on), event)
        facts = facts.sort(on, _EVENT, maintain_order=True)
        newest = pl.col(_EVENT).cum_max()
        facts = facts.filter(pl.col(_EVENT) == (newest.over(keys) if keys else newest))
    else:
        facts = facts.sort(on, maintain_order=True)
        facts = facts if max_age is None else facts.with_columns(pl.col(on).alias(_EVENT))
    # Among facts of one instant polars takes the last, and the sort above keeps their order.
    requested = left.with_row_index(_ORDER).sort(on)
    joined = requested.join_asof(facts, on=on, by=keys or None, strategy="backward", check_sortedness=False)
    joined = joined.sort(_ORDER)
    added = [name for name in right.columns if name not in (on, *keys)]
    if max_age is not None:
        fresh = pl.col(on) - pl.col(_EVENT) <= max_age
        joined = joined.with_columns(pl.when(fresh).then(pl.col(name)).alias(name) for name in added)
    return joined.select(*left.columns, *added)


def _require(name: str, side: str, frame: pl.DataFrame) -> None:
    if name not in frame.columns:
        raise DataError(f"the {side} table has no column {name!r}{did_you_mean(name, frame.columns)}")
