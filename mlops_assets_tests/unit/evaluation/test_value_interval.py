"""The interval of one metric: that a proportion without an error has one too, and that it keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_assets.evaluation.value_interval import value_interval
from mlops_assets.metrics import METRICS, Scored


def predicted(rows: int, wrong: int, positive: int | None = None) -> Scored:
    """Rows of two classes, half of each unless `positive` says how many; the first `wrong` are predicted wrong."""
    truth = (np.arange(rows) % 2 if positive is None else np.arange(rows) < positive).astype(np.float64)
    classes = truth.copy()
    classes[:wrong] = 1.0 - classes[:wrong]
    return Scored(truth, classes, np.stack([1.0 - classes, classes], axis=1), None, ("no", "yes"))


PROPORTIONS = [name for name, metric in METRICS.items() if metric.sample and metric.needs != "interval"]


def test_every_proportion_declares_what_it_rests_on() -> None:
    bounded = {
        name for name, metric in METRICS.items() if (metric.direction, metric.bound) == ("higher", 1.0)
    }
    assert {name for name, metric in METRICS.items() if metric.sample} == bounded - {"r2"}


@pytest.mark.parametrize("name", PROPORTIONS)
@pytest.mark.parametrize("wrong", [0, 20])
def test_twenty_rows_without_a_difference_prove_little(name: str, wrong: int) -> None:
    interval = value_interval(name, predicted(20, wrong))
    assert 0.0 <= interval.low < interval.high <= 1.0
    assert interval.low < 0.9 if wrong == 0 else interval.high > 0.1


@pytest.mark.parametrize(("rows", "low"), [(20, 0.82), (300, 0.9874), (3_000, 0.99872)])
def test_perfect_accuracy_has_wilsons_interval(rows: int, low: float) -> None:
    interval = value_interval("accuracy", predicted(rows, 0))
    assert interval.low == pytest.approx(low, abs=2e-3)
    assert interval.high == 1.0


def test_a_rare_class_without_an_error_is_known_by_its_own_rows() -> None:
    scored = predicted(1_000, 0, positive=20)
    assert value_interval("recall", scored).low == pytest.approx(0.84, abs=0.01)
    assert value_interval("accuracy", scored).low > 0.99
    assert value_interval("balanced_accuracy", scored).low == pytest.approx(0.91, abs=0.01)


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_true_accuracy_lies_inside_as_often_as_promised(share: float) -> None:
    """An interval of value +- t x standard error has no width in a third of tables of 50 rows with 2 % errors."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        truth = (np.arange(50) % 2).astype(np.float64)
        classes = np.where(rng.random(50) < share, 1.0 - truth, truth)
        interval = value_interval("accuracy", Scored(truth, classes, None, None, ("no", "yes")))
        inside += interval.low <= 1.0 - share <= interval.high
    assert inside / 200 >= 0.91
