"""One suite that every entry of ALGORITHMS passes, for every problem it says it solves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError, MlopsError, TrainingError
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE, Problem
from mlops_assets.model_file.features import TIME, history_column
from mlops_assets.training import Algorithm
from mlops_assets_tests import stored_bundles

Floats = NDArray[np.float64]
NAMES: Final = ("flow [m3/h]", "power", 'odd "name"', "plain")
QUICK: Final[dict[str, dict[str, Any]]] = {
    "random_forest": {"n_estimators": 10},
    "hist_gradient_boosting": {"max_iter": 20},
    "lightgbm": {"n_estimators": 30},
    "xgboost": {"n_estimators": 30},
    "catboost": {"n_estimators": 30},
    "python": {"estimator": f"{__name__}:Nearest"},
    "exponential_smoothing": {"season": 8, "trend": False, "ahead": 2, "every": 3600.0},
    "seasonal_naive": {"season": 8, "ahead": 2},
    "recursive": {"ahead": 2, "every": 3600.0, "lags": 9, "exogenous": {"power": "power next"}},
    "arima": {"ahead": 2, "every": 3600.0, "order": [8, 0, 0]},
    "sarimax": {
        "ahead": 2,
        "every": 3600.0,
        "order": [1, 0, 0],
        "seasonal_order": [1, 0, 0, 8],
        "exogenous": {"power": "power next"},
    },
    "prophet": {"ahead": 2, "every": 3600.0, "regressors": ["power next"]},
    **{
        key: {"units": 16, "epochs": 25, "learning_rate": 0.01}
        for key in ("lstm", "gru", "cnn", "transformer", "embedding")
    },
}
STEPS: Final = 16
PAST_NAMES: Final = (
    "power next",
    *(history_column("sales", back) for back in range(STEPS)),
    *(history_column("power", back) for back in range(STEPS)),
    TIME,
)
"""What an algorithm that reads the past is given: a wave of eight hours and what power adds to it."""


class Nearest:
    """What somebody who knows nothing of this project might write."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, x: Any, y: Any) -> None:
        self.x = np.nan_to_num((x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0))
        self.mean, self.scale, self.y = np.nanmean(x, axis=0), np.nanstd(x, axis=0), np.asarray(y)

    def predict(self, x: Any) -> NDArray[Any]:
        near = np.nan_to_num((np.asarray(x) - self.mean) / self.scale)
        return np.asarray(self.y[((near[:, None, :] - self.x[None]) ** 2).sum(axis=2).argmin(axis=1)])


def installed(name: str) -> bool:
    return all(find_spec(module) is not None for module in training.ALGORITHMS[name].parameters.modules)


CASES: Final = [
    pytest.param(
        name,
        problem,
        id=f"{name}-{problem}",
        marks=() if installed(name) else pytest.mark.skip(reason=f"extra {ALGORITHM_CATALOGUE[name].extra}"),
    )
    for name in training.ALGORITHMS
    for problem in ALGORITHM_CATALOGUE[name].problems
    if problem != "forecasting" or ALGORITHM_CATALOGUE[name].needs_history
]


def rows(count: int, seed: int, problem: Problem = "regression") -> FeatureMatrix:
    if problem == "forecasting":
        begin = {1: 0, 2: 310, 3: 400}.get(seed, 300)  # later rows lie after those that train
        channels, next_power, _ = series()
        at = np.arange(begin, begin + count) + STEPS
        past = np.hstack([column[at[:, None] - np.arange(STEPS)] for column in channels])
        return FeatureMatrix(PAST_NAMES, np.column_stack([next_power[at], past, at * 3600.0]))
    values = np.random.default_rng(seed).normal(size=(count, len(NAMES))) * [1.0, 50.0, 0.01, 1.0] + [
        0,
        100,
        0,
        3,
    ]
    return FeatureMatrix(NAMES, np.asarray(values, dtype=np.float64))


def series() -> tuple[tuple[Floats, Floats], Floats, Floats]:
    """Sales and power by hour, power two hours later, and sales two hours later."""
    chance = np.random.default_rng(0)
    power = chance.normal(size=700)
    sales = 100 + 20 * np.sin(np.arange(700) * np.pi / 4) + 5 * power + chance.normal(size=700)
    return (sales, power), np.roll(power, -2), np.roll(sales, -2)


def target(matrix: FeatureMatrix, problem: Problem) -> NDArray[Any]:
    if problem == "forecasting":
        return np.asarray(series()[2][(matrix.values[:, -1] / 3600.0).astype(np.int64)])
    number = matrix.values[:, 0] * 2 + (matrix.values[:, 1] - 100) / 50
    if problem != "classification":
        return np.asarray(number)
    return np.where(number > 1, "high", np.where(number < -1, "low", "middle"))


