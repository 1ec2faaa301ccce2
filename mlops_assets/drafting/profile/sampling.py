"""A glance at some rows: where they settle a question already, the millions of others need not be asked.

Only answers that more rows cannot change are taken from a glance ("not every value is a number", "more than a hundred
different values"), so a draft says the same as if every row had been looked at.
"""

from __future__ import annotations

from typing import Final

import polars as pl

SAMPLE_ROWS: Final = 10_000


def sample(column: pl.Series) -> pl.Series:
    """Some values, from rows spread evenly over the column; all of a short one."""
    return column.gather_every(max(1, len(column) // SAMPLE_ROWS))


def more_than(column: pl.Series, many: int) -> bool:
    """Whether a column has more different values than that."""
    return sample(column).n_unique() > many or column.n_unique() > many
