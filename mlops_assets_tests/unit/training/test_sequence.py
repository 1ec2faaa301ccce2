"""Forecasts from a row's own window: the same as a filter over the whole series, and blind to what comes later."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import TrainingError
from mlops_assets.model_file.features import TIME, history_column, parse_history_column
from mlops_assets.training.algorithms.base.windows import layout, reconstruct_series

Floats = NDArray[np.float64]
HOUR: Final = 3600.0
STEPS: Final = 24
NAMES: Final = (
    "plan",
    *(history_column("y", back) for back in range(STEPS)),
    *(history_column("x", back) for back in range(STEPS)),
    TIME,
)
ORDERS: Final[dict[str, Any]] = {
    "ahead": 3,
    "every": HOUR,
    "order": [1, 0, 1],
    "seasonal_order": [0, 1, 1, 6],
    "exogenous": {"x": "plan"},
}


def series(points: int = 400) -> tuple[Floats, Floats]:
    chance = np.random.default_rng(3)
    x = chance.normal(size=points)
    y = 50 + 5 * np.sin(np.arange(points) * np.pi / 3) + 2 * x + chance.normal(size=points).cumsum() * 0.2
    return y, x


def rows(y: Floats, x: Floats, at: NDArray[np.int64], ahead: int = 3) -> FeatureMatrix:
    """Rows at these points; what lies before the series is missing."""
    before = at[:, None] - np.arange(STEPS)
    past = [np.where(before < 0, np.nan, column[np.maximum(before, 0)]) for column in (y, x)]
    return FeatureMatrix(NAMES, np.column_stack([x[at + ahead], *past, at * HOUR]))


def test_names_of_the_past_are_read_back() -> None:
    assert parse_history_column("a@b@-3") == ("a@b", 3)
    assert parse_history_column("y@0") == ("y", 0)
    assert [parse_history_column(name) for name in ("y", "y@", "@0", TIME, "y@3", "y@-x")] == [None] * 6
    assert layout(NAMES).steps == STEPS
    assert layout(NAMES).plain == (0,)


def test_the_series_is_found_again_whatever_the_order_of_rows() -> None:
    y, x = series(120)
    y[60] = np.nan
    at = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(30, 110), [70, 71, 57]))
    target = y[at + 3]
    reconstructed = reconstruct_series("it", rows(y, x, at).values, target, layout(NAMES), HOUR, 3)
    assert reconstructed.first == 7 * HOUR
    expected = y[7:113].copy()
    lost = {110, 111} - set((at + 3).tolist())
    for point in {70, 71, 57} - set((at + 3).tolist()) | lost:
        expected[point - 7] = np.nan
    np.testing.assert_array_equal(reconstructed.values, expected)
    with pytest.raises(TrainingError, match="order of its rows is unknown"):
        reconstruct_series("it", rows(y, x, at).values[:, :-1], target, layout(NAMES[:-1]), HOUR, 3)


def test_a_forecast_is_that_of_a_filter_over_the_whole_series() -> None:
    pytest.importorskip("statsmodels")
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    y, x = series()
    trained = np.arange(0, 300)
    model = training.ALGORITHMS["sarimax"]("forecasting", ORDERS).fit(
        rows(y, x, trained), y[trained + 3], seed=1
    )
    parameters = np.array(list(json.loads(model.dump()["parameters.json"]).values()))
    known = y[:303], x[:303]
    z, other = ((whole - part.mean()) / part.std() for whole, part in zip((y, x), known, strict=True))
    for origin in (250, 310, 340, 390):
        whole = SARIMAX(
            z[: origin + 1], exog=other[: origin + 1], order=(1, 0, 1), seasonal_order=(0, 1, 1, 6)
        )
        names = sorted(whole.param_names)
        reference = whole.smooth([parameters[names.index(name)] for name in whole.param_names])
        ahead = (
            reference.forecast(3, exog=other[origin + 1 : origin + 4])[-1] * known[0].std() + known[0].mean()
        )
        prediction = model.predict(rows(y, x, np.array([origin])))[0]
        assert prediction == pytest.approx(ahead, abs=0.05 * y.std()), origin


def test_a_forecast_does_not_skip_the_validation_points_before_its_window() -> None:
    """Windows of the holdout begin after training ends; without the points between, forecasts are 0.03 std off."""
    pytest.importorskip("statsmodels")
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    y, x = series()
    trained, validated = np.arange(0, 300), np.arange(303, 360)
    model = training.ALGORITHMS["sarimax"]("forecasting", ORDERS).fit(
        rows(y, x, trained),
        y[trained + 3],
        validation=rows(y, x, validated),
        y_validation=y[validated + 3],
        seed=1,
    )
    without = training.ALGORITHMS["sarimax"]("forecasting", ORDERS)
    without.fit(rows(y, x, trained), y[trained + 3], seed=1)
    assert model.dump()["parameters.json"] == without.dump()["parameters.json"], (
        "validation rows changed the fit"
    )
    parameters = json.loads(model.dump()["parameters.json"])
    known = y[:303], x[:303]
    z, other = ((whole - part.mean()) / part.std() for whole, part in zip((y, x), known, strict=True))
    orders = {"order": (1, 0, 1), "seasonal_order": (0, 1, 1, 6)}
    begun = SARIMAX(z[:303], exog=other[:303], **orders)
    fitted = begun.filter([parameters[name] for name in begun.param_names])
    for origin in (310, 327, 335, 345, 360, 383):
        extended = fitted.append(z[303 : origin + 1], exog=other[303 : origin + 1])
        ahead = extended.forecast(3, exog=other[origin + 1 : origin + 4])[-1]
        prediction = model.predict(rows(y, x, np.array([origin])))[0]
        assert prediction == pytest.approx(ahead * known[0].std() + known[0].mean(), abs=0.002 * y.std()), (
            origin
        )
    future = y.copy()
    future[346:] += 100 * y.std()
    later = rows(future, x, validated), future[validated + 3]
    changed = training.ALGORITHMS["sarimax"]("forecasting", ORDERS).fit(
        rows(y, x, trained), y[trained + 3], validation=later[0], y_validation=later[1], seed=1
    )
    at_345 = rows(y, x, np.array([345]))
    np.testing.assert_array_equal(
        changed.predict(at_345), model.predict(at_345), "a row learned from later points"
    )


@pytest.mark.parametrize("name", ["seasonal_naive", "arima", "sarimax", "exponential_smoothing", "lstm"])
def test_a_row_answers_the_same_alone_and_among_others(name: str) -> None:
    params: dict[str, dict[str, Any]] = {
        "sarimax": ORDERS,
        "lstm": {"units": 8, "epochs": 2},
        "seasonal_naive": {"season": 6, "ahead": 3},
        "arima": {"ahead": 3, "every": HOUR},
        "exponential_smoothing": {"ahead": 3, "every": HOUR, "season": 6},
    }
    pytest.importorskip("torch" if name == "lstm" else "statsmodels")
    y, x = series()
    trained, later = np.arange(0, 250), np.arange(255, 390)
    model = training.ALGORITHMS[name]("forecasting", params[name]).fit(rows(y, x, trained), y[trained + 3])
    together = model.predict(rows(y, x, later))
    alone = [model.predict(rows(y, x, later[position : position + 1]))[0] for position in (0, 60, 134)]
    np.testing.assert_allclose(together[[0, 60, 134]], alone, rtol=1e-5)
    gaps = rows(y, x, later)
    gaps.values[:, 1:20:3] = np.nan
    assert np.isfinite(model.predict(gaps)).all()


def test_the_naive_takes_the_newest_season_it_knows() -> None:
    x: Floats = np.zeros(100)
    y: Floats = x + np.arange(100)
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", {"season": 7, "ahead": 9}).fit(
        rows(y, x, np.arange(30, 60)), np.arange(39.0, 69.0)
    )
    row = rows(y, x, np.array([80]))
    assert model.predict(row)[0] == 80 + 9 - 14
    row.values[0, 1 + 5] = np.nan
    assert model.predict(row)[0] == 80 + 9 - 21
    row.values[0, 1 : 1 + STEPS] = np.nan
    assert model.predict(row)[0] == np.arange(39.0, 69.0).mean()


def test_what_is_exogenous_must_be_there() -> None:
    pytest.importorskip("statsmodels")
    y, x = series()
    at = np.arange(0, 100)
    for exogenous, sentence in (({"z": "plan"}, "not looked back at"), ({"x": "later"}, "no column 'later'")):
        model = training.ALGORITHMS["sarimax"]("forecasting", {**ORDERS, "exogenous": exogenous})
        with pytest.raises(TrainingError, match=sentence):
            model.fit(rows(y, x, at), y[at + 3])


def test_a_model_stored_under_earlier_names_is_read() -> None:
    pytest.importorskip("statsmodels")
    y, x = series()
    at = np.arange(0, 100)
    model = training.ALGORITHMS["arima"]("forecasting", {"ahead": 3, "every": HOUR}).fit(
        rows(y, x, at), y[at + 3]
    )
    files = model.dump()
    earlier = {
        "process_covariance": "noise",
        "state_covariance": "spread",
        "center": "centre",
        "scale": "width",
    }
    with np.load(io.BytesIO(files["model.npz"])) as arrays:
        renamed = {earlier.get(name, name): arrays[name] for name in arrays.files}
    body = io.BytesIO()
    np.savez_compressed(body, **renamed)
    loaded = type(model).load({**files, "model.npz": body.getvalue()})
    fresh = rows(y, x, np.arange(110, 120))
    np.testing.assert_array_equal(loaded.predict(fresh), model.predict(fresh))
