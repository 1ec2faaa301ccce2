"""Which features move a model's predictions, and by how much: SHAP values of a bounded sample in a bounded time.

Comes in: a fitted model, feature rows, and how many seconds are left. Goes out: a ranking (`Explanation`) and the
values behind it for plots. A SHAP value is an association inside the model, not a cause in the world.

Exact methods come first (`native_shap`); everything else is estimated (`permutation_shap`). A few rows are explained
first, then as many as the time left allows at the speed that was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from mlops_assets import live_progress
from mlops_assets.artifacts import Explanation, FeatureMatrix, Predictor
from mlops_assets.evaluation.explainer import MIN_ROWS, Explainer, ShapArrays
from mlops_assets.evaluation.native_shap import native_explainer
from mlops_assets.evaluation.permutation_shap import (
    BACKGROUND_ROWS,
    permutation_explainer,
    prediction_function,
)
from mlops_assets.metrics import Floats
from mlops_assets.metrics.areas import midranks
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import parse_history_column

MAX_GROWTH: Final = 8
"""No block is more than this many times larger than all before it: a speed measured on a few rows is a guess."""
TIME_SHARE: Final = 0.8
"""Share of the time left that a block may be expected to take."""
SHORTENED: Final = "as many as the time of the training paid for"


@dataclass(frozen=True, slots=True)
class ShapValues:
    """SHAP values and the inputs they explain, both (rows, features); `base` is the prediction before any feature.

    For classifiers the values explain one class: the positive one of two, or the class predicted for the row.

    Attributes:
        unit: What base and values add up to where that is not the prediction itself, such as ', in log-odds'.
    """

    names: tuple[str, ...]
    values: Floats
    inputs: Floats
    base: Floats
    method: str
    unit: str = ""


def no_time_limit() -> float:
    """Return more seconds than anyone needs."""
    return 1e9


def explain(
    spec: ModelSpec,
    predictor: Predictor,
    train: pl.DataFrame,
    test: pl.DataFrame,
    seconds_left: Callable[[], float] = no_time_limit,
) -> ShapValues:
    """Compute SHAP values of at most `evaluation.shap_rows` rows of `test`, against `train`.

    The rows begin an order that the seed alone decides: less time means fewer of them, never others, and never fewer
    than MIN_ROWS. Rows x classes x features in memory are bounded, and so is what a forest may cost.

    Args:
        spec: The model file.
        predictor: The model.
        train: Training rows.
        test: Holdout rows.
        seconds_left: Returns the seconds left; called many times.

    Returns:
        Values of shape (rows, features), with base values and inputs.

    Raises:
        Exception: Whatever the model raises while predicting.
    """
    rng = np.random.default_rng(spec.training.seed)
    sample = predictor.matrix(_shuffled(test, spec.evaluation.shap_rows, rng))
    return _explain_sample(spec, predictor, sample, lambda: predictor.matrix(train).values, rng, seconds_left)


def explain_rows(
    spec: ModelSpec,
    predictor: Predictor,
    rows: pl.DataFrame,
    background: FeatureMatrix,
    seconds_left: Callable[[], float] = no_time_limit,
) -> ShapValues:
    """Compute SHAP values of a few rows, in their order: why these predictions and no others.

    Args:
        spec: The model file.
        predictor: The model.
        rows: Feature rows.
        background: Rows to compare with, such as the sample in the bundle.
        seconds_left: Returns the seconds left; called many times.

    Returns:
        Values of shape (rows, features), with base values and inputs.

    Raises:
        Exception: Whatever the model raises while predicting.
    """
    rng = np.random.default_rng(spec.training.seed)
    matrix = predictor.matrix(rows)
    return _explain_sample(spec, predictor, matrix, lambda: background.values, rng, seconds_left)


def _explain_sample(
    spec: ModelSpec,
    predictor: Predictor,
    sample: FeatureMatrix,
    train: Callable[[], Floats],
    rng: np.random.Generator,
    seconds_left: Callable[[], float],
) -> ShapValues:
    native = getattr(predictor.estimator, "native", predictor.estimator)
    columns = {name: [index] for index, name in enumerate(sample.names)}
    explainer = native_explainer(
        predictor.estimator,
        native,
        sample.values,
        len(predictor.classes) or 1,
        lambda: train().mean(axis=0),
    )
    unit = _unit(spec, predictor, native) if explainer else ""
    if explainer is None:
        columns = _groups(sample.names)
        background = train()
        background = background[rng.permutation(len(background))[:BACKGROUND_ROWS]]
        predict = prediction_function(predictor, sample.names)
        explainer = permutation_explainer(predict, background, list(columns.values()), rng, seconds_left)
    values, base = _explain_in_time(explainer, sample.values, seconds_left)
    rows = sample.values[: len(values)][:, [indices[0] for indices in columns.values()]]
    requested = sample.values.shape[0]
    count = (
        f"{requested:,} rows"
        if len(rows) == requested
        else f"{len(rows):,} of {requested:,} rows: {SHORTENED}"
    )
    return ShapValues(tuple(columns), values, rows, base, f"{explainer.method}{unit}, {count}", unit)


def _explain_in_time(explainer: Explainer, rows: Floats, seconds_left: Callable[[], float]) -> ShapArrays:
    """Explain block by block, as long as the time left allows another. Only one output per row is kept."""
    parts: list[ShapArrays] = []
    done, size = 0, min(explainer.first_rows, explainer.max_rows)
    while True:
        before = seconds_left()
        parts.append(_one_class(*explainer.explain(rows[done : done + size])))
        explained = len(parts[-1][0])
        done += explained
        rest, now = len(rows) - done, seconds_left()
        live_progress.show(f"SHAP: {done:,} of {len(rows):,} rows, at most {max(0.0, now):.0f} s left")
        per_row = (before - now) / max(explained, 1)
        affordable = int(TIME_SHARE * now / per_row) if per_row > 0 else rest
        size = min(rest, max(affordable, MIN_ROWS - done), MAX_GROWTH * done, explainer.max_rows)
        enough = done >= min(MIN_ROWS, len(rows)) and size < min(MIN_ROWS, rest, explainer.max_rows)
        if enough or not rest:
            return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _unit(spec: ModelSpec, predictor: Predictor, native: Any) -> str:
    """Return what exact values add up to, where that is not the prediction itself."""
    if predictor.classes:
        return ", in log-odds" if _in_log_odds(native) else ""
    scale = getattr(predictor.estimator, "target_transform", "none")
    return "" if scale == "none" else f", in units of {scale}({spec.target})"


def _groups(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Column indices by what they are explained as.

    The steps of a column's recent past belong together, newest first; any other column stands alone.
    """
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        past = parse_history_column(name)
        groups.setdefault(f"{past[0]} (recent past)" if past else name, []).append(index)
    return groups


