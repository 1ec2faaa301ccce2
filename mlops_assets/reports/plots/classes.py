"""Pictures of predicted classes: which are taken for which, and whether the probabilities are right."""

from __future__ import annotations

import numpy as np

from mlops_assets.metrics import Scored
from mlops_assets.reports.plots.canvas import BLUE, GREEN, GREY, ORANGE, RED, SKY, canvas, png


def confusion(scored: Scored) -> bytes:
    """Counts of true against predicted classes, shaded by share of the true class."""
    known = scored.classes
    size = len(known)
    counts = np.zeros((size, size))
    usable = (scored.truth >= 0) & (scored.predicted >= 0)
    np.add.at(counts, (scored.truth[usable].astype(int), scored.predicted[usable].astype(int)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = canvas(
        "True and predicted classes, holdout rows", max(4.2, 1.8 + 0.8 * size), 1.6 + 0.7 * size
    )
    axes.grid(visible=False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if size <= 20:
        for i, j in np.ndindex(size, size):
            ink = "white" if shares[i, j] > 0.55 else "black"
            axes.text(j, i, f"{counts[i, j]:,.0f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(size), known)
    axes.set_yticks(range(size), known)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return png(figure)


def calibration(scored: Scored, bins: int = 10) -> bytes:
    """How often things happen that the model gives a probability to."""
    figure, axes = canvas("Are the probabilities right? (holdout)", 5.6, 4.8)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="perfect")
    shares = scored.probabilities if scored.probabilities is not None else np.empty((0, 0))
    shown = [len(scored.classes) - 1] if len(scored.classes) == 2 else range(min(len(scored.classes), 5))
    for kind, colour in zip(shown, (BLUE, ORANGE, GREEN, RED, SKY), strict=False):
        given, happened = shares[:, kind], scored.truth == kind
        cell = np.clip((given * bins).astype(int), 0, bins - 1)
        filled = [index for index in range(bins) if (cell == index).any()]
        axes.plot(
            [given[cell == index].mean() for index in filled],
            [happened[cell == index].mean() for index in filled],
            marker="o", markersize=5, color=colour, label=scored.classes[kind],
        )  # fmt: skip
    axes.set_xlabel("probability given")
    axes.set_ylabel("share that happened")
    axes.legend(frameon=False)
    return png(figure)
