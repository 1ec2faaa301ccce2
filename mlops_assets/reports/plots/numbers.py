"""Plots of predicted numbers: against the actual ones, their error over time, a forecast with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mlops_assets.metrics import Scored
from mlops_assets.reports.plots.figure import BLUE, GRAY, ORANGE, RED, new_figure, png, thinned

MAX_LINES: Final = 150
"""Intervals drawn as lines."""


def _interval_name(scored: Scored) -> str:
    level = scored.bounds.level if scored.bounds else float("nan")
    return f"{100 * level:g} % interval"


def predicted_against_actual(scored: Scored, target: str) -> bytes:
    """Draw each holdout row as a point, some of them with their interval; on the diagonal, predictions are perfect.

    Args:
        scored: Truth and predictions of the holdout.
        target: Name of the target column.

    Returns:
        PNG file.
    """
    figure, axes = new_figure(f"Predicted against actual {target}, holdout", 5.6, 5.0)
    rows = thinned(scored.truth.size)
    if scored.bounds is not None:
        some = thinned(scored.truth.size, MAX_LINES)
        sides = scored.bounds.low[some], scored.bounds.high[some]
        label = f"{_interval_name(scored)} of {some.size} rows"
        axes.vlines(scored.truth[some], *sides, color=ORANGE, alpha=0.4, linewidth=0.8, label=label)
    axes.scatter(
        scored.truth[rows], scored.predicted[rows], s=9, alpha=0.45, color=BLUE, edgecolors="none", zorder=2
    )
    values = np.concatenate([scored.truth, scored.predicted])
    values = values[np.isfinite(values)]
    if values.size:
        ends = [float(values.min()), float(values.max())]
        axes.plot(ends, ends, color=RED, linewidth=1.2, label="predicted = actual")
        axes.legend(frameon=False)
    axes.set_xlabel(f"actual {target}")
    axes.set_ylabel(f"predicted {target}")
    return png(figure)


def residuals_over_time(scored: Scored, when: Sequence[Any] | None, target: str) -> bytes:
    """Draw the error of each holdout row in order, with its running mean.

    Args:
        scored: Truth and predictions of the holdout.
        when: Instants of the rows; None for their order.
        target: Name of the target column.

    Returns:
        PNG file.
    """
    figure, axes = new_figure(f"Error over time (predicted - actual {target}), holdout", 7.6, 3.8)
    error = scored.predicted - scored.truth
    rows = thinned(error.size)
    across: Any = np.array(when)[rows] if when is not None else rows
    axes.scatter(across, error[rows], s=6, alpha=0.3, color=BLUE, edgecolors="none", label="one reading")
    window = max(error.size // 50, 1)
    if np.isfinite(error).all() and error.size > window:
        mean = np.convolve(error, np.ones(window) / window, mode="same")
        axes.plot(across, mean[rows], color=RED, linewidth=1.6, label=f"mean of {window} readings")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xlabel("time (UTC)" if when is not None else "holdout row")
    axes.set_ylabel(f"error, in units of {target}")
    axes.legend(frameon=False, loc="upper right", fontsize=8)
    if when is not None:
        figure.autofmt_xdate(rotation=25)
    return png(figure)


def forecast(
    scored: Scored,
    when: Sequence[Any] | None,
    target: str,
    rows: int = 300,
    *,
    entity: str = "",
    rows_of: str = "holdout rows",
) -> bytes:
    """Draw the newest rows: actual, predicted with its interval as a band, and the naive forecast.

    Args:
        scored: Scored rows in order.
        when: Timestamps of the rows.
        target: Name of the target.
        rows: How many of the newest are drawn.
        entity: The entity of all rows, where the model has several.
        rows_of: What the rows are, for the title.

    Returns:
        PNG file.
    """
    shown = min(rows, scored.truth.size)
    of = f" of {entity}" if entity else ""
    figure, axes = new_figure(f"{target}{of}: actual and predicted, newest {shown} {rows_of}", 7.6, 3.9)
    newest = slice(-rows, None)
    across: Any = list(when)[newest] if when is not None else np.arange(scored.truth.size)[newest]
    if scored.bounds is not None:
        sides = scored.bounds.low[newest], scored.bounds.high[newest]
        axes.fill_between(across, *sides, color=ORANGE, alpha=0.22, linewidth=0, label=_interval_name(scored))
    if scored.naive is not None:
        axes.plot(across, scored.naive[newest], color=GRAY, linewidth=0.9, linestyle=":", label="naive")
    axes.plot(across, scored.truth[newest], color="black", linewidth=1.3, label="actual")
    axes.plot(across, scored.predicted[newest], color=ORANGE, linewidth=1.3, label="predicted")
    axes.set_ylabel(target)
    figure.legend(frameon=False, ncols=4, fontsize=8, loc="outside lower center")
    if when is not None:
        figure.autofmt_xdate(rotation=25)
    return png(figure)
