"""Metrics: numbers that say how good predictions are, and know which direction is better.

Comes in: `Scored` arrays (truth and predictions of the same rows). Goes out: one number per metric. Comparing two
models belongs to `evaluation`; whether a number is good enough is decided in `promotion`.

Each metric is one `Metric` object in `METRICS`; nothing else lists them. The model file accepts every name in it.
"""

from mlops_assets.lazy_numpy import Floats
from mlops_assets.metrics.catalogue import METRICS
from mlops_assets.metrics.influence import Influence
from mlops_assets.metrics.metric import Direction, Metric
from mlops_assets.metrics.scored import Bounds, Scored

__all__ = ["METRICS", "Bounds", "Direction", "Floats", "Influence", "Metric", "Scored"]
