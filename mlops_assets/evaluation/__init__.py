"""Judging models: metrics, paired comparison with the champion, explanation, plots.

Comes in: loaded models (`Predictor`) and feature rows. Goes out: an `Evaluation`, an `Explanation`, pictures.
Fitting belongs to `training`; whether the numbers are good enough is `promotion`'s question.
"""

from mlops_assets.artifacts import Evaluation
from mlops_assets.evaluation.assessment import evaluate, measure
from mlops_assets.evaluation.comparison import compare, relative_improvement, spent_confidence
from mlops_assets.evaluation.explanation import ShapValues, explain, importance_correlation, ranking
from mlops_assets.evaluation.intervals import INTERVAL_METRICS
from mlops_assets.evaluation.metrics import METRICS
from mlops_assets.evaluation.plotting import plots

__all__ = [
    "INTERVAL_METRICS",
    "METRICS",
    "Evaluation",
    "ShapValues",
    "compare",
    "evaluate",
    "explain",
    "importance_correlation",
    "measure",
    "plots",
    "ranking",
    "relative_improvement",
    "spent_confidence",
]
