"""The entity: the column, or two, that identifies a row together with the time."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.drafting.profile.sampling import more_than

_ENTITY_NAME: Final = re.compile(
    r"(?i)(^|_|\b)(id|name|nr|unit|unit[_ ]?(nr|no|number)|firm|company|airline|herd|tree|plant|animal|chick|subject|"
    r"individual|person|participant|brand|household|school|farm|field|plot|batch|"
    r"sensor|store|shop|item|product|sku|device|machine|engine|turbine|vehicle|meter|series|"
    r"site|station|location|country|region|state|city|file|host|symbol|ticker|asset|customer|user|patient|dept|family)s?$"
)
MANY_TIMES: Final = 4
"""An entity has at least so many rows, on average."""
FEW_REPEATS: Final = 0.02
"""Share of rows that repeat an instant up to which chance explains it: any column would identify them."""
FEW_NUMBERS: Final = 100
"""A column of numbers without a telling name is an entity only with at most so many values."""
UNNAMED: Final = 0.5
MEASURE: Final = 1.0
"""What a name that tells nothing, and numbers in place of text, cost a candidate, where a complete series counts 1."""
MANY_NAMES: Final = 30
"""Columns examined for the entity."""


def entity_of(
    table: pl.DataFrame, instants: pl.Series, target: str, target_values: pl.Series
) -> tuple[str, ...]:
    """Return the columns that identify a row together with the time.

    Args:
        table: The columns that may.
        instants: The time of each row.
        target: The column to predict.
        target_values: Its values.

    Returns:
        One column, or two, none where time alone identifies rows, or where every column leaves more than a tenth of
        the repeated instants. A telling name, text rather than numbers, readings at every instant and a target that
        changes little from one reading to the next count; of equals, the one with few values.
    """
    repeats = _repeats(instants)
    if repeats <= FEW_REPEATS * table.height:
        return ()
    allowed = min(0.01 * table.height, 0.1 * repeats)
    nameable = [
        name
        for name in table.columns
        if name != target and (_is_name(table[name]) or _is_balanced(table[name], instants))
    ]
    for many in (1, 2):
        candidates: list[tuple[float, int, tuple[str, ...]]] = []
        for names in combinations(nameable[:MANY_NAMES], many):
            unnamed = sum(not named_entity(name) for name in names)
            if many == 2 and (unnamed or repeats < table.height // 2):
                continue
            pairs = table.select(names).with_columns(instants.alias(" instant"))
            if table.height - pairs.n_unique() <= allowed:
                measures = sum(table[name].dtype != pl.String for name in names)
                quality = _complete(table, names, instants) + _smooth(table, names, instants, target_values)
                penalty = UNNAMED * unnamed + MEASURE * measures - round(quality, 1)
                candidates.append((penalty, table.select(names).n_unique(), names))
        if candidates:
            return min(candidates)[2]
    return ()


def _complete(table: pl.DataFrame, names: tuple[str, ...], instants: pl.Series) -> float:
    """Return the share of instants, between the first and the last of each entity, at which it has a reading."""
    times = instants.unique().sort()
    rank = pl.DataFrame({" instant": times, " rank": range(len(times))})
    rows = table.select(names).with_columns(instants.alias(" instant")).drop_nulls(" instant")
    ranks = (
        rows.join(rank, on=" instant")
        .group_by(names)
        .agg(
            pl.col(" rank").n_unique().alias("readings"),
            (pl.col(" rank").max() - pl.col(" rank").min() + 1).alias("span"),
        )
    )
    return float(ranks["readings"].to_numpy().sum()) / max(1.0, float(ranks["span"].to_numpy().sum()))


def _smooth(table: pl.DataFrame, names: tuple[str, ...], instants: pl.Series, target: pl.Series) -> float:
    """Return the share of the target's variance that an entity's reading before explains; 0 where it is no number."""
    if not target.dtype.is_numeric():
        return 0.0
    rows = table.select(names).with_columns(
        instants.alias(" instant"), target.cast(pl.Float64).alias(" target")
    )
    steps = (
        rows.drop_nulls()
        .sort(*names, " instant")
        .with_columns(pl.col(" target").diff().over(names).alias(" step"))
    )
    squares, whole = (steps[name].to_numpy() for name in (" step", " target"))
    squares = squares[np.isfinite(squares)] ** 2
    variance = float(whole.var()) if len(whole) else 0.0
    return max(0.0, 1 - float(squares.mean()) / 2 / variance) if variance > 0 and len(squares) else 0.0


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


def _is_balanced(column: pl.Series, instants: pl.Series) -> bool:
    """Whether every value of whole numbers or text stands once at every instant: a panel without a gap."""
    many = instants.n_unique()
    if (
        column.null_count()
        or len(column) % many
        or not (column.dtype == pl.String or column.dtype.is_float())
    ):
        return False
    if many < MANY_TIMES or column.n_unique() * many != len(column):
        return False
    whole = column.dtype == pl.String or bool((column == column.round()).all())
    return whole and pl.DataFrame({"a": column, "b": instants}).n_unique() == len(column)


def _repeats(instants: pl.Series) -> int:
    return len(instants) - instants.n_unique()
