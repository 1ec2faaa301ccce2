"""Seasonal ARIMA with exogenous columns; orders (1, 1, 1)(0, 1, 1, season) unless the model file says otherwise.

```yaml
algorithms: [{sarimax: {exogenous: {ad_spend: ad_spend_planned, price: price_planned}}}]
```

says which column holds, when the forecast is made, what a column will be at the instant forecast. A list of columns
instead means that nobody knows, and that they stay what they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import override

from mlops_assets.model_file.algorithms.forecasting import SarimaxParameters
from mlops_assets.training.algorithms.base.algorithm import Floats
from mlops_assets.training.algorithms.base.season import default_season
from mlops_assets.training.algorithms.base.state_space import StateSpaceAlgorithm


class Sarimax(StateSpaceAlgorithm):
    """Regression on exogenous columns whose errors are a seasonal ARIMA, by maximum likelihood."""

    parameters = SarimaxParameters

    def _model(self, series: Floats, others: Floats) -> Any:
        return self._sarimax(series, others)

    @override
    def _model_to_maximize(self, series: Floats, others: Floats) -> Any:
        """Return the model of the differences, which has the same likelihood and half the states.

        The differences are stationary, so that Chandrasekhar's recursions apply (Herbst 2015, Using the Chandrasekhar
        recursions for likelihood evaluation of DSGE models): with a season of 48 a likelihood costs a tenth. A missing
        point would become up to four missing differences, and the recursions need every point.
        """
        model = self._sarimax(series, others)
        if not np.isfinite(series).all() or len(series) < 2 * model.k_states:
            return model
        model = self._sarimax(series, others, simple_differencing=True)
        model.ssm.filter_chandrasekhar = True
        return model

    def _sarimax(self, series: Floats, others: Floats, **options: bool) -> Any:
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
            **options,
        )