def fitted(name: str, problem: Problem, seed: int = 7, threads: int = 1) -> Algorithm:
    train, validation = rows(300, 1, problem), rows(80, 2, problem)
    return training.ALGORITHMS[name](problem, QUICK.get(name)).fit(
        train,
        target(train, problem),
        validation=validation,
        y_validation=target(validation, problem),
        seed=seed,
        threads=threads,
    )


def test_the_catalogue_and_the_dict_name_the_same_algorithms() -> None:
    assert set(training.ALGORITHMS) == set(ALGORITHM_CATALOGUE)
    assert all(kind.name == name for name, kind in training.ALGORITHMS.items())


@pytest.mark.parametrize("name, problem", CASES)
def test_it_learns(name: str, problem: Problem) -> None:
    model, fresh = fitted(name, problem), rows(200, 3, problem)
    truth, prediction = target(fresh, problem), model.predict(fresh)
    assert prediction.shape == (200,)
    if problem == "classification":
        assert model.classes == ("high", "low", "middle")
        assert (prediction == truth).mean() > 0.75
        softmax = model.predict_proba(fresh)
        assert softmax.shape == (200, 3)
        np.testing.assert_allclose(softmax.sum(axis=1), 1.0, rtol=1e-6)
        assert (np.asarray(model.classes)[softmax.argmax(axis=1)] == prediction).all()
    else:
        residual = np.asarray(prediction - truth, dtype=np.float64)
        assert residual.std() < 0.6 * truth.std()
        with pytest.raises(TypeError, match="no probabilities"):
            model.predict_proba(fresh)


@pytest.mark.parametrize("name, problem", CASES)
def test_it_comes_back_from_its_files_with_the_same_answers(name: str, problem: Problem) -> None:
    model, fresh = fitted(name, problem), rows(50, 4, problem)
    files = model.dump()
    again = training.ALGORITHMS[name].load(files)
    np.testing.assert_array_equal(again.predict(fresh), model.predict(fresh))
    if problem == "classification":
        np.testing.assert_array_equal(again.predict_proba(fresh), model.predict_proba(fresh))
    assert again.feature_names == fresh.names
    assert not any(body.startswith(b"\x80") for body in files.values()), "that is how a pickle begins"


@pytest.mark.parametrize("name, problem", CASES)
def test_seeded_runs_repeat_to_the_byte_whatever_the_threads(name: str, problem: Problem) -> None:
    assert fitted(name, problem).dump() == fitted(name, problem, threads=2).dump()


@pytest.mark.parametrize("name, problem", CASES)
def test_it_leaves_its_input_alone(name: str, problem: Problem) -> None:
    train = rows(300, 1, problem)
    y = target(train, problem)
    before, before_y = train.values.copy(), y.copy()
    train.values.flags.writeable = y.flags.writeable = False
    model = training.ALGORITHMS[name](problem, QUICK.get(name)).fit(train, y, seed=1)
    model.predict(train)
    np.testing.assert_array_equal(train.values, before)
    np.testing.assert_array_equal(y, before_y)


@pytest.mark.parametrize("name, problem", CASES)
def test_it_refuses_gaps_it_cannot_handle_and_infinity_always(name: str, problem: Problem) -> None:
    train = rows(300, 1, problem)
    y = target(train, problem)
    names, holes = train.names, train.values.copy()
    holes[5, 1] = np.nan
    kind = training.ALGORITHMS[name]
    if kind.handles_missing:
        kind(problem, QUICK.get(name)).fit(FeatureMatrix(names, holes), y).predict(
            FeatureMatrix(names, holes)
        )
    else:
        with pytest.raises(TrainingError, match="'power' has 1 missing"):
            kind(problem, QUICK.get(name)).fit(FeatureMatrix(names, holes), y)
    holes[5, 1] = np.inf
    with pytest.raises(TrainingError, match=rf"{re.escape(repr(names[1]))} has 1 .*infinite"):
        kind(problem, QUICK.get(name)).fit(FeatureMatrix(names, holes), y)


@pytest.mark.parametrize("name, problem", CASES)
def test_it_knows_its_columns(name: str, problem: Problem) -> None:
    model, fresh = fitted(name, problem), rows(5, 5, problem)
    names, last = fresh.names, fresh.names[-1]
    swapped = (names[1], names[0], *names[2:])
    with pytest.raises(TrainingError, match="another order"):
        model.predict(FeatureMatrix(swapped, fresh.values))
    with pytest.raises(TrainingError, match=f"'{last}' is missing"):
        model.predict(FeatureMatrix(names[:-1], fresh.values[:, :-1]))
    with pytest.raises(TrainingError, match="was not there"):
        model.predict(FeatureMatrix((*names, "new"), np.c_[fresh.values, np.zeros(5)]))


