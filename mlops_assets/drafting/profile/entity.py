"""The entity: the column, or two, that identifies a row together with the time."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Final

import polars as pl

from mlops_assets.drafting.profile.sampling import more_than

_ENTITY_NAME: Final = re.compile(
    r"(?i)(^|_|\b)(id|name|unit|unit[_ ]?(nr|no|number)|"
    r"sensor|store|shop|item|product|sku|device|machine|engine|turbine|vehicle|meter|series|"
    r"site|station|location|country|region|state|city|file|host|symbol|ticker|asset|customer|user|patient|dept|family)s?$"
)
MANY_TIMES: Final = 8
"""An entity has at least so many rows, on average."""
FEW_REPEATS: Final = 0.02
"""Share of rows that repeat an instant up to which chance explains it: any column would identify them."""
FEW_NUMBERS: Final = 100
"""A column of numbers without a telling name is an entity only with at most so many values."""
MANY_NAMES: Final = 30
"""Columns examined for the entity."""


def entity_of(table: pl.DataFrame, instants: pl.Series, target: str) -> tuple[str, ...]:
    """Return the columns that identify a row together with the time.

    Args:
        table: The columns that may.
        instants: The time of each row.
        target: The column to predict.

    Returns:
        One column, or two, with a telling name rather than without, text rather than numbers, then few values; none
        where time alone identifies rows, or where every column leaves more than a tenth of the repeated instants.
    """
    repeats = _repeats(instants)
    if repeats <= FEW_REPEATS * table.height:
        return ()
    allowed = min(0.01 * table.height, 0.1 * repeats)
    nameable = [name for name in table.columns if name != target and _is_name(table[name])]
    for many in (1, 2):
        candidates: list[tuple[int, int, int, tuple[str, ...]]] = []
        for names in combinations(nameable[:MANY_NAMES], many):
            unnamed = sum(not named_entity(name) for name in names)
            if many == 2 and (unnamed or repeats < table.height // 2):
                continue
            pairs = table.select(names).with_columns(instants.alias(" instant"))
            if table.height - pairs.n_unique() <= allowed:
                measures = sum(table[name].dtype != pl.String for name in names)
                candidates.append((unnamed, measures, table.select(names).n_unique(), names))
        if candidates:
            return min(candidates)[3]
    return ()


def named_entity(name: str) -> bool:
    """Return whether the name of a column says that it identifies what a row describes.

    Args:
        name: Name of a column.

    Returns:
        True for names such as `pump_id`.
    """
    return _ENTITY_NAME.search(name) is not None


def _is_name(column: pl.Series) -> bool:
    """Whether a column may name what rows are about: text or whole numbers, each value again and again."""
    if column.null_count() or not (column.dtype == pl.String or column.dtype.is_float()):
        return False
    named = column.dtype == pl.String or named_entity(column.name)
    most = min(len(column) // MANY_TIMES, len(column) if named else FEW_NUMBERS)
    if more_than(column, most) or column.n_unique() < 2:
        return False
    return column.dtype == pl.String or bool((column == column.round()).all())


def _repeats(instants: pl.Series) -> int:
    return len(instants) - instants.n_unique()
