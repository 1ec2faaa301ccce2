"""Runs without a clock: a unit and a counter that restarts with each, as in tables of machines run to failure."""

from __future__ import annotations

import polars as pl

from mlops_assets.drafting.profile.entity import MANY_TIMES, named_entity


def group_of(table: pl.DataFrame, target: str) -> str | None:
    """Return the column whose rows follow each other and are counted by another column; None without such a pair.

    Rows of one unit are alike: a random split would test on neighbors of training rows.

    Args:
        table: The table after its repairs.
        target: The column to predict.
    """
    whole = [name for name in table.columns if name != target and _whole(table[name])]
    for name in table.columns:
        units = table[name]
        if name == target or not named_entity(name) or units.null_count():
            continue
        count = units.n_unique()
        is_scattered = int((units != units.shift(1)).sum()) + 1 > count
        if is_scattered or not 2 <= count <= len(units) // MANY_TIMES:
            continue
        if any(_counts(table[other], units) for other in whole if other != name):
            return name
    return None


def _whole(column: pl.Series) -> bool:
    return column.dtype.is_float() and not column.null_count() and bool((column == column.round()).all())


def _counts(counter: pl.Series, units: pl.Series) -> bool:
    same = (units == units.shift(1)).fill_null(False)
    return bool((counter.diff().filter(same) == 1).all()) and counter.filter(~same).n_unique() == 1