@pytest.mark.parametrize("name, problem", CASES)
def test_it_refuses_parameters_and_targets_that_make_no_sense(name: str, problem: Problem) -> None:
    kind, train = training.ALGORITHMS[name], rows(20, 1, problem)
    with pytest.raises(TrainingError, match="has no parameter 'no_such'"):
        kind(problem, {"no_such": 1})
    y = np.where(np.arange(20) % 2, 1.0, np.nan)
    with pytest.raises(TrainingError, match="missing"):
        kind(problem, QUICK.get(name)).fit(train, y)
    with pytest.raises(TrainingError, match="nothing to learn from"):
        kind(problem, QUICK.get(name)).fit(FeatureMatrix(train.names, train.values[:0]), np.empty(0))
    if problem == "classification":
        with pytest.raises(TrainingError, match="only one class"):
            kind(problem, QUICK.get(name)).fit(train, np.zeros(20))


@pytest.mark.parametrize("name, problem", CASES)
def test_broken_files_are_refused(name: str, problem: Problem) -> None:
    files = fitted(name, problem).dump()
    for lost in files:
        with pytest.raises(BundleError, match="not there"):
            training.ALGORITHMS[name].load({key: body for key, body in files.items() if key != lost})


LOGGED: Final = [
    case
    for case in CASES
    if case.values in (("ridge", "regression"), ("lightgbm", "regression"), ("seasonal_naive", "forecasting"))
    or case.values in (("arima", "forecasting"), ("recursive", "forecasting"))
]


@pytest.mark.parametrize("name, problem", LOGGED)
def test_learning_the_logarithm_is_what_one_would_do_by_hand(name: str, problem: Problem) -> None:
    train, fresh = rows(300, 1, problem), rows(50, 3, problem)
    y = target(train, problem) if problem == "forecasting" else np.exp(target(train, problem))
    kind, params = training.ALGORITHMS[name], QUICK.get(name)
    model = kind(problem, params).fit(train, y, target_transform="log1p")
    by_hand = kind(problem, params).fit(logged(train), np.log1p(y))
    np.testing.assert_allclose(model.predict(fresh), np.expm1(by_hand.predict(logged(fresh))), rtol=1e-9)
    again = kind.load(model.dump())
    np.testing.assert_array_equal(again.predict(fresh), model.predict(fresh))
    with pytest.raises(
        TrainingError, match=r"the target has 1 of 300 values of -1 or less.*target_transform: none"
    ):
        kind(problem, params).fit(train, np.where(np.arange(300) == 7, -1.0, y), target_transform="log1p")


def logged(matrix: FeatureMatrix) -> FeatureMatrix:
    """The target's own past as logarithms, all else as it is."""
    own = [index for index, name in enumerate(matrix.names) if name.startswith("sales@")]
    values = matrix.values.copy()
    values[:, own] = np.log1p(values[:, own])
    return FeatureMatrix(matrix.names, values)


def test_a_past_without_a_logarithm_is_refused_when_predicting_too() -> None:
    train = rows(300, 1, "forecasting")
    model = training.ALGORITHMS["seasonal_naive"]("forecasting", QUICK["seasonal_naive"])
    model.fit(train, target(train, "forecasting"), target_transform="log1p")
    below = train.values[:5].copy()
    below[2, 4] = -3.0
    with pytest.raises(TrainingError, match=r"past \(predicting\) has 1 of 80 values of -1 or less"):
        model.predict(FeatureMatrix(train.names, below))


def test_models_stored_before_there_were_scales_answer_as_ever() -> None:
    model, fresh = fitted("ridge", "regression"), rows(9, 4)
    files = model.dump()
    description = json.loads(files["algorithm.json"])
    for scale, stored in (("none", None), ("log1p", "log1p")):
        body = {**description, "target_transform": stored} if stored else dict(description)
        if not stored:
            del body["target_transform"]
        again = training.ALGORITHMS["ridge"].load({**files, "algorithm.json": json.dumps(body).encode()})
        assert again.target_transform == scale
        assert np.array_equal(again.predict(fresh), model.predict(fresh)) == (scale == "none")
    strange = json.dumps({**description, "target_transform": "sqrt"}).encode()
    with pytest.raises(BundleError, match="an unknown scale 'sqrt'"):
        training.ALGORITHMS["ridge"].load({**files, "algorithm.json": strange})


def test_classes_have_no_logarithm() -> None:
    train = rows(30, 1)
    with pytest.raises(TrainingError, match="for numbers, not for classes"):
        training.ALGORITHMS["logistic"]("classification").fit(
            train, target(train, "classification"), target_transform="log1p"
        )


