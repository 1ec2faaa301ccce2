"""State space models: the quick models reach the likelihood of the whole ones, and short windows are not silent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.model_file.features import TIME, history_column
from mlops_assets.training.algorithms.base.algorithm import Floats
from mlops_assets.training.algorithms.base.kalman import StateSpace
from mlops_assets.training.algorithms.exponential_smoothing import ExponentialSmoothing
from mlops_assets.training.algorithms.sarimax import Sarimax

pytest.importorskip("statsmodels")

HOUR = 3_600.0
RNG = np.random.default_rng(3)
NOTHING = np.empty((240, 0))
DAILY: Floats = np.sin(np.arange(240) * np.pi / 12) + np.cumsum(0.3 * RNG.normal(size=240))


def gaps(series: Floats) -> Floats:
    return np.where(np.arange(series.size) % 37 == 5, np.nan, series)


@pytest.mark.parametrize(
    ("params", "at"),
    [
        ({"seasonal_order": [0, 1, 1, 24]}, [0.4, -0.2, -0.7, 0.1]),
        ({"order": [2, 0, 0], "seasonal_order": [1, 0, 0, 6]}, [0.5, 0.2, 0.3, 0.2]),
    ],
)
def test_sarimax_maximizes_the_likelihood_of_the_whole_model_with_fewer_states(
    params: dict[str, Any], at: list[float]
) -> None:
    model = Sarimax("forecasting", {"every": HOUR, **params})
    quick, whole = model._model_to_maximize(DAILY, NOTHING), model._model(DAILY, NOTHING)
    assert quick.loglike(at) == pytest.approx(whole.loglike(at), abs=1e-3)
    assert quick.k_states <= whole.k_states
    assert quick.k_states < 0.6 * whole.k_states or params["seasonal_order"][1] == 0
    assert model._model_to_maximize(gaps(DAILY), NOTHING).k_states == whole.k_states


@pytest.mark.parametrize("season", [0, 6])
@pytest.mark.parametrize("trend", [True, False])
@pytest.mark.parametrize("series", [DAILY, gaps(DAILY)], ids=["whole", "with gaps"])
def test_the_first_state_of_smoothing_is_the_most_likely_one(
    season: int, trend: bool, series: Floats
) -> None:
    """Any other first state is less likely; statsmodels' own equation leaves damping and gaps out."""
    model = ExponentialSmoothing("forecasting", {"every": HOUR, "season": season, "trend": trend})
    quick, whole = model._model_to_maximize(series, NOTHING), model._model(series, NOTHING)
    at = [0.6, *([0.5] if trend else []), *([0.05] if season else []), *([0.85] if trend else [])]
    params = model._params(quick.filter(at, cov_type="none"))
    best = whole.loglike(params)
    assert best == pytest.approx(quick.loglike(at), abs=1e-6)
    for index in range(len(at), len(params)):
        for step in (-0.05, 0.05):
            other = params.copy()
            other[index] += step
            assert whole.loglike(other) < best


def test_smoothing_is_as_likely_as_what_statsmodels_finds() -> None:
    model = ExponentialSmoothing("forecasting", {"every": HOUR, "season": 6})
    result = model._maximize(model._model_to_maximize(DAILY, NOTHING))
    whole = model._model(DAILY, NOTHING)
    reference = whole.fit(disp=False, maxiter=200, cov_type="none", warn_convergence=False)
    assert whole.loglike(model._params(result)) > reference.llf - 0.5


class TwoMaxima:
    """A model with a maximum near the bound of the damping, where statsmodels begins, and a higher one below it."""

    param_names: ClassVar = ["smoothing_level", "damping_trend"]
    start_params: ClassVar = (0.5, 0.98)

    def fit(self, start_params: Any = None, **_: Any) -> Any:
        begins = self.start_params if start_params is None else start_params
        return SimpleNamespace(llf=1.0 if begins[1] > 0.95 else 2.0, mle_retvals={"converged": True})


def test_smoothing_takes_the_higher_of_two_maxima() -> None:
    assert ExponentialSmoothing("forecasting")._maximize(TwoMaxima()).llf == 2.0


def test_a_covariance_after_many_steps_is_that_of_each_step_in_turn() -> None:
    system = StateSpace(np.ones(2), np.array([[1.0, 0.9], [0.0, 0.9]]), np.diag([0.1, 0.2]))
    covariance = np.eye(2)
    for steps in range(12):
        np.testing.assert_allclose(system.predict_covariance_after(np.eye(2), steps), covariance)
        covariance = system.predict_covariance(covariance)


def windows(series: Floats, steps: int) -> tuple[FeatureMatrix, Floats]:
    """Return rows that show the last `steps` points, and the next one."""
    rows = np.arange(steps - 1, series.size - 1)
    values = series[rows[:, None] - np.arange(steps)[None, ::-1]]
    names = (*(history_column("y", back) for back in range(steps - 1, -1, -1)), TIME)
    return FeatureMatrix(names, np.column_stack([values, rows * HOUR])), series[rows + 1]


def test_a_window_that_shows_less_than_the_training_did_warns_how_long_it_must_be() -> None:
    slow: Floats = np.cumsum(0.02 * RNG.normal(size=600)) + RNG.normal(size=600)
    model = ExponentialSmoothing("forecasting", {"every": HOUR, "season": 0, "trend": False, "ahead": 1})
    with pytest.warns(
        UserWarning, match=r"error is \d+% larger, because .* of 4 .*; \d+ steps keep"
    ) as record:
        model.fit(*windows(slow, 4))
    enough = int(str(record[0].message).split("; ")[1].split()[0])
    ExponentialSmoothing("forecasting", model.params).fit(*windows(slow, enough))
