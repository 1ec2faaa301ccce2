"""The picture of suspected leakage: each suspected column against the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.reports.plots.figure import BLUE, new_figure, png, thinned

MOST_COLUMNS: Final = 4
MOST_VALUES: Final = 20
"""Values of text, the most frequent ones, that have a place on an axis."""


def suspected_columns(rows: pl.DataFrame, columns: Sequence[str], target: str) -> bytes:
    """Draw a point per row for each of the first columns: the target across, the column upwards.

    Args:
        rows: Training rows.
        columns: The suspected columns.
        target: Name of the target.

    Returns:
        PNG file.
    """
    names = list(columns[:MOST_COLUMNS])
    figure, first = new_figure("", 3.6 * len(names) + 0.4, 3.6)
    first.remove()
    title = f"Suspected leakage: is this known before {target}?"
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
    some = rows[thinned(rows.height)]
    rng = np.random.default_rng(0)
    for axis, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        axis.set_xlabel(target)
        axis.set_ylabel(name)
        across, x_labels = _positions(some[target], rng)
        upwards, y_labels = _positions(some[name], rng)
        axis.scatter(across, upwards, s=9, alpha=0.45, color=BLUE, edgecolors="none")
        if x_labels:
            axis.set_xticks(range(len(x_labels)), x_labels)
        if y_labels:
            axis.set_yticks(range(len(y_labels)), y_labels)
        axis.spines[["top", "right"]].set_visible(False)
    return png(figure)


def _positions(column: pl.Series, rng: np.random.Generator) -> tuple[NDArray[np.float64], list[str]]:
    """Numbers as they are; values of text as numbers with a little noise, and their names."""
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy(), []
    text = column.cast(pl.String)
    counted = text.drop_nulls().value_counts(sort=True)[text.name].to_list()[:MOST_VALUES]
    order = {name: float(index) for index, name in enumerate(counted)}
    values = text.replace_strict(order, default=float("nan"), return_dtype=pl.Float64).to_numpy()
    return values + rng.uniform(-0.25, 0.25, values.size), [str(name) for name in counted]
