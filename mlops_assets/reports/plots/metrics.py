"""Pictures of metrics: challenger, champion and baseline side by side, on the whole holdout and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mlops_assets.artifacts import Metrics
from mlops_assets.metrics import METRICS
from mlops_assets.reports.plots.canvas import BLUE, ORANGE, canvas, png

DIRECTIONS: Final = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearer to 0 is better",
}
LONGEST_BAR: Final = 2.5


def metric_bars(challenger: Metrics, champion: Metrics | None, naive: Metrics | None) -> bytes:
    """Each metric of the holdout, as a share of the champion's (or the baseline's) size: units do not matter.

    A bar has the sign of its metric and tells its value; one longer than `LONGEST_BAR` is cut there. A metric has no
    bars where the reference is 0 or was not measured.
    """
    known = {"challenger": challenger, "champion": champion, "naive baseline": naive}
    rows = {who: found for who, found in known.items() if found}
    whose = next(who for who in ("champion", "naive baseline", "challenger") if who in rows)
    reference = rows[whose]
    names = [
        name for name, value in reference.items() if np.isfinite(value) and value != 0 and name in challenger
    ]
    figure, axes = canvas(f"Holdout metrics beside the {whose}'s", 7.0, 1.5 + 0.55 * len(names))
    colours = {"challenger": ORANGE, "champion": BLUE, "naive baseline": "#9CA3AF"}
    height = 0.8 / len(rows)
    for place, (who, found) in enumerate(rows.items()):
        values = [found.get(name, np.nan) for name in names]
        lengths = np.array(values) / np.abs([reference[name] for name in names])
        across = np.arange(len(names)) + (place - (len(rows) - 1) / 2) * height
        bars = axes.barh(
            across, np.clip(lengths, -LONGEST_BAR, LONGEST_BAR), height, label=who, color=colours[who]
        )
        said = [f"{value:.3g}" if np.isfinite(value) else "" for value in values]
        axes.bar_label(bars, said, padding=2, fontsize=6.5)
    words = [f"{name}\n{DIRECTIONS[METRICS[name].direction]}" for name in names]
    axes.set_yticks(range(len(names)), words, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.1)
    axes.set_xlabel(
        f"share of the {whose}'s size (bars end at {LONGEST_BAR}); the numbers are the metrics", fontsize=9
    )
    figure.legend(frameon=False, fontsize=8, ncols=3, loc="outside lower center")
    axes.grid(visible=False, axis="y")
    return png(figure)


def by_slice(
    rows: Sequence[Mapping[str, Any]], metric: str, overall: float, champion: float | None = None
) -> bytes:
    """One metric per value of each sliced column, a panel per column, beside what it is on the whole holdout.

    rows: as in `Evaluation.slices`; those of other metrics are left out, and what is no finite number has no bar.
    """
    from matplotlib.figure import Figure

    panels: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["metric"] == metric:
            panels.setdefault(str(row["column"]), []).append(row)
    sizes = [len(found) + 1.5 for found in panels.values()]
    figure = Figure(figsize=(7.4, 1.2 + 0.27 * sum(sizes)), dpi=100, layout="constrained")
    direction = DIRECTIONS[METRICS[metric].direction]
    figure.suptitle(
        f"{metric} by slice, holdout ({direction})", x=0.01, ha="left", fontsize=11, fontweight="bold"
    )
    panes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=sizes)[:, 0]
    for axes, (column, found) in zip(panes, panels.items(), strict=True):
        places = np.arange(len(found))
        ours, theirs = (np.array([_number(row[who]) for row in found]) for who in ("challenger", "champion"))
        axes.barh(places, ours, height=0.62, color=ORANGE, label="challenger")
        axes.axvline(overall, color="black", linewidth=1.2, label=f"challenger on all rows: {overall:.4g}")
        if champion is not None:
            axes.scatter(theirs, places, marker="D", s=22, color=BLUE, zorder=3, label="champion")
            axes.axvline(
                champion,
                color=BLUE,
                linewidth=1.0,
                linestyle=":",
                label=f"champion on all rows: {champion:.4g}",
            )
        # a dollar sign would begin a formula
        names = [f"{row['value']} ({row['rows']:,} rows)".replace("$", r"\$") for row in found]
        axes.set_yticks(places, names, fontsize=8)
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
    """A stored number; NaN for what was not measured."""
    return float(value) if isinstance(value, int | float | str) else float("nan")
