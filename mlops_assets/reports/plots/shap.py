"""Plots of SHAP values: what moves the predictions, over many rows and in one of them.

A SHAP value is an association inside the model, not a cause in the world; each plot says so.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mlops_assets.evaluation.explanation import ShapValues
from mlops_assets.metrics import Floats
from mlops_assets.reports.plots.figure import BLUE, GRAY, RED, new_figure, png, thinned

MAX_FEATURES: Final = 12


def _top(shap: ShapValues) -> Any:
    return np.argsort(-np.abs(shap.values).mean(axis=0), kind="stable")[:MAX_FEATURES]


def shap_bar(shap: ShapValues) -> bytes:
    """Draw the mean absolute SHAP value of the features, largest first.

    Args:
        shap: SHAP values, shape (rows, features), with base values and inputs.

    Returns:
        PNG file.
    """
    top = _top(shap)[::-1]
    figure, axes = new_figure(
        f"What moves the predictions (SHAP, {shap.values.shape[0]} rows)", 7.0, 1.4 + 0.3 * top.size
    )
    axes.barh([shap.names[feature] for feature in top], np.abs(shap.values).mean(axis=0)[top], color=BLUE)
    axes.set_xlabel("mean |SHAP value| (an association, not causal)")
    axes.grid(visible=False, axis="y")
    return png(figure)


def shap_summary(shap: ShapValues, seed: int = 0) -> bytes:
    """Draw a beeswarm: one point per row and feature, colored by the feature's value.

    Args:
        shap: SHAP values, shape (rows, features), with base values and inputs.
        seed: Seed of the vertical jitter.

    Returns:
        PNG file.
    """
    top = _top(shap)[::-1]
    figure, axes = new_figure(
        "How each feature moves the predictions (SHAP summary)", 7.4, 1.6 + 0.34 * top.size
    )
    rows = thinned(shap.values.shape[0], 300)
    for height, feature in enumerate(top):
        values, inputs = shap.values[rows, feature], shap.inputs[rows, feature]
        low, high = np.nanpercentile(inputs, [5, 95]) if np.isfinite(inputs).any() else (0.0, 1.0)
        shade = np.clip((inputs - low) / (high - low), 0, 1) if high > low else np.full(inputs.shape, 0.5)
        axes.scatter(
            values,
            height + _offsets(values, seed),
            c=shade,
            cmap="viridis",
            vmin=0,
            vmax=1,
            s=9,
            edgecolors="none",
        )
    axes.set_yticks(range(top.size), [shap.names[feature] for feature in top])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("SHAP value: push on the prediction (association, not causal)")
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(cmap="viridis"), ax=axes, ticks=[0, 1], pad=0.01, aspect=40)
    bar.set_ticklabels(["low", "high"])
    bar.set_label("value of the feature", fontsize=8)
    return png(figure)


def _offsets(values: Floats, seed: int) -> Floats:
    """Vertical offsets, wide where many values lie close together."""
    counts, edges = np.histogram(values, bins=40)
    dense = counts[np.clip(np.digitize(values, edges[1:-1]), 0, 39)] / max(int(counts.max()), 1)
    offsets: Floats = np.random.default_rng(seed).uniform(-0.38, 0.38, values.size) * dense
    return offsets


def shap_waterfall(shap: ShapValues, row: int) -> bytes:
    """Draw one row: from the base value, feature by feature, to the prediction.

    Args:
        shap: SHAP values, shape (rows, features), with base values and inputs.
        row: Index into the rows of `shap`.

    Returns:
        PNG file.
    """
    order = np.argsort(-np.abs(shap.values[row]), kind="stable")
    shown, rest = order[:MAX_FEATURES], order[MAX_FEATURES:]
    inputs = shap.inputs[row]
    steps = [
        (f"{shap.names[feature]} = {inputs[feature]:.4g}", float(shap.values[row, feature]))
        for feature in shown
    ]
    if rest.size:
        steps.append((f"{rest.size} more", float(shap.values[row, rest].sum())))
    figure, axes = new_figure(
        "Contributions to one prediction (SHAP waterfall)", 7.2, 1.5 + 0.32 * len(steps)
    )
    level = float(shap.base[row])
    for position, (_, step) in enumerate(steps):
        axes.barh(position, step, left=level, color=RED if step > 0 else BLUE, height=0.65)
        level += step
    axes.set_yticks(range(len(steps)), [name for name, _ in steps])
    axes.invert_yaxis()
    axes.axvline(float(shap.base[row]), color=GRAY, linestyle=":", linewidth=1)
    axes.use_sticky_edges = False
    axes.set_xlabel(
        f"{shap.base[row]:.4g} (base) to {level:.4g}{shap.unit}; red raises, blue lowers; not causal"
    )
    return png(figure)


def shap_force(shap: ShapValues, row: int) -> bytes:
    """Draw one row on one line: what raises the prediction and what lowers it.

    Args:
        shap: SHAP values, shape (rows, features), with base values and inputs.
        row: Index into the rows of `shap`.

    Returns:
        PNG file.
    """
    figure, axes = new_figure("One prediction: what raises and what lowers it (SHAP force)", 7.6, 2.3)
    prediction = float(shap.base[row] + shap.values[row].sum())
    for sign, color in ((1, RED), (-1, BLUE)):
        edge = prediction
        pushing = [
            feature
            for feature in np.argsort(-np.abs(shap.values[row]))
            if sign * shap.values[row, feature] > 0
        ]
        for count, feature in enumerate(pushing[:8]):
            size = float(abs(shap.values[row, feature]))
            axes.barh(0, -sign * size, left=edge, color=color, alpha=0.85, edgecolor="white", height=0.5)
            if count < 3:
                position = (edge - sign * size / 2, 0.36 + 0.22 * count)
                axes.text(*position, shap.names[feature], ha="center", fontsize=7.5, color=color)
            edge -= sign * size
    axes.axvline(prediction, color="black", linewidth=1.2)
    axes.set_ylim(-0.4, 1.1)
    axes.set_yticks([])
    axes.set_xlabel(
        f"prediction {prediction:.4g} (black), base {shap.base[row]:.4g}{shap.unit}; "
        "red raises, blue lowers; not causal"
    )
    return png(figure)
