"""The bare library call for each algorithm of `benchmarks.training`, and the rows that both fit on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.model_file.features import TIME, history_column

COLUMNS: Final = 20
SEED: Final = 42
SVM_ROWS: Final = 5_000
"""More rows take minutes; forecasts of one series see at most as many points, too."""
SEASON: Final = 7
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """What both are given."""

    train: FeatureMatrix
    y: Floats
    validation: FeatureMatrix
    y_validation: Floats


@dataclass(frozen=True, slots=True)
class Peer:
    """Parameters for ours, and the bare call with the same. `bare` fits and returns nothing of interest."""

    params: Mapping[str, Any]
    bare: Callable[[Rows], Any]
    problem: str = "regression"
    most_rows: int = 10**9


def _sklearn(estimator: Callable[[], Any], scaled: bool = False) -> Callable[[Rows], Any]:
    def fit(rows: Rows) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), estimator()) if scaled else estimator()
        return model.fit(rows.train.values, rows.y)

    return fit


def _linear(rows: Rows) -> Any:
    from sklearn.linear_model import LinearRegression

    return _sklearn(LinearRegression)(rows)


def _ridge(rows: Rows) -> Any:
    from sklearn.linear_model import Ridge

    return _sklearn(lambda: Ridge(alpha=1.0, random_state=SEED), scaled=True)(rows)


def _logistic(rows: Rows) -> Any:
    from sklearn.linear_model import LogisticRegression

    return _sklearn(lambda: LogisticRegression(max_iter=1000, random_state=SEED), scaled=True)(rows)


def _forest(rows: Rows) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return _sklearn(lambda: RandomForestRegressor(5, random_state=SEED, n_jobs=1))(rows)


def _forest_of_classes(rows: Rows) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return _sklearn(lambda: RandomForestClassifier(10, random_state=SEED, n_jobs=1))(rows)


def _svm(rows: Rows) -> Any:
    from sklearn.svm import SVR

    return _sklearn(SVR, scaled=True)(rows)


def _hist(rows: Rows) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(random_state=SEED, early_stopping=True, max_iter=100)
    return model.fit(rows.train.values, rows.y, X_val=rows.validation.values, y_val=rows.y_validation)


def _lightgbm(rows: Rows) -> Any:
    import lightgbm

    params = {
        "objective": "regression",
        "verbosity": -1,
        "seed": SEED,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
    }
    train = lightgbm.Dataset(rows.train.values, rows.y, params=params)
    kept = lightgbm.Dataset(rows.validation.values, rows.y_validation, reference=train)
    stop = lightgbm.early_stopping(50, verbose=False)
    return lightgbm.train(params, train, 200, valid_sets=[kept], callbacks=[stop])


def _xgboost(rows: Rows) -> Any:
    import xgboost

    params = {
        "objective": "reg:squarederror",
        "verbosity": 0,
        "seed": SEED,
        "nthread": 1,
        "tree_method": "hist",
    }
    train = xgboost.DMatrix(rows.train.values, rows.y, nthread=1)
    kept = xgboost.DMatrix(rows.validation.values, rows.y_validation, nthread=1)
    return xgboost.train(
        params, train, 200, evals=[(kept, "held")], early_stopping_rounds=50, verbose_eval=False
    )


def _catboost(rows: Rows) -> Any:
    from catboost import CatBoost, Pool

    model = CatBoost(
        {
            "random_seed": SEED,
            "thread_count": 1,
            "allow_writing_files": False,
            "loss_function": "RMSE",
            "n_estimators": 200,
        }
    )
    kept = Pool(rows.validation.values, rows.y_validation)
    return model.fit(
        Pool(rows.train.values, rows.y), eval_set=kept, early_stopping_rounds=50, logging_level="Silent"
    )


def _scaled_series(rows: Rows) -> tuple[Floats, Floats]:
    """The series itself and its exogenous column, standardised."""
    names = rows.train.names
    series = rows.train.values[:, names.index(history_column("sales", 0))]
    power = rows.train.values[:, names.index(history_column("power", 0))]
    return (series - series.mean()) / series.std(), (power - power.mean()) / power.std()


def _smoothing(rows: Rows) -> Any:
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    model = ExponentialSmoothing(_scaled_series(rows)[0], trend=True, damped_trend=True, seasonal=SEASON)
    return model.fit(disp=False, maxiter=200)


def _arima(rows: Rows) -> Any:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    return SARIMAX(_scaled_series(rows)[0], order=(1, 1, 1)).fit(disp=False, maxiter=200)


def _sarimax(rows: Rows) -> Any:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    series, power = _scaled_series(rows)
    model = SARIMAX(series, exog=power, order=(1, 0, 0), seasonal_order=(1, 0, 0, SEASON))
    return model.fit(disp=False, maxiter=200)


def _prophet(rows: Rows) -> Any:
    import pandas as pd
    import prophet

    times = pd.to_datetime(rows.train.values[:, rows.train.names.index(TIME)], unit="s")
    frame = pd.DataFrame({"ds": times, "y": rows.y})
    return prophet.Prophet(uncertainty_samples=0).fit(frame, seed=SEED)


_SERIES: Final = {"ahead": 1, "every": 86_400.0}
PEERS: Final[dict[str, Peer]] = {
    "linear": Peer({}, _linear),
    "ridge": Peer({"alpha": 1.0}, _ridge),
    "logistic": Peer({}, _logistic, "classification"),
    "random_forest": Peer({"n_estimators": 5}, _forest),
    "random_forest of classes": Peer({"n_estimators": 10}, _forest_of_classes, "classification"),
    "svm": Peer({}, _svm, most_rows=SVM_ROWS),
    "hist_gradient_boosting": Peer({"max_iter": 100}, _hist),
    "lightgbm": Peer({"n_estimators": 200}, _lightgbm),
    "xgboost": Peer({"n_estimators": 200}, _xgboost),
    "catboost": Peer({"n_estimators": 200}, _catboost),
    "exponential_smoothing": Peer({**_SERIES, "season": SEASON}, _smoothing, "forecasting", SVM_ROWS),
    "arima": Peer(_SERIES, _arima, "forecasting", SVM_ROWS),
    "sarimax": Peer(
        {
            **_SERIES,
            "order": [1, 0, 0],
            "seasonal_order": [1, 0, 0, SEASON],
            "exogenous": {"power": "power next"},
        },
        _sarimax,
        "forecasting",
        SVM_ROWS,
    ),
    "prophet": Peer(_SERIES, _prophet, "forecasting", SVM_ROWS),
}


def table(rows: int, problem: str) -> Rows:
    """A target with a slope, a bend and an interaction; for forecasts one daily series with a weekly wave."""
    chance, kept = np.random.default_rng(SEED), max(200, rows // 5)
    if problem == "forecasting":
        return _series(rows, kept, chance)
    values = chance.normal(size=(rows + kept, COLUMNS))
    number = values[:, 0] * 2 + np.abs(values[:, 1]) + values[:, 2] * values[:, 3]
    number += 0.5 * chance.normal(size=len(values))
    y = number if problem == "regression" else (number > 0.8).astype(np.int64)
    names = tuple(f"x{index}" for index in range(COLUMNS))
    return Rows(FeatureMatrix(names, values[:rows]), y[:rows], FeatureMatrix(names, values[rows:]), y[rows:])


def _series(rows: int, test_rows: int, chance: np.random.Generator) -> Rows:
    steps, count = 16, rows + test_rows + 17
    power = chance.normal(size=count)
    sales = 100 + 20 * np.sin(np.arange(count) * 2 * np.pi / SEASON) + 5 * power + chance.normal(size=count)
    at = np.arange(steps, steps + rows + test_rows)
    columns = [power[at + 1]]
    columns += [channel[at - back] for channel in (sales, power) for back in range(steps)]
    past = [history_column(name, back) for name in ("sales", "power") for back in range(steps)]
    names = ("power next", *past, TIME)
    values = np.column_stack([*columns, at * 86_400.0])
    y = sales[at + 1]
    return Rows(FeatureMatrix(names, values[:rows]), y[:rows], FeatureMatrix(names, values[rows:]), y[rows:])
