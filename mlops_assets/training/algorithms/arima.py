"""ARIMA of one series; order (1, 1, 1) unless the model file says otherwise."""

from __future__ import annotations

from typing import Any

from mlops_assets.model_file.algorithms.forecasting import ArimaParameters
from mlops_assets.training.algorithms.base.algorithm import Floats
from mlops_assets.training.algorithms.base.state_space import StateSpaceAlgorithm


class Arima(StateSpaceAlgorithm):
    """Autoregression, differences and moving average, by maximum likelihood."""

    parameters = ArimaParameters

    def _model(self, series: Floats, others: Floats) -> Any:  # noqa: ARG002 - it has none
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        return SARIMAX(series, order=tuple(self.params.get("order", (1, 1, 1))))
