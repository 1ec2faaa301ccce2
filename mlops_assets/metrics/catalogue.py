"""Every metric by its name. A new metric is one `Metric` object and its line here (or in the tuple of its file)."""

from __future__ import annotations

from typing import Final

from mlops_assets.metrics.areas import AREA_METRICS
from mlops_assets.metrics.classes import CLASS_METRICS
from mlops_assets.metrics.intervals import INTERVAL_METRICS
from mlops_assets.metrics.metric import Metric
from mlops_assets.metrics.numbers import NUMBER_METRICS
from mlops_assets.metrics.probabilities import PROBABILITY_METRICS

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        *NUMBER_METRICS,
        *INTERVAL_METRICS,
        *CLASS_METRICS,
        *AREA_METRICS,
        *PROBABILITY_METRICS,
    )
}
