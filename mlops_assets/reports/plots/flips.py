"""The picture of two versions on the same rows: each row's two predictions."""

from __future__ import annotations

import numpy as np

from mlops_assets.metrics import Scored
from mlops_assets.reports.plots.figure import BLUE, GRAY, GREEN, RED, new_figure, png, thinned


def draw_flips(newer: Scored, older: Scored, target: str, first: int, second: int) -> bytes:
    """Draw the older version's prediction against the newer one's.

    Numbers are points, those that flip in color; classes are a matrix of counts with those that become right and wrong.

    Args:
        newer: Truth and predictions of the newer version.
        older: The same rows, predicted by the older version.
        target: Name of the target.
        first: Number of the older version.
        second: Number of the newer version.

    Returns:
        PNG file.
    """
    return (
        _classes(newer, older, first, second)
        if older.classes
        else _numbers(newer, older, target, first, second)
    )


def _numbers(newer: Scored, older: Scored, target: str, first: int, second: int) -> bytes:
    figure, axes = new_figure(f"{target}: the same rows, predicted by version {first} and {second}", 6.4, 4.2)
    tolerance = float(np.sqrt(np.mean((older.predicted - older.truth) ** 2)))
    was, now = (np.abs(one.predicted - one.truth) <= tolerance for one in (older, newer))
    change = newer.predicted - older.predicted
    groups = (
        (was == now, GRAY, "as before"),
        (~was & now, GREEN, "wrong, becomes right"),
        (was & ~now, RED, "right, becomes wrong"),
    )
    for mask, color, label in groups:
        # Each group by itself: few flips among many rows must not be thinned away.
        rows = np.flatnonzero(mask)[thinned(int(mask.sum()))]
        axes.scatter(
            older.predicted[rows],
            change[rows],
            s=10,
            alpha=0.6,
            color=color,
            label=f"{label}: {mask.sum():,}",
        )
    axes.axhline(0.0, color=BLUE, linewidth=1.0)
    axes.set_xlabel(f"version {first}")
    axes.set_ylabel(f"change to version {second}")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, -0.12), ncols=3)
    return png(figure)


def _classes(newer: Scored, older: Scored, first: int, second: int) -> bytes:
    size = len(older.classes)
    counts = np.zeros((size, size))
    usable = (older.predicted >= 0) & (newer.predicted >= 0)
    np.add.at(counts, (older.predicted[usable].astype(int), newer.predicted[usable].astype(int)), 1)
    figure, axes = new_figure(
        f"Classes of the same rows, version {first} and {second}",
        max(4.6, 1.8 + 0.9 * size),
        2.0 + 0.7 * size,
    )
    axes.grid(visible=False)
    axes.imshow(
        counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1, aspect="auto"
    )
    if size <= 20:
        for row in range(size):
            for column in range(size):
                cell = (older.predicted == row) & (newer.predicted == column)
                text = f"{counts[row, column]:,.0f}"
                if row != column and counts[row, column]:
                    right, wrong = (int((cell & (older.truth == one)).sum()) for one in (column, row))
                    text += f"\n+{right:,} \N{MINUS SIGN}{wrong:,}"
                dark = counts[row, column] > 0.5 * counts[row].sum()
                axes.text(
                    column,
                    row,
                    text,
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark else "black",
                )
    axes.set_xticks(range(size), older.classes, rotation=45, ha="right")
    axes.set_yticks(range(size), older.classes)
    axes.set_xlabel(f"version {second} (+ becomes right, \N{MINUS SIGN} becomes wrong)")
    axes.set_ylabel(f"version {first}")
    return png(figure)
