"""What every metric must do, whoever wrote it. `check_metric` runs all checks on one metric."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mlops_assets.evaluation import compare
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.metrics import Bounds, Floats, Metric, Scored


def numbers(error: Floats) -> Scored:
    """Predictions that are off by the error, with a naive forecast and an interval."""
    truth: Floats = np.random.default_rng(9).normal(15, 3, error.size).astype(np.float64)
    half = 1.3 * error.std()
    bounds = Bounds(0.9, truth + error - half, truth + error + half)
    return Scored(truth, truth + error, None, np.full(error.size, 15.0), bounds=bounds)


def classes(rows: int, skill: float, seed: int, count: int = 2) -> Scored:
    """Predicted classes and probabilities of a classifier; skill 0 is guessing."""
    truth = np.random.default_rng(0).integers(0, count, rows)
    scores = skill * np.eye(count)[truth] + np.random.default_rng(seed).normal(size=(rows, count))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    names = tuple("abcdef"[:count])
    return Scored(truth.astype(float), probabilities.argmax(axis=1).astype(float), probabilities, None, names)


def samples_of(metric: Metric, rows: int = 400) -> list[Scored]:
    """Complete rows of each problem for which the metric has a meaning."""
    if metric.problems == ("classification",):
        return [classes(rows, 1.0, 1), classes(rows, 1.0, 1, count=4)]
    error = np.random.default_rng(2).normal(0.3, 1.0, rows)
    with_naive = numbers(error)
    return [with_naive, replace(with_naive, naive=None)]


def check_metric(metric: Metric) -> None:
    """Run every check."""
    check_description(metric)
    for scored in samples_of(metric):
        value = metric.measure(scored)
        assert math.isfinite(value)
        assert metric.measure(scored) == value, "the same rows give the same number"
        check_bound(metric, value)
        check_influence(metric, scored)
        check_incomplete_rows(metric, scored)
    check_direction(metric)


def check_description(metric: Metric) -> None:
    """The reference of metrics is written from the function's docstring."""
    assert metric.description.startswith("Compute ")
    assert metric.problems
    assert metric.name.isidentifier()


def check_bound(metric: Metric, value: float) -> None:
    """No model is better than the best value."""
    if metric.bound is not None and metric.direction == "higher":
        assert value <= metric.bound
    if metric.bound is not None and metric.direction == "lower":
        assert value >= metric.bound


def check_influence(metric: Metric, scored: Scored) -> None:
    """Contributions add up to the metric, and sums of many resamples are one call."""
    if metric.influence is None:
        return
    contributions = metric.influence.contributions(scored)
    assert contributions.shape[0] == scored.truth.size
    total = contributions.sum(axis=0)
    assert float(metric.influence.value(total)) == pytest.approx(metric.measure(scored))
    assert metric.influence.value(np.stack([total, total])).shape == (2,)


def check_incomplete_rows(metric: Metric, scored: Scored) -> None:
    """Missing, infinite, mismatched or no rows give NaN, never an exception and never a number."""
    for missing in (math.nan, math.inf):
        assert math.isnan(metric.measure(replace(scored, truth=_with(scored.truth, missing))))
    assert math.isnan(metric.measure(scored.subset(np.zeros(scored.truth.size, dtype=bool))))
    broken = {
        "predictions": [
            replace(scored, predicted=_with(scored.predicted, math.nan)),
            replace(scored, predicted=_with(scored.predicted, math.inf)),
            replace(scored, predicted=scored.predicted[1:]),
        ],
        "probabilities": [replace(scored, probabilities=None)],
        "interval": [replace(scored, bounds=None)],
    }[metric.needs]
    if metric.needs == "probabilities" and scored.probabilities is not None:
        holes = scored.probabilities.copy()
        holes[7] = math.nan
        broken += [
            replace(scored, probabilities=holes),
            replace(scored, probabilities=holes[8:]),
            replace(scored, probabilities=scored.probabilities[:, :1]),
        ]
    if metric.needs == "interval" and scored.bounds is not None:
        broken.append(replace(scored, bounds=replace(scored.bounds, low=_with(scored.bounds.low, math.nan))))
    for incomplete in broken:
        assert math.isnan(metric.measure(incomplete))


def check_direction(metric: Metric) -> None:
    """A clearly better model wins the comparison, and loses it in exchanged roles."""
    if metric.problems == ("classification",):
        good, bad = classes(2_000, 2.0, 1), classes(2_000, 0.5, 2)
    else:
        noise = np.random.default_rng(1).normal(size=(2, 2_000))
        good, bad = numbers(0.1 + 0.5 * noise[0]), numbers(1.0 + noise[1])
    for ordered in (False, True):
        better = compare(metric.name, good, bad, dependence=Dependence(ordered=ordered))
        worse = compare(metric.name, bad, good, dependence=Dependence(ordered=ordered))
        assert 0 < better.low <= better.improvement <= better.high
        assert worse.low <= worse.improvement <= worse.high < 0


def _with(values: Floats, value: float) -> Floats:
    changed: Floats = values.copy()
    changed[7] = value
    return changed
