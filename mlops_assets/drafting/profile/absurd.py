"""Values of the target that nothing in the table comes near: totals read as rows, units mixed up, typing errors.

Comes in: the target after its repairs. Goes out: the few values that stand a hundred times farther from the median
than every other. Learned, they spoil the model and the mean that it must beat alike, so that neither looks wrong.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

FAR: Final = 100.0
"""How many times farther from the median than the farthest other value."""
FEW: Final = 0.005
"""Share of the rows up to which values are absurd; more of them are a part of the data."""
MOST_VALUES: Final = 20
"""Different values at most: each is written into the model file."""
LEAST_ROWS: Final = 30


def absurd_values(column: pl.Series) -> tuple[float, ...]:
    """Return the absurd values of a numeric column, in order; none of a short one.

    Args:
        column: Numbers, missing ones as null.

    Returns:
        Different values, few.
    """
    values = column.drop_nulls().cast(pl.Float64).to_numpy()
    values = values[np.isfinite(values)]
    if len(values) < LEAST_ROWS:
        return ()
    distances = np.abs(values - np.median(values))
    order = np.argsort(distances)
    ranked = distances[order]
    first = max(len(ranked) - max(1, int(FEW * len(ranked))), len(ranked) // 2)
    for index in range(first, len(ranked)):
        if ranked[index] > FAR * ranked[index - 1] > 0:
            absurd = np.unique(values[order[index:]])
            return tuple(float(value) for value in absurd) if len(absurd) <= MOST_VALUES else ()
    return ()
