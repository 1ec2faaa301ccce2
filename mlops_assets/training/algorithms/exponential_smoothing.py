"""Exponential smoothing: level, a damped trend and an additive season (Holt and Winters)."""

from __future__ import annotations

from typing import Any

from mlops_assets.model_file.algorithms.forecasting import ExponentialSmoothingParameters
from mlops_assets.training.algorithms.base.algorithm import Floats
from mlops_assets.training.algorithms.base.state_space import StateSpaceAlgorithm, season_of


class ExponentialSmoothing(StateSpaceAlgorithm):
    """Additive smoothing in innovations form, by maximum likelihood; `season: 0` is without a season."""

    parameters = ExponentialSmoothingParameters

    def _model(self, series: Floats, others: Floats) -> Any:  # noqa: ARG002 - it has none
        from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing as Model

        season = season_of(self.name, self.params)
        trend = bool(self.params.get("trend", True))
        return Model(
            series,
            trend=trend,
            damped_trend=trend and bool(self.params.get("damped", True)),
            seasonal=season if season > 1 else None,
        )
