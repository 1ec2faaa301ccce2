"""Pictures of SHAP values: what moves the predictions, over many rows and in one of them.

A SHAP value is an association inside the model, not a cause in the world; each picture says so.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mlops_assets.evaluation.explanation import ShapValues
from mlops_assets.metrics import Floats
from mlops_assets.reports.plots.canvas import BLUE, GREY, RED, canvas, png, thinned

MOST_FEATURES: Final = 12


def _top(shap: ShapValues) -> Any:
    return np.argsort(-np.abs(shap.values).mean(axis=0), kind="stable")[:MOST_FEATURES]


def shap_bar(shap: ShapValues) -> bytes:
    """Mean size of SHAP values, largest first."""
    top = _top(shap)[::-1]
    figure, axes = canvas(
        f"What moves the predictions (SHAP, {shap.values.shape[0]} rows)", 7.0, 1.4 + 0.3 * top.size
    )
    axes.barh([shap.names[place] for place in top], np.abs(shap.values).mean(axis=0)[top], color=BLUE)
    axes.set_xlabel("mean |SHAP value| (an association, not causal)")
    axes.grid(visible=False, axis="y")
    return png(figure)


def shap_summary(shap: ShapValues, seed: int = 0) -> bytes:
    """Beeswarm: one point per row and feature, coloured by the feature's value."""
    top = _top(shap)[::-1]
    figure, axes = canvas("How each feature moves the predictions (SHAP summary)", 7.4, 1.6 + 0.34 * top.size)
    rows = thinned(shap.values.shape[0], 300)
    for height, place in enumerate(top):
        values, inputs = shap.values[rows, place], shap.inputs[rows, place]
        low, high = np.nanpercentile(inputs, [5, 95]) if np.isfinite(inputs).any() else (0.0, 1.0)
        shade = np.clip((inputs - low) / (high - low), 0, 1) if high > low else np.full(inputs.shape, 0.5)
        axes.scatter(
            values,
            height + _spread(values, seed),
            c=shade,
            cmap="viridis",
            vmin=0,
            vmax=1,
            s=9,
            edgecolors="none",
        )
    axes.set_yticks(range(top.size), [shap.names[place] for place in top])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("SHAP value: push on the prediction (association, not causal)")
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap="viridis"), ax=axes, ticks=[0, 1], pad=0.01, aspect=40)
    bar.set_ticklabels(["low", "high"])
    bar.set_label("value of the feature", fontsize=8)
    return png(figure)


def _spread(values: Floats, seed: int) -> Floats:
    """Vertical offsets that are wide where many values lie together."""
    counts, edges = np.histogram(values, bins=40)
    dense = counts[np.clip(np.digitize(values, edges[1:-1]), 0, 39)] / max(int(counts.max()), 1)
    offsets: Floats = np.random.default_rng(seed).uniform(-0.38, 0.38, values.size) * dense
    return offsets


def shap_waterfall(shap: ShapValues, row: int, answer: str = "prediction") -> bytes:
    """One row: from the base value, feature by feature, to the answer."""
    order = np.argsort(-np.abs(shap.values[row]), kind="stable")
    shown, rest = order[:MOST_FEATURES], order[MOST_FEATURES:]
    inputs = shap.inputs[row]
    steps = [
        (f"{shap.names[place]} = {inputs[place]:.4g}", float(shap.values[row, place])) for place in shown
    ]
    if rest.size:
        steps.append((f"{rest.size} more", float(shap.values[row, rest].sum())))
    figure, axes = canvas(f"One {answer} taken apart (SHAP)", 7.2, 1.5 + 0.32 * len(steps))
    level = float(shap.base[row])
    for place, (_, step) in enumerate(steps):
        axes.barh(place, step, left=level, color=RED if step > 0 else BLUE, height=0.65)
        level += step
    axes.set_yticks(range(len(steps)), [name for name, _ in steps])
    axes.invert_yaxis()
    axes.axvline(float(shap.base[row]), color=GREY, linestyle=":", linewidth=1)
    axes.use_sticky_edges = False
    axes.set_xlabel(
        f"{shap.base[row]:.4g} (base) to {level:.4g}{shap.unit}; red raises, blue lowers; not causal"
    )
    return png(figure)


def shap_force(shap: ShapValues, row: int) -> bytes:
    """One row on one line: what raises the answer beside what lowers it."""
    figure, axes = canvas("One prediction: what raises and what lowers it (SHAP force)", 7.6, 2.3)
    answer = float(shap.base[row] + shap.values[row].sum())
    for sign, colour in ((1, RED), (-1, BLUE)):
        edge = answer
        pushing = [
            place for place in np.argsort(-np.abs(shap.values[row])) if sign * shap.values[row, place] > 0
        ]
        for count, place in enumerate(pushing[:8]):
            size = float(abs(shap.values[row, place]))
            axes.barh(0, -sign * size, left=edge, color=colour, alpha=0.85, edgecolor="white", height=0.5)
            if count < 3:
                place_text = (edge - sign * size / 2, 0.36 + 0.22 * count)
                axes.text(*place_text, shap.names[place], ha="center", fontsize=7.5, color=colour)
            edge -= sign * size
    axes.axvline(answer, color="black", linewidth=1.2)
    axes.set_ylim(-0.4, 1.1)
    axes.set_yticks([])
    axes.set_xlabel(
        f"answer {answer:.4g} (black), base {shap.base[row]:.4g}{shap.unit}; red raises, blue lowers; not causal"
    )
    return png(figure)
