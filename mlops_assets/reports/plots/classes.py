"""Plots of predicted classes: confusion matrix and calibration of the probabilities."""

from __future__ import annotations

import numpy as np

from mlops_assets.metrics import Scored
from mlops_assets.reports.plots.figure import BLUE, GRAY, GREEN, ORANGE, RED, SKY, new_figure, png


def confusion(scored: Scored, rows_of: str = "holdout rows") -> bytes:
    """Draw counts of true against predicted classes, shaded by share of the true class.

    Args:
        scored: Truth and predictions.
        rows_of: What the rows are, for the title.

    Returns:
        PNG file.
    """
    size = len(scored.classes)
    counts = np.zeros((size, size))
    usable = (scored.truth >= 0) & (scored.predicted >= 0)
    np.add.at(counts, (scored.truth[usable].astype(int), scored.predicted[usable].astype(int)), 1)
    row_shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure(
        f"True and predicted classes, {rows_of}", max(4.2, 1.8 + 0.8 * size), 1.6 + 0.7 * size
    )
    axes.grid(visible=False)
    axes.imshow(row_shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if size <= 20:
        for i, j in np.ndindex(size, size):
            ink = "white" if row_shares[i, j] > 0.55 else "black"
            axes.text(j, i, f"{counts[i, j]:,.0f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(size), scored.classes)
    axes.set_yticks(range(size), scored.classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return png(figure)


def calibration(scored: Scored, bins: int = 10) -> bytes:
    """Draw the observed share of a class against its predicted probability (a reliability diagram).

    Args:
        scored: Truth and predictions of the holdout.
        bins: Number of equal bins of the predicted probability.

    Returns:
        PNG file.
    """
    figure, axes = new_figure("Are the probabilities right? (holdout)", 5.6, 4.8)
    axes.plot([0, 1], [0, 1], color=GRAY, linestyle=":", label="perfect")
    probabilities = scored.probabilities if scored.probabilities is not None else np.empty((0, 0))
    shown = [len(scored.classes) - 1] if len(scored.classes) == 2 else range(min(len(scored.classes), 5))
    for code, color in zip(shown, (BLUE, ORANGE, GREEN, RED, SKY), strict=False):
        predicted, observed = probabilities[:, code], scored.truth == code
        cell = np.clip((predicted * bins).astype(int), 0, bins - 1)
        filled = [index for index in range(bins) if (cell == index).any()]
        axes.plot(
            [predicted[cell == index].mean() for index in filled],
            [observed[cell == index].mean() for index in filled],
            marker="o", markersize=5, color=color, label=scored.classes[code],
        )  # fmt: skip
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("observed share")
    axes.legend(frameon=False)
    return png(figure)
