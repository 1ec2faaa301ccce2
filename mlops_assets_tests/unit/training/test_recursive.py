"""Step by step: the answer is that of the recursion by hand, and plans are looked up where they lie."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import TrainingError
from mlops_assets.model_file.algorithms import WRAPPED
from mlops_assets.model_file.features import TIME, history_column
from mlops_assets.model_file.training import AlgorithmChoice
from mlops_assets.training import Algorithm

Floats = NDArray[np.float64]
HOUR: Final = 3_600.0
STEPS: Final = 12
AHEAD: Final = 4
PARAMS: Final[dict[str, Any]] = {"algorithm": "linear", "lags": 2, "ahead": AHEAD, "every": HOUR}
CHANNELS: Final = ("y", "x", "x_planned")
PLANNED: Final = {**PARAMS, "exogenous": {"x": "x_planned"}}


def process(points: int = 500, seed: int = 3, level: float = 10.0) -> tuple[Floats, Floats]:
    """y[t] = level + 0.6 y[t-1] - 0.2 y[t-2] + 3 x[t], without noise; and x, which is chance."""
    x = np.random.default_rng(seed).normal(size=points)
    y = np.zeros(points)
    for t in range(2, points):
        y[t] = level + 0.6 * y[t - 1] - 0.2 * y[t - 2] + 3.0 * x[t]
    return y, x


def rows(
    y: Floats, x: Floats, at: NDArray[np.int64], channels: tuple[str, ...] = CHANNELS, time: bool = True
) -> FeatureMatrix:
    """What rows at these points carry: x a few steps on is planned, and kept where it was planned before."""
    series = {"y": y, "x": x, "x_planned": np.roll(x, -AHEAD)}
    names = ["plain", "x_planned"]
    columns = [at.astype(float), series["x_planned"][at]]
    for name in channels:
        names += [history_column(name, back) for back in range(STEPS)]
        columns += [series[name][at - back] for back in range(STEPS)]
    clock = ([TIME], [at * HOUR]) if time else ([], [])
    return FeatureMatrix((*names, *clock[0]), np.column_stack([*columns, *clock[1]]))


def fit_recursive(params: dict[str, Any], train: FeatureMatrix, **options: Any) -> Algorithm:
    return training.ALGORITHMS["recursive"]("forecasting", params).fit(
        train, np.linspace(1.0, 2.0, len(train.values)), seed=1, **options
    )


def test_with_plans_for_every_step_the_answer_is_exact() -> None:
    y, x = process()
    model = fit_recursive(PLANNED, rows(y, x, np.arange(20, 300)))
    later = np.arange(310, 480)
    np.testing.assert_allclose(model.predict(rows(y, x, later)), y[later + AHEAD], rtol=1e-8)


def test_a_plan_without_a_past_is_for_the_last_step_and_the_channel_stays_what_it_is_before() -> None:
    y, x = process()
    model = fit_recursive(PLANNED, rows(y, x, np.arange(20, 300), channels=("y", "x")))
    later = np.arange(310, 480)
    before, last = y[later - 1], y[later]
    for step in range(1, AHEAD + 1):
        planned = x[later + AHEAD] if step == AHEAD else x[later]
        before, last = last, 10.0 + 0.6 * last - 0.2 * before + 3.0 * planned
    prediction = model.predict(rows(y, x, later, channels=("y", "x")))
    np.testing.assert_allclose(prediction, last, rtol=1e-8)


def test_without_a_plan_a_channel_keeps_its_last_value() -> None:
    y, x = process()
    model = fit_recursive({**PARAMS, "exogenous": ["x"]}, rows(y, x, np.arange(20, 300)))
    later = np.arange(310, 480)
    before, last = y[later - 1], y[later]
    for _ in range(AHEAD):
        before, last = last, 10.0 + 0.6 * last - 0.2 * before + 3.0 * x[later]
    np.testing.assert_allclose(model.predict(rows(y, x, later)), last, rtol=1e-8)


def test_several_entities_are_learnt_together() -> None:
    parts = [rows(*process(seed=seed), np.arange(20, 200)) for seed in (1, 2, 3)]
    mixed = np.random.default_rng(0).permutation(540)
    model = fit_recursive(
        PLANNED, FeatureMatrix(parts[0].names, np.vstack([part.values for part in parts])[mixed])
    )
    y, x = process(seed=9)
    later = np.arange(310, 480)
    np.testing.assert_allclose(model.predict(rows(y, x, later)), y[later + AHEAD], rtol=1e-8)


def test_columns_of_the_rows_own_instant_are_not_taken_for_those_of_the_step() -> None:
    y, x = process()
    model, fresh = fit_recursive(PARAMS, rows(y, x, np.arange(20, 300))), rows(y, x, np.arange(310, 480))
    other = fresh.values.copy()
    other[:, :2] = -7.0
    np.testing.assert_array_equal(model.predict(FeatureMatrix(fresh.names, other)), model.predict(fresh))


def test_the_season_is_that_of_the_step_and_unknown_without_the_time() -> None:
    hours = np.arange(1_000)
    y = 50 + 20 * np.sin(hours * np.pi / 12) + np.random.default_rng(0).normal(size=1_000)
    x = np.zeros(1_000)
    trained, later = np.arange(20, 700), np.arange(720, 990)
    missed = {}
    for time in (True, False):
        model = fit_recursive({**PARAMS, "algorithm": "ridge", "lags": 1}, rows(y, x, trained, time=time))
        prediction = np.asarray(model.predict(rows(y, x, later, time=time)))
        missed[time] = np.abs(prediction - y[later + AHEAD]).mean()
    assert missed[True] < 1.5 < missed[False]


def test_a_row_answers_the_same_alone_and_among_others_and_whatever_is_missing() -> None:
    y, x = process()
    holes = rows(y, x, np.arange(20, 300))
    holes.values[::7, 2] = np.nan
    holes.values[::5, 3:] = np.nan
    model, fresh = fit_recursive(PLANNED, holes), rows(y, x, np.arange(310, 480))
    together = model.predict(fresh)
    alone = [
        model.predict(FeatureMatrix(fresh.names, fresh.values[index : index + 1]))[0] for index in (0, 99)
    ]
    np.testing.assert_allclose(together[[0, 99]], alone, rtol=1e-12)
    fresh.values[:, 2:-1] = np.nan
    assert np.isfinite(model.predict(fresh)).all()
    with pytest.raises(TrainingError, match="no training row knows the target"):
        fit_recursive(PLANNED, FeatureMatrix(holes.names, np.full_like(holes.values, np.nan)))


def test_an_answer_that_runs_away_is_held() -> None:
    y: Floats = np.power(1.5, np.arange(60.0))
    model = fit_recursive({**PARAMS, "lags": 1, "ahead": 500}, rows(y, np.zeros(60), np.arange(12, 55)))
    far = model.predict(rows(y, np.zeros(60), np.array([55])))
    assert far[0] == pytest.approx(2 * y[54] - y[12])


@pytest.mark.parametrize("scale", ["none", "log1p"])
def test_it_learns_on_the_scale_that_the_model_file_says(scale: Any) -> None:
    y, x = process(level=60.0)
    model = fit_recursive(PLANNED, rows(y, x, np.arange(20, 300)), target_transform=scale)
    later = np.arange(310, 480)
    again = training.ALGORITHMS["recursive"].load(model.dump())
    prediction = again.predict(rows(y, x, later))
    assert np.abs(prediction - y[later + AHEAD]).mean() < (0.1 if scale == "log1p" else 1e-6)


def test_what_is_inside_is_stored_as_it_stores_itself() -> None:
    y, x = process()
    params = {**PLANNED, "algorithm": "lightgbm", "params": {"num_leaves": 7, "n_estimators": 20}}
    model = fit_recursive(params, rows(y, x, np.arange(20, 300)))
    assert set(model.dump()) == {
        "algorithm.json",
        "recursive.json",
        "inner-algorithm.json",
        "inner-model.txt",
    }
    packages, _ = training.ALGORITHMS["recursive"].load(model.dump()).requirements()
    assert "lightgbm" in packages
    assert not type(model.native).__module__.startswith("lightgbm"), (
        "its trees see other columns than a row has"
    )


@pytest.mark.parametrize(
    "params, sentence",
    [
        (
            {"algorithm": "ligthgbm"},
            r"no algorithm 'ligthgbm' to wrap; did you mean 'lightgbm'\? It has catboost",
        ),
        ({"algorithm": "arima"}, "no algorithm 'arima' to wrap"),
        ({"algorithm": "recursive"}, "no algorithm 'recursive' to wrap"),
        ({"algorithm": "python", "params": {"estimator": "a:B"}}, "no algorithm 'python' to wrap"),
        ({"lags": 0}, "'lags' must be a whole number of 1 or above, not 0"),
        ({"params": {"alhpa": 1}}, r"recursive: ridge has no parameter 'alhpa'; did you mean 'alpha'\?"),
        ({"algorithm": "lightgbm", "params": {"loss": "hubber"}}, r"no loss 'hubber' .* 'huber'"),
        ({"params": 3}, "'params' must be a mapping"),
        ({"lag": 3}, r"no parameter 'lag'; did you mean 'lags'\?"),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        AlgorithmChoice(name="recursive", params=params)
    with pytest.raises(TrainingError, match=sentence):
        training.ALGORITHMS["recursive"]("forecasting", params)


@pytest.mark.parametrize("lags", [STEPS, 99])
def test_lags_must_lie_in_the_window(lags: int) -> None:
    y, x = process()
    with pytest.raises(TrainingError, match=rf"{lags} lags need .*features.history.steps"):
        fit_recursive({**PARAMS, "lags": lags}, rows(y, x, np.arange(20, 100)))


def test_everything_tabular_can_be_wrapped() -> None:
    assert {"ridge", "lightgbm", "svm"} <= set(WRAPPED)
    assert not {"arima", "seasonal_naive", "recursive", "python", "logistic"} & set(WRAPPED)
