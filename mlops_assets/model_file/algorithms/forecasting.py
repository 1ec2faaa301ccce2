"""Parameters of the algorithms that forecast from `features.history`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from mlops_assets.model_file.algorithms.parameters import (
    AlgorithmParameters,
    Fraction,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Problem,
)

LONGEST_SEASON: Final = 200
Season = Annotated[int, Field(ge=0, le=LONGEST_SEASON)]
"""Points of a season: a longer one makes a state space that no computer fits in time."""
Order = tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]
Exogenous = list[str] | dict[str, str | None]
"""Columns, or for each column the one that says what it will be at the instant forecast."""


class ForecastingParameters(AlgorithmParameters):
    """What they all have: how far they look ahead, set from `features` unless the file says otherwise."""

    problems: ClassVar[tuple[Problem, ...]] = ("forecasting",)
    needs_history: ClassVar[bool] = True

    ahead: PositiveInt | None = None
    """Steps from a row's instant to the instant forecast."""


class SeriesParameters(ForecastingParameters):
    """Of one series, on an even grid."""

    many_series: ClassVar[bool] = False

    every: Positive | None = None
    """Seconds of a step."""


class SeasonalNaiveParameters(ForecastingParameters):
    """The value one season before."""

    name: ClassVar[str] = "seasonal_naive"

    every: Positive | None = None
    """Seconds of a step."""
    season: PositiveInt | None = None
    """Points of a season; by default those usual for the step: hourly 24, half-hourly 48, daily 7, weekly 52,
    monthly 12, quarterly 4, else 7 with a warning."""


class RecursiveParameters(ForecastingParameters):
    """Another algorithm, step by step."""

    name: ClassVar[str] = "recursive"

    every: Positive | None = None
    """Seconds of a step."""
    exogenous: Exogenous | None = None
    lags: PositiveInt | None = None
    """Values of the target before a row's instant that one step is learned from; 14 by default."""
    algorithm: str | None = None
    """The algorithm inside; ridge by default."""
    params: dict[str, Any] | None = None
    """Of the algorithm inside."""


class ExponentialSmoothingParameters(SeriesParameters):
    """Holt and Winters."""

    name: ClassVar[str] = "exponential_smoothing"
    modules: ClassVar[tuple[str, ...]] = ("statsmodels",)
    extra: ClassVar[str | None] = "forecast"

    damped: bool | None = None
    max_iter: PositiveInt | None = None
    season: Season | None = None
    """Points of a season, 0 for none; the default follows from the step, as for `seasonal_naive`."""
    trend: bool | None = None


class ArimaParameters(SeriesParameters):
    """ARIMA."""

    name: ClassVar[str] = "arima"
    modules: ClassVar[tuple[str, ...]] = ("statsmodels",)
    extra: ClassVar[str | None] = "forecast"

    max_iter: PositiveInt | None = None
    order: Order | None = None
    """Autoregression, differences, moving average; 1, 1, 1 by default."""


class SarimaxParameters(ArimaParameters):
    """Seasonal ARIMA with exogenous columns."""

    name: ClassVar[str] = "sarimax"

    exogenous: Exogenous | None = None
    seasonal_order: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, Season] | None = None
    """The same for seasons, and the points of one; 0, 1, 1 and the season usual for the step by default."""


class ProphetParameters(SeriesParameters):
    """Prophet."""

    name: ClassVar[str] = "prophet"
    modules: ClassVar[tuple[str, ...]] = ("prophet",)
    extra: ClassVar[str | None] = "prophet"

    changepoint_prior_scale: Positive | None = None
    changepoint_range: Fraction | None = None
    growth: Literal["linear", "flat"] | None = None
    n_changepoints: NonNegativeInt | None = None
    regressors: list[str] | None = None
    """Columns that are known for the instant forecast."""
    seasonality_mode: Literal["additive", "multiplicative"] | None = None
    seasonality_prior_scale: Positive | None = None


FORECASTING_ALGORITHMS: Final = (
    SeasonalNaiveParameters,
    RecursiveParameters,
    ExponentialSmoothingParameters,
    ArimaParameters,
    SarimaxParameters,
    ProphetParameters,
)
