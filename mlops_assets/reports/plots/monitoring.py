"""Plots of a model in production: its error and coverage by window, its inputs by day."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mlops_assets.artifacts import DriftReport, PerformanceReport, WindowPerformance
from mlops_assets.metrics import METRICS
from mlops_assets.reports.plots.figure import BLUE, GRAY, ORANGE, RED, SKY, new_figure, png
from mlops_assets.reports.plots.metrics import DIRECTIONS

MOST_FEATURES: Final = 20
"""Features in the plot of drift, those that moved most."""
MOST_NUMBERS: Final = 12
"""Reports up to which each cell of that plot shows its number."""


def error_over_time(report: PerformanceReport, limit: float | None) -> bytes:
    """Draw the primary metric of each window, the naive forecast's, and that of the holdout.

    Args:
        report: The performance, its windows newest first.
        limit: The value from which the champion counts as worse; None where there is none.

    Returns:
        PNG file.
    """
    metric = report.primary
    windows = [one for one in reversed(report.windows) if metric in one.metrics or one.estimated is not None]
    direction = DIRECTIONS[METRICS[metric].direction]
    figure, axes = new_figure(f"{metric} in production, by window ({direction})", 7.6, 3.9)
    ends = _ends(windows)
    axes.plot(ends, [window.metrics.get(metric, np.nan) for window in windows], color=BLUE, linewidth=1.6)
    for name, marker, shown in (
        ("labels complete", "o", [window.is_mature for window in windows]),
        ("labels are arriving", "$\\circ$", [not window.is_mature for window in windows]),
    ):
        if any(shown):
            values = [
                window.metrics.get(metric, np.nan) if keep else np.nan
                for window, keep in zip(windows, shown, strict=True)
            ]
            axes.plot(ends, values, marker, color=BLUE, markersize=7, label=f"champion, {name}")
    naive = [window.naive.get(metric, np.nan) for window in windows]
    if np.isfinite(naive).any():
        axes.plot(ends, naive, color=GRAY, linestyle=":", marker=".", label="naive forecast")
    estimated = [np.nan if window.estimated is None else window.estimated for window in windows]
    if np.isfinite(estimated).any():
        axes.plot(ends, estimated, color=SKY, linestyle="--", marker="x", label="estimated before the labels")
    if report.baseline is not None:
        axes.axhline(report.baseline, color=ORANGE, linewidth=1.4, label="holdout, at the promotion")
    if limit is not None:
        axes.axhline(limit, color=RED, linestyle="--", linewidth=1.2, label="worse from here")
    axes.set_ylabel(metric)
    axes.set_xlabel("end of the window (UTC)")
    figure.legend(frameon=False, ncols=3, fontsize=8, loc="outside lower center")
    _dates(figure, axes, ends)
    return png(figure)


def coverage_over_time(report: PerformanceReport, level: float) -> bytes:
    """Draw the share of labels inside the prediction interval, by window.

    Args:
        report: The performance, its windows newest first.
        level: The share that the interval promises.

    Returns:
        PNG file.
    """
    windows = [window for window in reversed(report.windows) if window.coverage is not None]
    figure, axes = new_figure("Labels inside the prediction interval, by window", 7.6, 3.2)
    ends = _ends(windows)
    axes.plot(ends, [window.coverage for window in windows], color=BLUE, marker="o", label="in production")
    axes.axhline(level, color=ORANGE, linewidth=1.4, label=f"promised: {level:.0%}")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("end of the window (UTC)")
    figure.legend(frameon=False, ncols=2, fontsize=8, loc="outside lower center")
    _dates(figure, axes, ends)
    return png(figure)


def drift_over_time(reports: tuple[DriftReport, ...]) -> bytes:
    """Draw the movement of each feature as a share of its limit: one row per feature, one column per report.

    Args:
        reports: Drift reports of one champion, newest first; at least one.

    Returns:
        PNG file.
    """
    newest, history = reports[0], reports[::-1]
    features = [feature.feature for feature in newest.features][:MOST_FEATURES]
    shares = np.full((len(features), len(history)), np.nan)
    for column, report in enumerate(history):
        measured = {feature.feature: feature for feature in report.features}
        for row, name in enumerate(features):
            feature = measured.get(name)
            if feature is not None and feature.value is not None:
                shares[row, column] = feature.value / feature.statistics[feature.method].act
    figure, axes = new_figure(
        "Movement of the inputs, as a share of the limit (1: significant)", 7.6, 1.6 + 0.27 * len(features)
    )
    axes.grid(visible=False)
    shading = axes.imshow(np.clip(shares, 0, 1.5), cmap="YlOrRd", vmin=0, vmax=1.5, aspect="auto")
    if len(history) <= MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(shares):
            text = f"{value:.2f}" if np.isfinite(value) else "?"
            axes.text(column, row, text, ha="center", va="center", fontsize=7)
    axes.set_yticks(range(len(features)), [name.replace("$", r"\$") for name in features], fontsize=8)
    step = max(1, len(history) // 10)
    shown = range(0, len(history), step)
    dates = [f"{history[index].as_of:%m-%d}" for index in shown]
    axes.set_xticks(list(shown), dates, fontsize=8)
    axes.set_xlabel("day of the report; ?: not measurable")
    figure.colorbar(shading, ax=axes, fraction=0.03, pad=0.01)
    return png(figure)


def _ends(windows: list[WindowPerformance]) -> Any:
    return np.array([window.end.replace(tzinfo=None) for window in windows], dtype="datetime64[s]")


def _dates(figure: Any, axes: Any, ends: Any) -> None:
    """Label the windows themselves: ticks between them would be dates of nothing."""
    axes.set_xticks(ends)
    axes.set_xticklabels([str(end)[:16].replace("T", " ").removesuffix(" 00:00") for end in ends], fontsize=8)
    figure.autofmt_xdate(rotation=25)
