"""Plots of metrics: challenger, champion and baseline side by side, on the whole holdout and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mlops_assets.artifacts import Metrics
from mlops_assets.metrics import METRICS
from mlops_assets.reports.plots.figure import BLUE, ORANGE, new_figure, png

DIRECTIONS: Final = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearer to 0 is better",
}
LONGEST_BAR: Final = 2.5


def metric_bars(challenger: Metrics, champion: Metrics | None, naive: Metrics | None) -> bytes:
    """Draw each metric of the holdout relative to the champion's (or the baseline's): units do not matter.

    A bar has the sign of its metric and shows its value; one longer than `LONGEST_BAR` is cut there. A metric has no
    bars where the reference is 0 or was not measured.

    Args:
        challenger: Value by metric.
        champion: Value by metric; None without a champion.
        naive: Value by metric of the naive baseline; None without one.

    Returns:
        PNG file.
    """
    candidates = {"challenger": challenger, "champion": champion, "naive baseline": naive}
    measured = {owner: metrics for owner, metrics in candidates.items() if metrics}
    reference_owner = next(
        owner for owner in ("champion", "naive baseline", "challenger") if owner in measured
    )
    reference = measured[reference_owner]
    names = [
        name for name, value in reference.items() if np.isfinite(value) and value != 0 and name in challenger
    ]
    figure, axes = new_figure(
        f"Holdout metrics compared with the {reference_owner}'s", 7.0, 1.5 + 0.55 * len(names)
    )
    colors = {"challenger": ORANGE, "champion": BLUE, "naive baseline": "#9CA3AF"}
    height = 0.8 / len(measured)
    for index, (owner, metrics) in enumerate(measured.items()):
        values = [metrics.get(name, np.nan) for name in names]
        lengths = np.array(values) / np.abs([reference[name] for name in names])
        across = np.arange(len(names)) + (index - (len(measured) - 1) / 2) * height
        bars = axes.barh(
            across, np.clip(lengths, -LONGEST_BAR, LONGEST_BAR), height, label=owner, color=colors[owner]
        )
        labels = [f"{value:.3g}" if np.isfinite(value) else "" for value in values]
        axes.bar_label(bars, labels, padding=2, fontsize=6.5)
    labels = [f"{name}\n{DIRECTIONS[METRICS[name].direction]}" for name in names]
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.1)
    axes.set_xlabel(
        f"relative to the {reference_owner}'s (bars end at {LONGEST_BAR}); the numbers are the metrics",
        fontsize=9,
    )
    figure.legend(frameon=False, fontsize=8, ncols=3, loc="outside lower center")
    axes.grid(visible=False, axis="y")
    return png(figure)


def by_slice(
    rows: Sequence[Mapping[str, Any]], metric: str, overall: float, champion: float | None = None
) -> bytes:
    """Draw one metric per value of each sliced column, a panel per column, with its value on the whole holdout.

    Args:
        rows: As in `Evaluation.slices`; other metrics are left out, values that are not finite have no bar.
        metric: The metric to draw.
        overall: The challenger's value on the whole holdout.
        champion: The champion's, if there is one.

    Returns:
        PNG file.
    """
    from matplotlib.figure import Figure

    panels: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["metric"] == metric:
            panels.setdefault(str(row["column"]), []).append(row)
    sizes = [len(panel) + 1.5 for panel in panels.values()]
    figure = Figure(figsize=(7.4, 1.2 + 0.27 * sum(sizes)), dpi=100, layout="constrained")
    direction = DIRECTIONS[METRICS[metric].direction]
    figure.suptitle(
        f"{metric} by slice, holdout ({direction})", x=0.01, ha="left", fontsize=11, fontweight="bold"
    )
    panes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=sizes)[:, 0]
    for axes, (column, panel) in zip(panes, panels.items(), strict=True):
        positions = np.arange(len(panel))
        challenger_values, champion_values = (
            np.array([_number(row[owner]) for row in panel]) for owner in ("challenger", "champion")
        )
        axes.barh(positions, challenger_values, height=0.62, color=ORANGE, label="challenger")
        axes.axvline(overall, color="black", linewidth=1.2, label=f"challenger on all rows: {overall:.4g}")
        if champion is not None:
            axes.scatter(champion_values, positions, marker="D", s=22, color=BLUE, zorder=3, label="champion")
            axes.axvline(
                champion,
                color=BLUE,
                linewidth=1.0,
                linestyle=":",
                label=f"champion on all rows: {champion:.4g}",
            )
        # a dollar sign would begin a formula
        names = [f"{row['value']} ({row['rows']:,} rows)".replace("$", r"\$") for row in panel]
        axes.set_yticks(positions, names, fontsize=8)
        axes.tick_params(axis="x", labelbottom=True, labelsize=8)
        axes.invert_yaxis()
        axes.set_title(column.replace("$", r"\$"), loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, axis="x", color="#E5E7EB", linewidth=0.8)
        axes.set_axisbelow(True)
    figure.legend(
        *panes[0].get_legend_handles_labels(), frameon=False, fontsize=8, ncols=2, loc="outside lower center"
    )
    return png(figure)


def _number(value: Any) -> float:
    """Return a stored number; NaN for what was not measured."""
    return float(value) if isinstance(value, int | float | str) else float("nan")
