"""Seasonal ARIMA with exogenous columns; orders (1, 1, 1)(0, 1, 1, season) unless the model file says otherwise.

```yaml
algorithms: [{sarimax: {exogenous: {ad_spend: ad_spend_planned, price: price_planned}}}]
```

says which column holds, when the forecast is made, what a column will be at the instant forecast. A list of columns
instead means that nobody knows, and that they stay what they are.
"""

from __future__ import annotations

from typing import Any

from mlops_assets.model_file.algorithms.forecasting import SarimaxParameters
from mlops_assets.training.algorithms.base.algorithm import Floats
from mlops_assets.training.algorithms.base.season import default_season
from mlops_assets.training.algorithms.base.state_space import StateSpaceAlgorithm


class Sarimax(StateSpaceAlgorithm):
    """Regression on exogenous columns whose errors are a seasonal ARIMA, by maximum likelihood."""

    parameters = SarimaxParameters

    def _model(self, series: Floats, others: Floats) -> Any:
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        seasonal_order = self.params.get("seasonal_order") or (
            *(0, 1, 1),
            default_season(f"{self.name}.seasonal_order", self.params),
        )
        return SARIMAX(
            series,
            exog=others if others.shape[1] else None,
            order=tuple(self.params.get("order", (1, 1, 1))),
            seasonal_order=tuple(seasonal_order),
        )
