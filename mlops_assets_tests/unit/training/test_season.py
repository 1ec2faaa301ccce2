"""The default season is that of the step: hourly readings repeat after a day, not after seven hours."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.model_file.features import TIME, history_column
from mlops_assets.training.algorithms.base.season import usual_season

Floats = NDArray[np.float64]
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


@pytest.mark.parametrize(
    ("step", "points"),
    [
        (HOUR, 24),
        (HOUR / 2, 48),
        (DAY, 7),
        (7 * DAY, 52),
        *((days * DAY, 12) for days in (28, 30, 30.4375, 31)),
        *((days * DAY, 4) for days in (90, 91, 91.3125, 92)),
        *((step, None) for step in (1.0, 600.0, 2 * HOUR, 2 * DAY, 14 * DAY, 365 * DAY)),
    ],
)
def test_the_season_follows_from_the_step(step: float, points: int | None) -> None:
    assert usual_season(step) == points


def matrix(step: float, steps: int = 60, rows: int = 90) -> tuple[FeatureMatrix, Floats]:
    """Rows of a line that rises by 1 per point, and the point after each."""
    at = np.arange(steps, steps + rows)
    names = (*(history_column("y", back) for back in range(steps)), TIME)
    values = np.column_stack([at[:, None] - np.arange(steps), at * step]).astype(np.float64)
    return FeatureMatrix(names, values), (at + 1).astype(np.float64)


@pytest.mark.parametrize(("step", "points"), [(HOUR, 24), (HOUR / 2, 48), (DAY, 7), (7 * DAY, 52)])
def test_seasonal_naive_predicts_the_value_one_usual_season_before(step: float, points: int) -> None:
    features, target = matrix(step)
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", {"every": step}).fit(features, target)
    np.testing.assert_array_equal(model.predict(features), target - points)
    np.testing.assert_array_equal(type(model).load(model.dump()).predict(features), target - points)


def test_a_season_of_the_model_file_has_priority() -> None:
    features, target = matrix(HOUR)
    params = {"every": HOUR, "season": 5}
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", params).fit(features, target)
    np.testing.assert_array_equal(model.predict(features), target - 5)


@pytest.mark.parametrize("params", [{"every": 600.0}, {}])
def test_a_step_without_a_usual_season_warns_and_takes_seven_points(params: dict[str, Any]) -> None:
    features, target = matrix(600.0)
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", params)
    with pytest.warns(UserWarning, match=r"a season of 7 points is assumed; set seasonal_naive\.season"):
        model.fit(features, target)
    np.testing.assert_array_equal(model.predict(features), target - 7)


def test_a_window_shorter_than_the_season_warns() -> None:
    features, target = matrix(HOUR, steps=12)
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", {"every": HOUR})
    with pytest.warns(
        UserWarning, match=r"12 steps has no point .* 24 points .* raise features\.history\.steps"
    ):
        model.fit(features, target)
    np.testing.assert_array_equal(model.predict(features), target.mean())


def test_a_model_stored_without_its_season_keeps_seven_points() -> None:
    features, target = matrix(HOUR)
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", {"every": HOUR}).fit(features, target)
    earlier = json.dumps({"mean": 0.0}).encode()
    loaded = type(model).load({**model.dump(), "model.json": earlier})
    np.testing.assert_array_equal(loaded.predict(features), target - 7)


@pytest.mark.parametrize(("step", "points"), [(HOUR, 24), (30 * DAY, 12), (91 * DAY, 4)])
def test_state_space_models_take_the_usual_season_too(step: float, points: int) -> None:
    pytest.importorskip("statsmodels")
    from mlops_assets.training.algorithms.exponential_smoothing import ExponentialSmoothing
    from mlops_assets.training.algorithms.sarimax import Sarimax

    series: Floats = np.sin(np.arange(100.0))
    nothing = np.empty((100, 0))
    smoothing = ExponentialSmoothing("forecasting", {"every": step})._model(series, nothing)
    assert smoothing.seasonal_periods == points
    assert Sarimax("forecasting", {"every": step})._model(series, nothing).seasonal_order == (0, 1, 1, points)
    own = Sarimax("forecasting", {"every": step, "seasonal_order": [1, 0, 0, 6]})
    assert own._model(series, nothing).seasonal_order == (1, 0, 0, 6)
