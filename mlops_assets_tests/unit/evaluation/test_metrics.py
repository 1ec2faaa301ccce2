"""Metrics agree with scikit-learn, and answer NaN, never an exception or a nought, when they cannot be had."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets.evaluation import INTERVAL_METRICS, METRICS
from mlops_assets.evaluation.class_counts import class_rows
from mlops_assets.evaluation.metrics import metric_of
from mlops_assets.evaluation.pieces import PIECES
from mlops_assets.evaluation.scoring import Scored
from mlops_assets.model_file.evaluation import METRIC_CATALOGUE

Floats = NDArray[np.float64]


def test_every_metric_of_the_catalogue_has_a_function_and_pieces() -> None:
    assert METRICS.keys() | INTERVAL_METRICS.keys() == METRIC_CATALOGUE.keys() == PIECES.keys()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("truth", "predicted"),
    [([], []), ([1.0, math.nan], [1.0, 0.0]), ([1.0, 0.0], [math.nan, 0.0]), ([1.0, 0.0], [1.0])],
)
def test_nothing_missing_or_mismatched_is_ever_a_number(
    name: str, truth: list[float], predicted: list[float]
) -> None:
    shares = np.full((len(truth), 2), 0.5)
    if any(math.isnan(value) for value in predicted) or len(predicted) != len(truth):
        shares = np.full((len(truth), 2), math.nan)
    assert math.isnan(METRICS[name](np.array(truth), np.array(predicted), shares))


@pytest.mark.parametrize("name", ["roc_auc", "pr_auc", "log_loss", "brier"])
def test_metrics_of_probabilities_need_probabilities(name: str) -> None:
    assert math.isnan(METRICS[name](np.array([0.0, 1.0]), np.array([0.0, 1.0]), None))


def test_quantities_without_meaning_are_nan() -> None:
    zeros, ones = np.zeros(3), np.ones(3)
    assert math.isnan(METRICS["r2"](ones, zeros, None))
    assert math.isnan(METRICS["mape"](zeros, ones, None))
    assert math.isnan(METRICS["wape"](zeros, ones, None))
    assert math.isnan(METRICS["mase"](ones, zeros, None))
    assert math.isnan(METRICS["roc_auc"](ones, ones, np.full((3, 2), 0.5)))


@pytest.fixture(scope="module")
def numbers() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(1)
    truth = rng.normal(10, 3, 400)
    return truth, truth + rng.normal(0.3, 1, 400)


def test_numbers_agree_with_scikit_learn(numbers: tuple[Floats, Floats]) -> None:
    from sklearn import metrics as reference

    truth, predicted = numbers
    expected = {
        "rmse": reference.root_mean_squared_error(truth, predicted),
        "mae": reference.mean_absolute_error(truth, predicted),
        "r2": reference.r2_score(truth, predicted),
        "mape": reference.mean_absolute_percentage_error(truth, predicted),
        "wape": np.abs(truth - predicted).sum() / np.abs(truth).sum(),
        "bias": np.mean(predicted - truth),
        "mase": np.mean(np.abs(truth - predicted)) / np.mean(np.abs(np.diff(truth))),
    }
    assert {name: METRICS[name](truth, predicted, None) for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 4])
def test_classes_agree_with_scikit_learn(classes: int) -> None:
    from sklearn import metrics as reference

    rng = np.random.default_rng(classes)
    truth = rng.integers(0, classes, 500)
    shares = rng.dirichlet(np.ones(classes), 500).round(2) + 0.3 * np.eye(classes)[truth]
    shares /= shares.sum(axis=1, keepdims=True)
    called = shares.argmax(axis=1)
    hot = np.eye(classes)[truth]
    average = "binary" if classes == 2 else "macro"
    own = shares[:, 1] if classes == 2 else shares
    expected = {
        "accuracy": reference.accuracy_score(truth, called),
        "precision": reference.precision_score(truth, called, average=average),
        "recall": reference.recall_score(truth, called, average=average),
        "f1": reference.f1_score(truth, called, average=average),
        "f1_macro": reference.f1_score(truth, called, average="macro"),
        "f1_weighted": reference.f1_score(truth, called, average="weighted"),
        "precision_macro": reference.precision_score(truth, called, average="macro"),
        "recall_macro": reference.balanced_accuracy_score(truth, called),
        "roc_auc": reference.roc_auc_score(truth, own, multi_class="ovr"),
        "pr_auc": reference.average_precision_score(truth if classes == 2 else hot, own),
        "log_loss": reference.log_loss(truth, shares),
        "brier": reference.brier_score_loss(truth, own)
        if classes == 2
        else np.mean(((shares - hot) ** 2).sum(axis=1)),
    }
    given = (truth.astype(float), called.astype(float), shares)
    assert {name: METRICS[name](*given) for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("classes", [2, 3])
def test_pieces_add_up_to_the_metric(name: str, classes: int, numbers: tuple[Floats, Floats]) -> None:
    if METRIC_CATALOGUE[name].problems == ("classification",):
        rng = np.random.default_rng(7)
        truth = rng.integers(0, classes, 300).astype(float)
        shares = rng.dirichlet(np.ones(classes), 300).round(1)
        scored = Scored(truth, shares.argmax(axis=1).astype(float), shares, None, tuple("abc"[:classes]))
    else:
        scored = Scored(*numbers, None, np.roll(numbers[0], 1))
    pieces = PIECES[name]
    assert float(pieces.value(pieces.rows(scored).sum(axis=0))) == pytest.approx(metric_of(name, scored))


@pytest.mark.parametrize("classes", [2, 4])
def test_the_table_of_classes_agrees_with_scikit_learn(classes: int) -> None:
    from sklearn import metrics as reference

    rng = np.random.default_rng(classes)
    truth = rng.integers(0, classes, 500)
    ours, theirs = (
        np.where(rng.random(500) < sure, truth, rng.integers(0, classes, 500)) for sure in (0.8, 0.5)
    )
    names = tuple("abcd"[:classes])
    challenger, champion = (
        Scored(truth.astype(float), called.astype(float), None, None, names) for called in (ours, theirs)
    )
    expected = reference.precision_recall_fscore_support(truth, ours)
    before = reference.precision_recall_fscore_support(truth, theirs)
    rows = class_rows(challenger, champion)
    assert [row.label for row in rows] == list(names)
    for code, row in enumerate(rows):
        assert row.support == expected[3][code]
        assert list(row.challenger.values()) == pytest.approx([found[code] for found in expected[:3]])
        assert row.champion is not None
        assert list(row.champion.values()) == pytest.approx([found[code] for found in before[:3]])


def test_a_class_without_rows_has_no_recall() -> None:
    scored = Scored(np.array([0.0, 0.0]), np.array([0.0, 1.0]), None, None, ("a", "b"))
    first, second = class_rows(scored, None)
    assert (first.support, first.challenger["recall"], first.champion) == (2, 0.5, None)
    assert (second.support, second.challenger["precision"]) == (0, 0.0)
    assert math.isnan(second.challenger["recall"])
    assert math.isnan(second.challenger["f1"])


def test_a_missing_answer_counts_as_not_found() -> None:
    scored = Scored(np.array([0.0, 0.0, 1.0]), np.array([0.0, math.nan, -1.0]), None, None, ("a", "b"))
    assert [row.challenger["recall"] for row in class_rows(scored, None)] == [0.5, 0.0]
