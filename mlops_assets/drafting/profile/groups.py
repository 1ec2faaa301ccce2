"""Runs without a clock: a unit and a counter that restarts with each, or several rows of one person.

Rows of one unit are similar: a random split would test on neighbors of training rows.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from mlops_assets.drafting.profile.entity import MANY_TIMES, named_entity

_INDIVIDUAL_NAME: Final = re.compile(
    r"(?i)(^|_|\b)(subject|individual|person|participant|patient|customer|user|household|family|animal|student|"
    r"litter)([_ ]?(id|nr|no|number|code))?$|^(id|pid|hid|uid)$"
)
"""Columns whose values are individuals, of which a table may hold several rows."""
MANY_COUNTED: Final = 3
"""Rows of a unit that are counted, on average."""
FEWEST_INDIVIDUALS: Final = 10
"""Fewer cannot be divided into three parts: the column is a category then."""
ROWS_OF_ONE: Final = 1.05
"""Rows per individual, on average, from which the split keeps them together."""


def group_of(table: pl.DataFrame, target: str) -> str | None:
    """Return the column whose rows follow each other and are counted by another column, or that names individuals.

    None without such a column.

    Args:
        table: The table after its repairs.
        target: The column to predict.

    Returns:
        Name of the column, or None.
    """
    whole = [name for name in table.columns if name != target and _whole(table[name])]
    for name in table.columns:
        units = table[name]
        if name == target or units.null_count():
            continue
        count = units.n_unique()
        is_scattered = int((units != units.shift(1)).sum()) + 1 > count
        if is_scattered or not 2 <= count <= len(units) // MANY_COUNTED:
            continue
        counters = [table[other] for other in whole if other != name]
        if not named_entity(name):
            # A name that tells nothing needs a panel without a gap: as many rows of each of many units.
            is_panel = count >= FEWEST_INDIVIDUALS and len(units) % count == 0 and _is_unit(units)
            counters = [one for one in counters if is_panel and one.n_unique() * count == len(units)]
        if any(_counts(counter, units) for counter in counters):
            return name
    return next(
        (name for name in table.columns if name != target and _repeats_individuals(table[name])), None
    )


def _repeats_individuals(column: pl.Series) -> bool:
    values = column.drop_nulls()
    count = values.n_unique()
    is_named = _INDIVIDUAL_NAME.search(column.name) is not None and not column.null_count()
    return (
        is_named and _is_unit(column) and count >= FEWEST_INDIVIDUALS and len(values) >= ROWS_OF_ONE * count
    )


def _whole(column: pl.Series) -> bool:
    return column.dtype.is_float() and not column.null_count() and bool((column == column.round()).all())


def _is_unit(column: pl.Series) -> bool:
    return column.dtype == pl.String or _whole(column)


def _counts(counter: pl.Series, units: pl.Series) -> bool:
    """Whether a column goes up within each unit and begins anew, at one number, with the next."""
    same = (units == units.shift(1)).fill_null(False)
    steps = counter.diff().filter(same)
    if counter.filter(~same).n_unique() > 1:
        return False
    return bool((steps == 1).all()) or bool((steps > 0).all() and steps.n_unique() <= MANY_TIMES)
