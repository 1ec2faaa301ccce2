"""The plots of an evaluation, by the type of problem.

Comes in: models, split and `Evaluation`. Goes out: PNG bytes by name; a plot that cannot be drawn is left out, and the
evaluation goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from mlops_assets.artifacts import Evaluation, Predictor, Split
from mlops_assets.evaluation.assessment import classes_of, score_parts
from mlops_assets.evaluation.baseline import baseline
from mlops_assets.evaluation.explanation import ShapValues
from mlops_assets.evaluation.scoring import in_order
from mlops_assets.metrics import Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports import plots


def draw_plots(
    spec: ModelSpec,
    challenger: Predictor,
    champion: Predictor | None,
    split: Split,
    evaluation: Evaluation,
    shap: ShapValues | None,
    suspected: Sequence[str] = (),
) -> dict[str, bytes]:
    """Return PNG bytes by name (without `.png`), in the order in which a report shows them.

    Args:
        spec: The model file.
        challenger: The challenger.
        champion: The champion, if there is one.
        split: The rows of all parts.
        evaluation: What was measured.
        shap: SHAP values of the challenger, if it was explained.
        suspected: Columns that the leakage checks suspect.

    Returns:
        PNG file by name.
    """
    naive_baseline = baseline(spec, split, classes_of(spec, split, challenger, champion))
    scored = score_parts(spec, challenger, split, naive_baseline)["test"]
    frame = in_order(spec, split.test)
    when = frame[spec.timestamp].to_list() if spec.timestamp in frame.columns and spec.timestamp else None
    champion_metrics = evaluation.champion["test"] if evaluation.champion else None
    plotters: dict[str, Callable[[], bytes]] = {
        "metrics": lambda: plots.metric_bars(
            evaluation.challenger["test"], champion_metrics, evaluation.baseline["test"]
        )
    }
    if suspected:
        plotters["suspected_columns"] = lambda: plots.suspected_columns(split.train, suspected, spec.target)
    if spec.problem == "classification":
        plotters["confusion_matrix"] = lambda: plots.confusion(scored)
        if scored.probabilities is not None:
            plotters["calibration"] = lambda: plots.calibration(scored)
    else:
        plotters["predicted_vs_actual"] = lambda: plots.predicted_against_actual(scored, spec.target)
        plotters["residuals"] = lambda: plots.residuals_over_time(scored, when, spec.target)
        if spec.problem == "forecasting":
            plotters["forecast"] = lambda: _forecast(spec, scored, frame, when)
    if evaluation.slices:
        primary = spec.evaluation.primary
        plotters["error_by_slice"] = lambda: plots.by_slice(
            evaluation.slices,
            primary,
            evaluation.challenger["test"][primary],
            champion_metrics[primary] if champion_metrics else None,
        )
    if shap is not None:
        plotters["feature_importance"] = lambda: plots.shap_bar(shap)
        plotters["shap_summary"] = lambda: plots.shap_summary(shap)
        plotters["shap_waterfall"] = lambda: plots.shap_waterfall(shap, shap.values.shape[0] - 1)
        plotters["shap_force"] = lambda: plots.shap_force(shap, shap.values.shape[0] - 1)
    drawn: dict[str, bytes] = {}
    for name, draw in plotters.items():
        try:
            drawn[name] = draw()
        except Exception:
            logging.getLogger(__name__).warning(
                "%s: the plot %s could not be drawn", spec.name, name, exc_info=True
            )
    return drawn


def _forecast(spec: ModelSpec, scored: Scored, frame: pl.DataFrame, when: list[Any] | None) -> bytes:
    """Return the forecast of one entity where there are several: lines that jump between entities show nothing."""
    if spec.entity is None or frame.is_empty():
        return plots.forecast(scored, when, spec.target)
    entity = frame[spec.entity][-1]
    rows = (frame[spec.entity] == entity).arg_true().to_numpy()
    times = [when[row] for row in rows] if when is not None else None
    return plots.forecast(scored.subset(rows), times, spec.target, entity=str(entity))
