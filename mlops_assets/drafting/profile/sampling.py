"""A sample of rows, for questions that some rows can settle.

Only results that more rows cannot change are taken from a sample ("not every value is a number", "more than a hundred
different values"), so a draft is the same as if every row had been examined.
"""

from __future__ import annotations

from typing import Final

import polars as pl

SAMPLE_ROWS: Final = 10_000


def sample(column: pl.Series) -> pl.Series:
    """Return some values, from rows spread evenly over the column; all of a short one.

    Args:
        column: The column.

    Returns:
        At most about twice `SAMPLE_ROWS` values.
    """
    return column.gather_every(max(1, len(column) // SAMPLE_ROWS))


def more_than(column: pl.Series, many: int) -> bool:
    """Return whether a column has more different values than that.

    Args:
        column: The column.
        many: The number of values.

    Returns:
        False for a column with at most `many` values.
    """
    return sample(column).n_unique() > many or column.n_unique() > many
