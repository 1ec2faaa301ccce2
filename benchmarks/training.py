"""Every algorithm that is installed: `training.fit` compared with the bare library call, and what explaining it costs.

    python -m benchmarks.training [--rows 2000 100000] [--seconds 15] [--only NAME ...]

Ours is what a life does: the rows are written for a process that can be ended, it fits there, stores its files, and
they are read back and checked. The process is warm: its imports are paid once per library and run. Bare is the library
alone in this process, on the same matrix of 20 columns with the same parameters, one thread each; it stores nothing.
Pairs take turns for about `--seconds` per algorithm (three pairs at least, one where a fit takes longer than that), and
the median of the ratios within pairs counts. CPU time is that of this process and of its children. SHAP is the time of
explaining the fitted model on 500 rows, within the time that a life would give it, as a share of our fit.

Left out: `python` and `seasonal_naive`, which are no library's, and the networks, whose training loop is ours.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import psutil
from numpy.typing import NDArray

from benchmarks.lifecycle import machine
from mlops_assets import evaluation, training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.lifecycle.stages.shap_budget import seconds_for_shap
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import TIME, history_column
from mlops_assets.model_file.training import AlgorithmChoice
from mlops_assets.training.algorithms.base.sklearn import limit_threads

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


def model_file(peer: Peer) -> ModelSpec:
    """Just enough of a model file to fit one algorithm."""
    body = {
        "name": "bench",
        "description": "benchmark",
        "owners": ["team:benchmarks"],
        "problem": peer.problem,
        "target": "y",
        "timestamp": "at",
        "source": {"kind": "simulated", "simulator": "cloud_workload"},
        "training": {"algorithms": [{"name": "ridge" if peer.problem != "classification" else "logistic"}]},
        "evaluation": {"primary": "accuracy" if peer.problem == "classification" else "rmse"},
    }
    if peer.problem == "forecasting":
        body["features"] = {"horizon": "1d"}
    return ModelSpec.model_validate(body, strict=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """Wall and CPU seconds."""

    wall: float
    cpu: float


def timed(work: Callable[[], Any]) -> tuple[Taken, Any]:
    """What `work` took, in this process and in those it has, and its answer."""
    gc.collect()
    wall, cpu = time.perf_counter(), _cpu()
    response = work()
    return Taken(time.perf_counter() - wall, _cpu() - cpu), response


def _cpu() -> float:
    this = psutil.Process()
    spent = time.process_time()
    for child in this.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            spent += times.user + times.system
    return spent


@dataclass(frozen=True)
class Fitted:
    """A fitted algorithm where a life has a whole bundle: the features are the matrix."""

    estimator: Any
    algorithm: str = "bench"

    @property
    def classes(self) -> tuple[str, ...]:
        result: tuple[str, ...] = self.estimator.classes
        return result

    @property
    def feature_names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.estimator.feature_names
        return names

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        return FeatureMatrix(self.feature_names, features.select(self.feature_names).to_numpy())

    def predict(self, features: pl.DataFrame) -> NDArray[Any]:
        response: NDArray[Any] = self.estimator.predict(self.matrix(features))
        return response

    def probabilities(self, features: pl.DataFrame) -> Floats | None:
        return self.estimator.predict_proba(self.matrix(features)) if self.classes else None


def measure(name: str, peer: Peer, rows: Rows, seconds: float) -> str:
    """One line of the table."""
    algorithm = name.split()[0]
    spec = model_file(peer)
    choice = AlgorithmChoice.model_validate({"name": algorithm, "params": peer.params}, strict=False)

    def ours() -> training.Fitted:
        [fitted] = training.fit_all(
            spec,
            rows.train,
            rows.y,
            rows.validation,
            rows.y_validation,
            choices=(choice,),
            deadline_seconds=600,
            cores=1,
        )
        if fitted.model is None:
            raise RuntimeError(f"{name}: {fitted.status}: {fitted.message}")
        return fitted

    def bare() -> Any:
        with limit_threads(1), quiet():
            return peer.bare(rows)

    (first, _), (_, fitted) = timed(bare), timed(ours)  # imports, and the process that keeps them
    pairs: list[tuple[Taken, Taken]] = []
    rounds = max(1 if first.wall > seconds else 3, min(15, int(seconds / (2 * first.wall))))
    for turn in range(rounds):
        if turn % 2:
            one, (two, fitted) = timed(bare)[0], timed(ours)
        else:
            (two, fitted), one = timed(ours), timed(bare)[0]
        pairs.append((two, one))
    walls = [a.wall / b.wall for a, b in pairs]
    cpus = [a.cpu / b.cpu for a, b in pairs if b.cpu > 0.05]
    spent = min(a.wall for a, _ in pairs)
    more = statistics.median(a.wall - b.wall for a, b in pairs)
    format_error, taken = explain(spec, fitted.model, rows, spent)
    cpu = f"{statistics.median(cpus):.2f}" if cpus else "-"
    size, wall = f"{len(rows.y):,} x {len(rows.train.names)}", f"{statistics.median(walls):.2f}"
    return (
        f"| {name} | {size} | {wall} | {cpu} | {1000 * more:+.0f} ms "
        f"| {spent:.2f} s | {taken.wall / spent:.2f} | {format_error} |"
    )


def explain(spec: ModelSpec, model: Any, rows: Rows, fit_seconds: float) -> tuple[str, Taken]:
    """How many rows are explained, and what it takes, in the time that a fit of so many seconds gives."""
    frames = [
        pl.DataFrame(dict(zip(part.names, part.values.T, strict=True)))
        for part in (rows.train, rows.validation)
    ]

    def work() -> evaluation.ShapValues:
        end = time.monotonic() + seconds_for_shap(fit_seconds)
        return evaluation.explain(spec, Fitted(model), frames[0], frames[1], lambda: end - time.monotonic())

    with quiet():
        taken, result = timed(work)
    return f"{len(result.values)} rows, {result.method.split(',')[0]}", taken


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Libraries warn of convergence and tell of every fit; neither is measured here."""
    logging.getLogger("cmdstanpy").setLevel(logging.WARNING)
    logging.getLogger("prophet").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main() -> None:
    """Print a Markdown table."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 100_000])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    chosen = parser.parse_args()
    print(machine() + "\n")
    print(
        "| algorithm | rows x columns | wall, ours / bare | CPU | more | our fit | SHAP / fit | explained |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in chosen.only:
        peer, algorithm = PEERS[name], training.ALGORITHMS[name.split()[0]]
        if algorithm.missing() is not None:
            print(f"| {name} | not installed | | | | | | |")
            continue
        for count in sorted({min(rows, peer.most_rows) for rows in chosen.rows}):
            print(measure(name, peer, table(count, peer.problem), chosen.seconds), flush=True)


if __name__ == "__main__":
    main()
