"""Losses: their derivatives are those of the loss, each one declared is learnt, and the models answer probabilities."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import TrainingError
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE, Problem
from mlops_assets.training import Algorithm, Progress
from mlops_assets.training.algorithms.base import focal_loss
from mlops_assets.training.algorithms.base.robust_losses import robust_loss, robust_scale

Floats = NDArray[np.float64]
NAMES: Final = ("a", "b", "c")
QUICK: Final[dict[str, Any]] = {"n_estimators": 60, "learning_rate": 0.2}
DEEP: Final[dict[str, Any]] = {"units": 8, "epochs": 40, "learning_rate": 0.02}
BOOSTED: Final = ("lightgbm", "xgboost", "catboost")


def installed(name: str) -> Any:
    missing = not all(find_spec(module) for module in training.ALGORITHMS[name].parameters.modules)
    return pytest.mark.skip(reason=f"extra {ALGORITHM_CATALOGUE[name].extra}") if missing else ()


def params(name: str, **more: Any) -> dict[str, Any]:
    quick = QUICK if name in BOOSTED else DEEP if ALGORITHM_CATALOGUE[name].extra == "deep" else {}
    return {**quick, **more}


def rows(count: int, seed: int) -> FeatureMatrix:
    return FeatureMatrix(NAMES, np.clip(np.random.default_rng(seed).normal(size=(count, 3)), -2.5, 2.5))


def sales(matrix: FeatureMatrix) -> Floats:
    """Numbers far from 0 and widely spread: 700 +- 200."""
    return np.asarray(700 + 200 * matrix.values[:, 0] + 50 * matrix.values[:, 1])


def kinds(matrix: FeatureMatrix, classes: int) -> NDArray[np.int64]:
    return np.digitize(matrix.values[:, 0], [0.5, -0.5][: classes - 1][::-1])


def fitted(
    name: str, problem: Problem, y: Callable[[FeatureMatrix], Any], threads: int = 1, **more: Any
) -> Algorithm:
    train, held_out = rows(400, 1), rows(150, 2)
    return training.ALGORITHMS[name](problem, params(name, **more)).fit(
        train, y(train), validation=held_out, y_validation=y(held_out), seed=3, threads=threads
    )


# --- the mathematics ----------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0, 2.0, 3.5])
def test_derivatives_of_the_focal_loss_are_those_of_finite_differences(focus: float, classes: int) -> None:
    chance = np.random.default_rng(0)
    scores = chance.normal(scale=2.5, size=(200, classes))
    if classes == 2:
        scores = scores[:, 0]
    truth = chance.integers(0, classes, 200).astype(float)
    gradient, second, curvature = focal_loss.derivatives(scores, truth, focus)
    assert gradient.shape == second.shape == curvature.shape == scores.shape
    for index in [...] if classes == 2 else [(slice(None), k) for k in range(classes)]:
        nudge = np.zeros_like(scores)
        nudge[index] = 1e-5
        up, down = (focal_loss.losses(scores + sign * nudge, truth, focus) for sign in (1, -1))
        np.testing.assert_allclose(gradient[index], (up - down) / 2e-5, atol=1e-7)
        up, down = (focal_loss.derivatives(scores + sign * nudge, truth, focus)[0][index] for sign in (1, -1))
        np.testing.assert_allclose(second[index], (up - down) / 2e-5, atol=1e-7)
    assert (curvature >= second - 1e-12).all()
    assert (curvature > 0).all()


def test_a_focus_of_nought_is_cross_entropy() -> None:
    scores, truth = np.array([-2.0, 0.5, 3.0]), np.array([0.0, 1.0, 0.0])
    own = focal_loss.softmax(scores)[np.arange(3), truth.astype(int)]
    np.testing.assert_allclose(focal_loss.losses(scores, truth, 0.0), -np.log(own))
    certain = np.array([800.0, -800.0])
    assert focal_loss.losses(certain, np.array([1.0, 0.0]), 2.0).tolist() == [0.0, 0.0]
    assert all(np.isfinite(part).all() for part in focal_loss.derivatives(certain, np.array([0.0, 1.0]), 2.0))


@pytest.mark.parametrize("name", ["huber", "log_cosh"])
def test_robust_losses_lie_below_the_parabola_their_steps_assume(name: str) -> None:
    target = np.random.default_rng(0).normal(700, 200, 999)
    loss = robust_loss(name, target)
    assert loss.start == np.median(target)
    assert robust_scale(target) == pytest.approx(200, rel=0.1)
    truth = np.array([700.0])

    def cost(score: float) -> float:
        return loss.mean(np.array([score]), truth)

    for score in (-9_000.0, 300.0, 690.0, 700.0, 905.0, 5_000.0):
        gradient, curvature = (part[0] for part in loss.steps(np.array([score]), truth))
        assert gradient == pytest.approx((cost(score + 0.01) - cost(score - 0.01)) / 0.02, abs=1e-3)
        for step in (-1_000.0, -10.0, 10.0, 1_000.0):
            assert cost(score + step) <= cost(score) + gradient * step + curvature * step**2 / 2 + 1e-6
        assert score - gradient / curvature == pytest.approx(700.0)
    assert robust_scale(np.array([0.0] * 99 + [1.0])) == pytest.approx(np.std([0.0] * 99 + [1.0]))
    assert robust_scale(np.zeros(5)) == 1.0


# --- every loss of every algorithm --------------------------------------------------------------

NUMBERS: Final = [
    pytest.param(name, loss, id=f"{name}-{loss}", marks=installed(name))
    for name, info in ALGORITHM_CATALOGUE.items()
    for loss in info.number_losses
    if name not in ("gru", "cnn", "transformer")  # they take the loss of lstm
]
CLASSES: Final = [
    pytest.param(name, loss, classes, id=f"{name}-{loss}-{classes}", marks=installed(name))
    for name, info in ALGORITHM_CATALOGUE.items()
    for loss in info.class_losses
    for classes in (2, 3)
    if name not in ("gru", "cnn", "transformer") and (name, loss, classes) != ("catboost", "focal", 3)
]


@pytest.mark.parametrize("name, loss", NUMBERS)
def test_a_target_in_hundreds_is_learnt_with_every_loss(name: str, loss: str) -> None:
    model = fitted(name, "regression", sales, loss=loss)
    fresh = rows(150, 4)
    missed = np.abs(np.asarray(model.predict(fresh)) - sales(fresh))
    assert missed.mean() < 50, "the mean answers are 165 off"
    again = training.ALGORITHMS[name].load(model.dump())
    np.testing.assert_array_equal(again.predict(fresh), model.predict(fresh))


@pytest.mark.parametrize("name, loss, classes", CLASSES)
def test_classes_are_learnt_with_every_loss_and_answered_as_probabilities(
    name: str, loss: str, classes: int
) -> None:
    def y(matrix: FeatureMatrix) -> Any:
        return kinds(matrix, classes)

    model, fresh = fitted(name, "classification", y, loss=loss), rows(150, 4)
    assert (model.predict(fresh).astype(int) == y(fresh)).mean() > 0.85
    softmax = model.predict_proba(fresh)
    assert softmax.shape == (150, classes)
    np.testing.assert_allclose(softmax.sum(axis=1), 1.0, rtol=1e-6)
    again = training.ALGORITHMS[name].load(model.dump())
    np.testing.assert_array_equal(again.predict_proba(fresh), softmax)


@pytest.mark.parametrize("name", [pytest.param(one, marks=installed(one)) for one in BOOSTED])
@pytest.mark.parametrize("loss", ["huber", "log_cosh", "focal"])
def test_losses_of_our_own_repeat_to_the_byte(name: str, loss: str) -> None:
    problem: Problem = "classification" if loss == "focal" else "regression"

    def y(matrix: FeatureMatrix) -> Any:
        return kinds(matrix, 2) if loss == "focal" else sales(matrix)

    once, twice = (fitted(name, problem, y, threads=threads, loss=loss).dump() for threads in (1, 2))
    assert once == twice


@pytest.mark.parametrize("name", [pytest.param(one, marks=installed(one)) for one in BOOSTED])
def test_outliers_hardly_move_a_robust_loss(name: str) -> None:
    def spoilt(matrix: FeatureMatrix) -> Floats:
        y = sales(matrix)
        y[::20] += 20_000
        return y

    fresh = rows(150, 4)

    def missed(loss: str) -> float:
        prediction = np.asarray(fitted(name, "regression", spoilt, loss=loss).predict(fresh))
        return float(np.median(np.abs(prediction - sales(fresh))))

    assert max(missed("huber"), missed("log_cosh")) < missed("squared") / 4


@pytest.mark.parametrize("name", [pytest.param(one, marks=installed(one)) for one in BOOSTED])
def test_early_stopping_watches_the_loss_itself(name: str) -> None:
    steps_of: list[Progress] = []
    train, held_out = rows(200, 1), rows(100, 2)
    noise = np.random.default_rng(0).integers(0, 2, 300)
    training.ALGORITHMS[name]("classification", {"loss": "focal", "early_stopping_rounds": 10}).fit(
        train, noise[:200], validation=held_out, y_validation=noise[200:], on_progress=steps_of.append
    )
    assert len(steps_of) < 200, "there is nothing to learn"
    assert any(re.match("validation_focal", key, re.IGNORECASE) for key in steps_of[0].values)
    assert not any("logloss" in key.lower() for key in steps_of[0].values)


@pytest.mark.parametrize("name", [pytest.param(one, marks=installed(one)) for one in ("lightgbm", "xgboost")])
def test_focus_moves_the_model_and_what_it_would_ignore_is_refused(name: str) -> None:
    def y(matrix: FeatureMatrix) -> Any:
        return kinds(matrix, 2)

    fresh = rows(50, 4)
    plain, focused = (
        fitted(name, "classification", y, loss="focal", focus=focus).predict_proba(fresh) for focus in (0, 4)
    )
    assert np.abs(plain - focused).max() > 0.05
    with pytest.raises(TrainingError, match="'scale_pos_weight' has no effect"):
        fitted(name, "classification", y, loss="focal", scale_pos_weight=3.0)
    with pytest.raises(TrainingError, match="'focus' must be a number of 0 or above, not -1"):
        fitted(name, "classification", y, loss="focal", focus=-1)


@pytest.mark.parametrize("name", [pytest.param(one, marks=installed(one)) for one in (*BOOSTED, "lstm")])
def test_a_loss_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(
        TrainingError, match=r"no loss 'hubber' .*; did you mean 'huber'\? It has absolute, .*squared"
    ):
        fitted(name, "regression", sales, loss="hubber")
    with pytest.raises(TrainingError, match=r"no loss 'nonsense' .*; it has cross_entropy, focal"):
        fitted(name, "classification", lambda matrix: kinds(matrix, 2), loss="nonsense")
    if name == "catboost":
        with pytest.raises(TrainingError, match="no loss 'focal' for 3 classes; it has cross_entropy"):
            fitted(name, "classification", lambda matrix: kinds(matrix, 3), loss="focal")


def test_the_table_in_the_documentation_is_the_catalogue() -> None:
    text = (Path(training.__file__).parents[2] / "docs" / "algorithms.md").read_text()
    table = re.search(r"^\| loss \|.*(?:\n\|.*)+", text, re.MULTILINE)
    assert table is not None
    head, _, *lines = ([cell.strip() for cell in row.strip("|").split("|")] for row in table[0].splitlines())
    library_names = {
        name.strip(" `"): {line[0].strip("`") for line in lines if line[index].startswith("yes")}
        for index, names in enumerate(head[1:], start=1)
        for name in names.split(",")
    }
    known = {
        name: {*info.number_losses, *info.class_losses}
        for name, info in ALGORITHM_CATALOGUE.items()
        if info.number_losses or info.class_losses
    }
    assert library_names == known
