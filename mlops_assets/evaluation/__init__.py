"""Evaluation of models: all metrics, paired comparison with the champion, explanation.

Comes in: loaded models (`Predictor`) and feature rows. Goes out: an `Evaluation`, an `Explanation`.
Fitting belongs to `training`; whether the numbers are good enough is decided in `promotion`.
"""

from mlops_assets.artifacts import Evaluation
from mlops_assets.evaluation.assessment import evaluate, measure
from mlops_assets.evaluation.clusters import dependence_of
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.delivery import delivery
from mlops_assets.evaluation.explanation import (
    ShapValues,
    explain,
    explain_rows,
    importance_correlation,
    ranking,
)
from mlops_assets.evaluation.flips import flips
from mlops_assets.evaluation.importance_drift import importance_drift
from mlops_assets.evaluation.improvement import gain_scale, relative_improvement
from mlops_assets.evaluation.later import later_rows, scored_pair
from mlops_assets.evaluation.scoring import in_order, known_classes, score
from mlops_assets.evaluation.sequential import spent_confidence

__all__ = [
    "Evaluation",
    "ShapValues",
    "compare",
    "delivery",
    "dependence_of",
    "evaluate",
    "explain",
    "explain_rows",
    "flips",
    "gain_scale",
    "importance_correlation",
    "importance_drift",
    "in_order",
    "known_classes",
    "later_rows",
    "measure",
    "ranking",
    "relative_improvement",
    "score",
    "scored_pair",
    "spent_confidence",
]
