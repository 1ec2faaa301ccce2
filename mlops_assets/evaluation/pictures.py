"""Pictures of an evaluation as PNG bytes, drawn without a screen and without pyplot's global state.

Comes in: scored rows, SHAP values, metrics. Goes out: one PNG per name, each well below 80 KB. Colours are those of
Okabe & Ito, told apart by people with colour vision deficiencies. What to draw for a model is `plotting`'s choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlops_assets.artifacts import Metrics
from mlops_assets.evaluation.explanation import ShapValues
from mlops_assets.evaluation.scoring import Floats, Scored
from mlops_assets.spec.evaluation import METRIC_CATALOGUE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B7280", "#56B4E9"
MOST_POINTS: Final = 1_200
MOST_LINES: Final = 150
MOST_FEATURES: Final = 12


def _canvas(title: str, width: float = 7.0, height: float = 4.2) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(96)
    buffer = BytesIO()
    drawn.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _thinned(count: int, most: int = MOST_POINTS) -> Any:
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(int)


def _interval_words(scored: Scored) -> str:
    level = scored.bounds.level if scored.bounds else float("nan")
    return f"{100 * level:g} % interval"


def predicted_against_actual(scored: Scored, target: str) -> bytes:
    """Each holdout row as a point, some of them with their interval; the diagonal is perfection."""
    figure, axes = _canvas(f"Predicted against actual {target}, holdout", 5.6, 5.0)
    rows = _thinned(scored.truth.size)
    if scored.bounds is not None:
        some = _thinned(scored.truth.size, MOST_LINES)
        sides = scored.bounds.low[some], scored.bounds.high[some]
        words = f"{_interval_words(scored)} of {some.size} rows"
        axes.vlines(scored.truth[some], *sides, color=ORANGE, alpha=0.4, linewidth=0.8, label=words)
    axes.scatter(
        scored.truth[rows], scored.predicted[rows], s=9, alpha=0.45, color=BLUE, edgecolors="none", zorder=2
    )
    seen = np.concatenate([scored.truth, scored.predicted])
    seen = seen[np.isfinite(seen)]
    if seen.size:
        ends = [float(seen.min()), float(seen.max())]
        axes.plot(ends, ends, color=RED, linewidth=1.2, label="predicted = actual")
        axes.legend(frameon=False)
    axes.set_xlabel(f"actual {target}")
    axes.set_ylabel(f"predicted {target}")
    return _png(figure)


def residuals_over_time(scored: Scored, when: Sequence[Any] | None, target: str) -> bytes:
    """Error of each holdout row in order, with its running mean."""
    figure, axes = _canvas(f"Error over time (predicted - actual {target}), holdout", 7.6, 3.8)
    error = scored.predicted - scored.truth
    rows = _thinned(error.size)
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
    return _png(figure)


def forecast(
    scored: Scored, when: Sequence[Any] | None, target: str, rows: int = 300, *, about: str = ""
) -> bytes:
    """The newest holdout rows: actual, predicted with its interval as a band, and the naive forecast.

    about: what all rows are about, where the model knows several.
    """
    shown = min(rows, scored.truth.size)
    of = f" of {about}" if about else ""
    figure, axes = _canvas(f"{target}{of}: actual and predicted, newest {shown} holdout rows", 7.6, 3.9)
    newest = slice(-rows, None)
    across: Any = list(when)[newest] if when is not None else np.arange(scored.truth.size)[newest]
    if scored.bounds is not None:
        sides = scored.bounds.low[newest], scored.bounds.high[newest]
        axes.fill_between(
            across, *sides, color=ORANGE, alpha=0.22, linewidth=0, label=_interval_words(scored)
        )
    if scored.naive is not None:
        axes.plot(across, scored.naive[newest], color=GREY, linewidth=0.9, linestyle=":", label="naive")
    axes.plot(across, scored.truth[newest], color="black", linewidth=1.3, label="actual")
    axes.plot(across, scored.predicted[newest], color=ORANGE, linewidth=1.3, label="predicted")
    axes.set_ylabel(target)
    figure.legend(frameon=False, ncols=4, fontsize=8, loc="outside lower center")
    if when is not None:
        figure.autofmt_xdate(rotation=25)
    return _png(figure)


def _top(shap: ShapValues) -> Any:
    return np.argsort(-np.abs(shap.values).mean(axis=0), kind="stable")[:MOST_FEATURES]


def shap_bar(shap: ShapValues) -> bytes:
    """Mean size of SHAP values, largest first."""
    top = _top(shap)[::-1]
    figure, axes = _canvas(
        f"What moves the predictions (SHAP, {shap.values.shape[0]} rows)", 7.0, 1.4 + 0.3 * top.size
    )
    axes.barh([shap.names[place] for place in top], np.abs(shap.values).mean(axis=0)[top], color=BLUE)
    axes.set_xlabel("mean |SHAP value| (an association, not causal)")
    axes.grid(visible=False, axis="y")
    return _png(figure)


def shap_summary(shap: ShapValues, seed: int = 0) -> bytes:
    """Beeswarm: one point per row and feature, coloured by the feature's value."""
    top = _top(shap)[::-1]
    figure, axes = _canvas(
        "How each feature moves the predictions (SHAP summary)", 7.4, 1.6 + 0.34 * top.size
    )
    rows = _thinned(shap.values.shape[0], 300)
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
    return _png(figure)


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
    figure, axes = _canvas(f"One {answer} taken apart (SHAP)", 7.2, 1.5 + 0.32 * len(steps))
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
    return _png(figure)