def ranking(values: ShapValues) -> Explanation:
    """Return the mean absolute SHAP value per feature, largest first.

    Args:
        values: SHAP values.

    Returns:
        Features with their sizes, and the method.
    """
    sizes = np.abs(values.values).mean(axis=0) if values.values.size else np.zeros(len(values.names))
    order = np.argsort(-sizes, kind="stable")
    ranked = tuple((values.names[index], float(sizes[index])) for index in order)
    return Explanation(values.method, int(values.values.shape[0]), ranked)


def importance_correlation(challenger: Explanation | None, champion: Explanation | None) -> float | None:
    """Compute the Spearman correlation of two rankings over the features of either; absent ones count 0.

    Constant importances, as of a single feature, agree when they are the same feature.

    Args:
        challenger: Ranking of the new model; None when it was not explained.
        champion: Ranking of the model in production; None when it was not explained.

    Returns:
        The correlation from -1 to 1; None without two rankings.
    """
    if challenger is None or champion is None:
        return None
    sizes_of = [dict(challenger.ranking), dict(champion.ranking)]
    names = sorted(sizes_of[0] | sizes_of[1])
    if not names:
        return None
    pair = [midranks(np.array([sizes.get(name, 0.0) for name in names])) for sizes in sizes_of]
    if any(np.ptp(ranks) == 0 for ranks in pair):
        return 1.0 if sizes_of[0].keys() == sizes_of[1].keys() else 0.0
    return float(np.corrcoef(pair[0], pair[1])[0, 1])


def _in_log_odds(native: Any) -> bool:
    """Boosted trees and linear models add up to log-odds, forests to probabilities."""
    return not any(name in type(native).__name__ for name in ("Forest", "ExtraTrees", "DecisionTree"))


def _one_class(values: Floats, base: Floats) -> tuple[Floats, Floats]:
    """From (rows, outputs, features) to (rows, features): the last of two outputs, else the strongest of the row."""
    if values.shape[1] <= 2:
        return values[:, -1, :], base[:, -1]
    chosen = np.argmax(base + values.sum(axis=2), axis=1)
    rows = np.arange(values.shape[0])
    return values[rows, chosen], base[rows, chosen]


def _shuffled(frame: pl.DataFrame, max_rows: int, rng: np.random.Generator) -> pl.DataFrame:
    sample: pl.DataFrame = frame[rng.permutation(frame.height)[:max_rows].tolist()]
    return sample
