"""The plot of a model over its versions: the primary metric of each on its holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlops_assets.metrics import METRICS
from mlops_assets.reports.plots.figure import BLUE, GRAY, GREEN, ORANGE, RED, new_figure, png
from mlops_assets.reports.plots.metrics import DIRECTIONS

COLORS: Final = {"champion": GREEN, "promoted": BLUE, "waits": ORANGE, "refused": RED, "kept": GRAY}
"""Color by what became of a version; `kept`: the champion of the time stayed."""


@dataclass(frozen=True, slots=True)
class VersionPoint:
    """One version: its metric on its holdout, interval and naive baseline where known, and what became of it."""

    version: int
    value: float
    low: float | None
    high: float | None
    naive: float | None
    state: str


def metric_over_versions(points: Sequence[VersionPoint], metric: str) -> bytes:
    """Draw the metric of every version with its interval, colored by what became of the version.

    Args:
        points: Versions, oldest first; at least one.
        metric: Name of the metric.

    Returns:
        PNG file.
    """
    figure, axes = new_figure(f"{metric} by version ({DIRECTIONS[METRICS[metric].direction]})", 7.6, 3.6)
    versions = np.array([point.version for point in points])
    values = np.array([point.value for point in points])
    naive = np.array([np.nan if point.naive is None else point.naive for point in points])
    if np.isfinite(naive).any():
        axes.plot(versions, naive, color=GRAY, linestyle=":", marker=".", label="naive baseline")
    for point in points:
        if point.low is not None and point.high is not None:
            axes.vlines(
                point.version, point.low, point.high, color=COLORS[point.state], linewidth=2.2, alpha=0.5
            )
    for state, color in COLORS.items():
        shown = np.array([point.state == state for point in points])
        if shown.any():
            axes.plot(versions[shown], values[shown], "o", color=color, markersize=8, label=state)
    step = max(1, len(points) // 15)
    axes.set_xticks(versions[::step], [f"v{version}" for version in versions[::step]], fontsize=8)
    axes.margins(x=0.08)
    axes.set_ylabel(metric)
    figure.legend(frameon=False, ncols=5, fontsize=8, loc="outside lower center")
    return png(figure)
