"""Metrics agree with scikit-learn, and answer NaN, never an exception or a nought, when they cannot be had."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlops_assets.evaluation.class_rows import class_rows
from mlops_assets.metrics import METRICS, Floats, Scored
from mlops_assets_tests.unit.metrics.conformity import check_metric


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_conforms(name: str) -> None:
    assert METRICS[name].name == name
    check_metric(METRICS[name])


def test_quantities_without_meaning_are_nan() -> None:
    zeros, ones = np.zeros(3), np.ones(3)
    for name, scored in {
        "r2": Scored(ones, zeros, None, None),
        "mape": Scored(zeros, ones, None, None),
        "wape": Scored(zeros, ones, None, None),
        "mase": Scored(ones, zeros, None, None),
        "roc_auc": Scored(ones, ones, np.full((3, 2), 0.5), None),
        "pr_auc": Scored(zeros, ones, np.full((3, 2), 0.5), None),
        "recall": Scored(zeros, zeros, None, None, ("no", "yes")),
        "balanced_accuracy": Scored(zeros - 1, ones, None, None, ("no", "yes")),
    }.items():
        assert math.isnan(METRICS[name].measure(scored)), name


def test_a_label_that_the_model_does_not_know_is_never_right() -> None:
    truth, predicted = np.array([0.0, 1.0, -1.0, -1.0]), np.array([0.0, 1.0, 1.0, -1.0])
    scored = Scored(
        truth, predicted, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.5, 0.5]]), None, ("a", "b")
    )
    assert METRICS["precision"].measure(scored) == pytest.approx(0.5)
    assert METRICS["recall"].measure(scored) == 1.0
    assert METRICS["log_loss"].measure(scored) > 10.0


def test_log_loss_of_certain_predictions_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    truth = np.array([0.0, 1.0, 1.0, 0.0])
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.7, 0.3]])
    scored = Scored(truth, truth, probabilities, None)
    assert METRICS["log_loss"].measure(scored) == pytest.approx(log_loss(truth, probabilities), rel=1e-12)


def test_macro_recall_counts_a_class_that_is_predicted_and_never_true() -> None:
    """Balanced accuracy leaves it out: the two are different metrics."""
    scored = Scored(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 2.0, 1.0, 1.0]), None, None, tuple("abc"))
    assert METRICS["balanced_accuracy"].measure(scored) == pytest.approx(0.75)
    assert METRICS["recall_macro"].measure(scored) == pytest.approx(0.5)


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
    assert {
        name: METRICS[name].measure(Scored(truth, predicted, None, None)) for name in expected
    } == pytest.approx(expected)


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
        "recall_macro": reference.recall_score(truth, called, average="macro"),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, called),
        "roc_auc": reference.roc_auc_score(truth, own, multi_class="ovr"),
        "pr_auc": reference.average_precision_score(truth if classes == 2 else hot, own),
        "log_loss": reference.log_loss(truth, shares),
        "brier": reference.brier_score_loss(truth, own)
        if classes == 2
        else np.mean(((shares - hot) ** 2).sum(axis=1)),
    }
    scored = Scored(truth.astype(float), called.astype(float), shares, None)
    assert {name: METRICS[name].measure(scored) for name in expected} == pytest.approx(expected)


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
        assert list(row.challenger.values()) == pytest.approx([result[code] for result in expected[:3]])
        assert row.champion is not None
        assert list(row.champion.values()) == pytest.approx([result[code] for result in before[:3]])


def test_a_class_without_rows_has_no_recall() -> None:
    scored = Scored(np.array([0.0, 0.0]), np.array([0.0, 1.0]), None, None, ("a", "b"))
    first, second = class_rows(scored, None)
    assert (first.support, first.challenger["recall"], first.champion) == (2, 0.5, None)
    assert (second.support, second.challenger["precision"]) == (0, 0.0)
    assert math.isnan(second.challenger["recall"])
    assert math.isnan(second.challenger["f1"])


def test_a_missing_prediction_counts_as_missed() -> None:
    scored = Scored(np.array([0.0, 0.0, 1.0]), np.array([0.0, math.nan, -1.0]), None, None, ("a", "b"))
    assert [row.challenger["recall"] for row in class_rows(scored, None)] == [0.5, 0.0]