def shap_force(shap: ShapValues, row: int) -> bytes:
    """One row on one line: what raises the answer beside what lowers it."""
    figure, axes = _canvas("One prediction: what raises and what lowers it (SHAP force)", 7.6, 2.3)
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
    return _png(figure)


def confusion(scored: Scored) -> bytes:
    """Counts of true against predicted classes, shaded by share of the true class."""
    known = scored.classes
    size = len(known)
    counts = np.zeros((size, size))
    usable = (scored.truth >= 0) & (scored.predicted >= 0)
    np.add.at(counts, (scored.truth[usable].astype(int), scored.predicted[usable].astype(int)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _canvas(
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
    return _png(figure)


def calibration(scored: Scored, bins: int = 10) -> bytes:
    """How often things happen that the model gives a probability to."""
    figure, axes = _canvas("Are the probabilities right? (holdout)", 5.6, 4.8)
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
    return _png(figure)


def metric_bars(challenger: Metrics, champion: Metrics | None, naive: Metrics | None) -> bytes:
    """Each metric of the holdout as a share of the champion's (or the baseline's), so that units do not matter."""
    others: Mapping[str, Metrics] = {
        name: found
        for name, found in (("champion", champion), ("naive baseline", naive))
        if found is not None
    }
    reference = champion or naive or challenger
    names = [
        name for name, value in reference.items() if np.isfinite(value) and value != 0 and name in challenger
    ]
    whose = "champion" if champion else "naive baseline"
    figure, axes = _canvas(f"Holdout metrics as a share of the {whose}'s", 7.0, 1.5 + 0.55 * len(names))
    rows = {"challenger": challenger, **others}
    colours = {"challenger": ORANGE, "champion": BLUE, "naive baseline": "#9CA3AF"}
    height = 0.8 / len(rows)
    for place, (who, found) in enumerate(rows.items()):
        lengths = [abs(found.get(name, np.nan) / reference[name]) for name in names]
        across = np.arange(len(names)) + (place - (len(rows) - 1) / 2) * height
        axes.barh(across, np.minimum(lengths, 2.5), height, label=who, color=colours[who])
    arrows = {"lower": "lower is better", "higher": "higher is better", "zero": "nearer to 0 is better"}
    words = [f"{name}\n{arrows[METRIC_CATALOGUE[name].better]}" for name in names]
    axes.set_yticks(range(len(names)), words, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("share of the reference (bars end at 2.5)")
    figure.legend(frameon=False, fontsize=8, ncols=3, loc="outside lower center")
    axes.grid(visible=False, axis="y")
    return _png(figure)


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
    better = METRIC_CATALOGUE[metric].better
    direction = {"lower": "lower is better", "higher": "higher is better", "zero": "nearer to 0 is better"}[
        better
    ]
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
    return _png(figure)


def _number(value: Any) -> float:
    """A stored number; NaN for what was not measured."""
    return float(value) if isinstance(value, int | float | str) else float("nan")
