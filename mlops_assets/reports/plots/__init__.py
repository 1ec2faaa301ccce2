"""Plots of an evaluation as PNG bytes.

Comes in: scored rows, SHAP values, metrics. Goes out: one PNG per name, each well below 80 KB. `selection` chooses the
plots of a model.
"""

from mlops_assets.reports.plots.classes import calibration, confusion
from mlops_assets.reports.plots.leakage import suspected_columns
from mlops_assets.reports.plots.metrics import by_slice, metric_bars
from mlops_assets.reports.plots.numbers import forecast, predicted_against_actual, residuals_over_time
from mlops_assets.reports.plots.shap import shap_bar, shap_force, shap_summary, shap_waterfall

__all__ = [
    "by_slice",
    "calibration",
    "confusion",
    "forecast",
    "metric_bars",
    "predicted_against_actual",
    "residuals_over_time",
    "shap_bar",
    "shap_force",
    "shap_summary",
    "shap_waterfall",
    "suspected_columns",
]