@pytest.mark.slow
def test_all_come_back_in_a_fresh_process_with_the_same_answers(tmp_path: Path) -> None:
    expected: dict[str, Any] = {}
    for case in CASES:
        name, problem = str(case.values[0]), case.values[1]
        if not installed(name):
            continue
        model = fitted(name, problem)  # type: ignore[arg-type]
        folder = tmp_path / f"{name}-{problem}"
        stored_bundles.stored(folder, model, rows(20, 6, problem))  # type: ignore[arg-type]
        expected[folder.name] = model.predict(rows(20, 6, problem)).tolist()  # type: ignore[arg-type]
    code = (
        "import json, sys, pathlib\n"
        "from mlops_assets import training\n"
        "def answer(f):\n"
        "    bundle = training.load_bundle(f, expected_manifest_sha256=None)\n"
        "    return bundle.algorithm.predict(bundle.sample).tolist()\n"
        "print(json.dumps({f.name: answer(f) for f in pathlib.Path(sys.argv[1]).iterdir()}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == expected


@pytest.mark.parametrize(
    "name", [n for n in training.ALGORITHMS if training.ALGORITHMS[n].explain == "linear"]
)
def test_linear_algorithms_give_weights_in_the_units_of_the_matrix(name: str) -> None:
    problem: Problem = "classification" if name == "logistic" else "regression"
    train = rows(300, 1)
    y = target(train, "regression") > 0 if problem == "classification" else target(train, "regression")
    model = training.ALGORITHMS[name](problem).fit(train, np.asarray(y))
    weights, intercept = model.coefficients()
    score = train.values @ weights[0] + intercept[0]
    if problem == "classification":
        np.testing.assert_allclose(1 / (1 + np.exp(-score)), model.predict_proba(train)[:, 1], rtol=1e-6)
    else:
        np.testing.assert_allclose(score, model.predict(train), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "labels, expected",
    [
        (np.array([0.0, 1.0, 2.0, 10.0]), ("0", "1", "2", "10")),
        (np.array([True, False, True, False]), ("false", "true")),
        (np.array(["b", "a", "b", "a"], dtype=object), ("a", "b")),
    ],
)
def test_class_labels_are_text_in_natural_order(labels: NDArray[Any], expected: tuple[str, ...]) -> None:
    model = training.ALGORITHMS["logistic"]("classification").fit(rows(4, 1), labels)
    assert model.classes == expected
    assert set(model.predict(rows(4, 1))) <= set(expected)


def test_errors_are_ours() -> None:
    assert issubclass(TrainingError, MlopsError)


@pytest.mark.parametrize("name, problem", CASES)
def test_a_few_rows_are_predicted_as_many_are(name: str, problem: Problem) -> None:
    """Whoever has a faster function for few rows has the same predictions, also for gaps, alone and together."""
    model, matrix = fitted(name, problem), rows(40, 3, problem)
    if (few_rows := model.few_rows()) is None:
        return
    values = matrix.values.copy()
    if model.handles_missing:
        values[::3, 0] = np.nan
        values[::5, 1] = np.nan
    expected = model.raw(FeatureMatrix(matrix.names, values))
    alone = np.concatenate([few_rows(row[None, :]) for row in values])
    for predictions in (few_rows(values), few_rows(values[:7]), alone):
        assert predictions == pytest.approx(expected[: len(predictions)], rel=1e-12, abs=1e-12)


def test_the_algorithms_that_serve_most_have_a_function_for_few_rows() -> None:
    for name in ("lightgbm", "random_forest", "linear", "ridge"):
        assert fitted(name, "regression").few_rows() is not None
    for name in ("lightgbm", "random_forest"):
        assert fitted(name, "classification").few_rows() is not None


@pytest.mark.parametrize("name, problem", CASES)
def test_no_rows_are_no_predictions(name: str, problem: Problem) -> None:
    model, matrix = fitted(name, problem), rows(5, 3, problem)
    empty = FeatureMatrix(matrix.names, matrix.values[:0])
    assert model.predict(empty).shape == (0,)
    if model.classes:
        assert model.predict_proba(empty).shape == (0, len(model.classes))


@pytest.mark.parametrize(
    "name, loss",
    [
        (name, loss)
        for name, parameters in ALGORITHM_CATALOGUE.items()
        for loss in ("poisson", "gamma")
        if loss in parameters.number_losses and installed(name)
    ],
)
def test_a_loss_refuses_targets_it_is_not_defined_for(name: str, loss: str) -> None:
    matrix = rows(100, 1)
    y = np.abs(target(matrix, "regression")) + 1.0
    y[[3, 7]] = -1.0
    model = training.ALGORITHMS[name]("regression", {"loss": loss})
    with pytest.raises(
        TrainingError, match=rf"{name}: the loss '{loss}' needs targets .* 2 of 100 training rows"
    ):
        model.fit(matrix, y)
