"""Fit the winning recipe again on all rows, with the hyperparameters and rounds that the holdout judged.

Comes in: the judged fit, its split, and the feature table. Goes out: a `Refit`: the fit to serve, and a `RefitCheck`
that compares it with the judged one. A refit that cannot be trusted is no exception: its `problem` says why, the judged
fit stays in its place, and `promotion` refuses the version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets import features, training
from mlops_assets.artifacts import FeatureMatrix, RefitCheck, Split, class_labels
from mlops_assets.errors import TrainingError
from mlops_assets.lifecycle.predictor import BundlePredictor, interval_of
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.training import AlgorithmChoice

SMALLEST_SCALE: Final = 0.05
"""Of the target's standard deviation: next to an almost perfect judged fit, rounding is not a distance."""


@dataclass(frozen=True, slots=True)
class Refit:
    """A refit: the predictor to serve (the judged one where there is a problem), its rows, and the check."""

    served: BundlePredictor
    rows: pl.DataFrame
    check: RefitCheck


def wants_refit(spec: ModelSpec) -> bool:
    """Return whether the winner is fitted again on all rows: `training.refit`, else for splits by time.

    Args:
        spec: The model file.

    Returns:
        True when a refit follows the evaluation.
    """
    wanted = spec.training.refit
    return features.strategy(spec) == "temporal" if wanted is None else wanted


def refit(
    spec: ModelSpec,
    frame: pl.DataFrame,
    split: Split,
    judged: BundlePredictor,
    progress: Callable[[str], None],
    seconds: float,
) -> Refit:
    """Fit the judged recipe on every row with a target, and compare both fits on the holdout.

    Args:
        spec: The model file.
        frame: The feature table that the split was taken from.
        split: The rows that the judged fit was trained, chosen and is judged on.
        judged: The winner.
        progress: Called with one sentence.
        seconds: What is left of the time limit.

    Returns:
        The refit and its check.
    """
    rows = features.labeled(spec, frame)
    params = judged.estimator.fixed_params()
    times = rows[spec.timestamp] if spec.timestamp else None
    until = times.max() if times is not None else None
    check = RefitCheck(
        rows=rows.height,
        until=until if isinstance(until, datetime) else None,
        params=params,
        distance=None,
        limit=spec.training.refit_distance,
    )
    progress(f"fitting {judged.algorithm} again on all {rows.height:,} rows")
    served, problem = judged, ""
    try:
        served = _fitted(spec, rows, judged, params, seconds)
        difference, problem = _difference(spec, split, judged, served)
        check = replace(check, distance=difference)
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the judged fit stands and the version is refused
        problem = str(error) or type(error).__name__
    if not problem and check.distance is not None and check.distance > check.limit:
        problem = (
            f"its predictions of the holdout differ from the judged ones by {check.distance:.3g} times the judged "
            f"fit's error, more than training.refit_distance ({check.limit:g})"
        )
    if problem:
        problem = f"the refit on all {rows.height:,} rows cannot be served: {problem}"
        progress(problem)
        return Refit(judged, rows, replace(check, problem=problem))
    # The judged fit was not fitted on these rows: its errors there are honest, and wide enough for a fit on more rows.
    unseen = pl.concat([split.validation, split.test], how="vertical_relaxed")
    return Refit(replace(served, interval=interval_of(spec, judged, unseen)), rows, check)


def _fitted(
    spec: ModelSpec, rows: pl.DataFrame, judged: BundlePredictor, params: dict[str, Any], seconds: float
) -> BundlePredictor:
    # A column that the judged fit left out is no part of the recipe, though it may have values by now.
    preparation = features.fit_preparation(
        spec, rows, past=judged.estimator.uses_history, without=judged.preparation.dropped
    )
    matrix, target = preparation.apply(rows), rows[spec.target]
    nothing = FeatureMatrix(matrix.names, np.empty((0, len(matrix.names))))
    [fitted] = training.fit_all(
        spec,
        training.FitRows(matrix, target, nothing, target.clear()),
        choices=(AlgorithmChoice(name=judged.algorithm, params=params),),
        deadline_seconds=seconds,
    )
    if fitted.model is None:
        reason = f"{fitted.status.replace('_', ' ')}: {fitted.message}"
        if fitted.status == "timed_out":
            reason += "; raise training.time_limit, or set 'training.refit: false'"
        raise TrainingError(reason)
    return BundlePredictor(preparation, fitted.model)


def _difference(
    spec: ModelSpec, split: Split, judged: BundlePredictor, served: BundlePredictor
) -> tuple[float | None, str]:
    """Return how far the refit's predictions of the holdout are from the judged ones, and what forbids to compare them.

    The distance is a root mean square, in units of the judged fit's own error there. Above 2, the refit is farther from
    the truth than the judged fit on rows that it has even learned from (triangle inequality).
    """
    if set(served.feature_names) != set(judged.feature_names):
        other = sorted(set(served.feature_names) ^ set(judged.feature_names))
        return None, f"it takes other columns than the judged fit: {', '.join(other)}"
    if served.classes != judged.classes:
        return (
            None,
            f"it knows the classes {', '.join(served.classes)}, the judged fit {', '.join(judged.classes)}",
        )
    before, after = _outputs(judged, split.test), _outputs(served, split.test)
    if not np.isfinite(after).all():
        count = int((~np.isfinite(after).all(axis=1)).sum())
        return None, f"{count:,} of {len(after):,} predictions of the holdout are not finite"
    truth = _truth(spec, judged, split.test)
    error = _size(before - truth)
    scale = max(error, SMALLEST_SCALE * _size(truth - truth.mean(axis=0)))
    moved = _size(after - before)
    return (0.0 if moved == 0.0 else moved / scale if scale else float("inf")), ""


def _outputs(predictor: BundlePredictor, rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return probabilities (rows, classes), or numbers (rows, 1)."""
    probabilities = predictor.probabilities(rows)
    if probabilities is not None:
        return probabilities
    return np.asarray(predictor.predict(rows), dtype=np.float64)[:, None]


def _truth(spec: ModelSpec, predictor: BundlePredictor, rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return the target as numbers (rows, 1), or 1 in the column of each row's class."""
    target = rows[spec.target]
    if not predictor.classes:
        return target.cast(pl.Float64).to_numpy()[:, None]
    labels = class_labels(target).to_list()
    return np.array([[label == name for name in predictor.classes] for label in labels], dtype=np.float64)


def _size(values: NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).sum(axis=1).mean()))
