"""Exponential smoothing: level, a damped trend and an additive season (Holt and Winters)."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from typing_extensions import override

from mlops_assets.model_file.algorithms.forecasting import ExponentialSmoothingParameters
from mlops_assets.training.algorithms.base.algorithm import Floats
from mlops_assets.training.algorithms.base.state_space import StateSpaceAlgorithm, season_of

DAMPING: Final = "damping_trend"
DAMPED: Final = 0.9
"""Where the second search for the damping of the trend begins; statsmodels' own begins near its bound of 0.98."""

EXPLODES: Final = 1e100
"""Parameters whose innovations reach this are far from the maximum, whatever the first state is."""


class ExponentialSmoothing(StateSpaceAlgorithm):
    """Additive smoothing in innovations form, by maximum likelihood; `season: 0` is without a season."""

    parameters = ExponentialSmoothingParameters

    def _model(self, series: Floats, others: Floats) -> Any:  # noqa: ARG002 - it has none
        return self._smoothing(series, "estimated")

    @override
    def _model_to_maximize(self, series: Floats, others: Floats) -> Any:
        """Return the model whose likelihood is already the largest over the first state.

        The first level, trend and season are `season + 1` parameters more, and a gradient costs a likelihood for each.
        """
        return self._smoothing(series, "concentrated")

    @override
    def _params(self, result: Any) -> Floats:
        """Return the parameters and the first state, whose seasons must add to 0: the last one is minus the others."""
        state: Floats = np.ravel(np.array(result.initial_state, dtype=np.float64))
        periods = result.model.seasonal_periods
        if periods:
            mean = state[-periods:].mean()
            state[0] += mean
            state = np.append(state[:-periods], state[-periods:-1] - mean)
        return np.concatenate([result.params, state])

    @override
    def _maximize(self, model: Any, start: Floats | None = None) -> Any:
        """Return the better of two maxima: damping often has one near 1, where statsmodels begins, and one below."""
        result = super()._maximize(model, start)
        if start is None and DAMPING in model.param_names:
            guess = np.array(model.start_params)
            guess[model.param_names.index(DAMPING)] = DAMPED
            other = super()._maximize(model, guess)
            result = max(result, other, key=lambda one: float(one.llf))
        return result

    def _smoothing(self, series: Floats, initial: Literal["estimated", "concentrated"]) -> Any:
        from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing as Model
        from statsmodels.tsa.statespace.kalman_filter import (
            MEMORY_CONSERVE,
            MEMORY_NO_FORECAST,
            MEMORY_NO_GAIN,
        )

        class Smoothing(Model):  # type: ignore[misc]  # statsmodels has no types
            """Exponential smoothing whose first state is the most likely one.

            statsmodels 0.15 leaves the damping out of its equation, and takes missing points for points without error.
            """

            def _compute_concentrated_states(
                self, params: Any, *arguments: Any, **options: Any
            ) -> tuple[float, float | None, Any]:
                options["conserve_memory"] = MEMORY_CONSERVE & ~(MEMORY_NO_FORECAST | MEMORY_NO_GAIN)
                super(Model, self).loglike(params, *arguments, **options)
                return first_state(self)

        season = season_of(self.name, self.params)
        trend = bool(self.params.get("trend", True))
        return Smoothing(
            series,
            trend=trend,
            damped_trend=trend and bool(self.params.get("damped", True)),
            seasonal=season if season > 1 else None,
            initialization_method=initial,
        )


def first_state(model: Any) -> tuple[float, float | None, Floats | None]:
    """Return the level, trend and season before the first point that are the most likely ones.

    Innovations are linear in them, so they are a weighted least squares solution (Rosenberg 1973; De Livera, Hyndman
    and Snyder 2011, Forecasting time series with complex seasonal patterns, equation 10).

    Args:
        model: statsmodels' model that has just filtered the series from a first state of zeros.

    Returns:
        Level, trend and season; None for parts that the model has not.
    """
    from scipy.sparse import csr_array

    filtered = model.ssm._kalman_filter
    errors: Floats = np.array(filtered.forecast_error[0])
    variances: Floats = np.array(filtered.forecast_error_cov[0, 0])
    gains: Floats = np.array(filtered.kalman_gain[:, 0])
    transition, design = np.array(model.ssm["transition"]), np.array(model.ssm["design"])[0]
    known = np.isfinite(model.endog[:, 0])
    first = transition[:, 1:]
    effects: Floats = np.empty((errors.size, first.shape[1]))
    if known.all():
        # Every step is the same, so that a row of the product is enough.
        step, row = transition - np.outer(gains[:, -1], design), design
        for point in range(errors.size):
            effects[point] = row @ first
            row = row @ step
    else:
        steps, moved = csr_array(transition), first
        for point in range(errors.size):
            effects[point] = design @ moved
            moved = steps @ moved - (np.outer(gains[:, point], effects[point]) if known[point] else 0.0)
    if not max(np.abs(effects).max(), np.abs(errors[known]).max()) < EXPLODES:
        state: Floats = np.zeros(first.shape[1])
    else:
        deviations = np.sqrt(variances[known])
        state = np.linalg.lstsq(effects[known] / deviations[:, None], errors[known] / deviations, rcond=None)[
            0
        ]
    periods = model.seasonal_periods or 0
    return float(state[0]), float(state[1]) if model.trend else None, state[-periods:] if periods else None
