"""The paired test: its direction, its blocks, its agreement with known formulas, and what it costs."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets.artifacts import Bounds
from mlops_assets.errors import EvidenceError
from mlops_assets.evaluation import compare, relative_improvement, spent_confidence
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.evaluation.mcnemar import mcnemar
from mlops_assets.evaluation.resampling import block_length, resample
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.metrics.areas import precision_influence, roc_influence
from mlops_assets_tests.waiting import patience

Floats = NDArray[np.float64]


def autocorrelated(rows: int, phi: float, seed: int) -> Floats:
    from scipy.signal import lfilter

    series: Floats = lfilter([1.0], [1.0, -phi], np.random.default_rng(seed).normal(size=rows))
    return series


def numbers(error: Floats) -> Scored:
    truth: Floats = np.linspace(10, 20, error.size).astype(np.float64)
    half = 1.3 * error.std()
    around = Bounds(0.9, truth + error - half, truth + error + half)
    return Scored(truth, truth + error, None, np.full(error.size, 15.0), bounds=around)


def classes(rows: int, skill: float, seed: int) -> Scored:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, rows).astype(float)
    positive = 1 / (1 + np.exp(-(skill * (2 * truth - 1) + np.random.default_rng(seed).normal(size=rows))))
    return Scored(
        truth, (positive > 0.5).astype(float), np.column_stack([1 - positive, positive]), None, ("no", "yes")
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_clearly_better_model_is_better_by_every_metric(metric: str) -> None:
    if METRICS[metric].problems == ("classification",):
        good, bad = classes(2_000, 2.0, 1), classes(2_000, 0.5, 2)
    else:
        noise = np.random.default_rng(1).normal(size=(2, 2_000))
        good, bad = numbers(0.1 + 0.5 * noise[0]), numbers(1.0 + noise[1])
    forth, back = compare(metric, good, bad), compare(metric, bad, good)
    assert 0 < forth.low <= forth.improvement <= forth.high
    assert back.low <= back.improvement <= back.high < 0


def test_a_model_compared_with_itself_is_neither() -> None:
    same = numbers(np.random.default_rng(0).normal(size=500))
    result = compare("rmse", same, same)
    assert (result.improvement, result.low, result.high) == (0, 0, 0)


def test_a_model_without_any_error_is_better_than_one_with() -> None:
    result = compare("rmse", numbers(np.zeros(500)), numbers(np.random.default_rng(0).normal(size=500)))
    assert result.improvement == 1
    assert result.low > 0.8


def test_other_rows_are_refused() -> None:
    with pytest.raises(EvidenceError, match="different rows"):
        compare("rmse", numbers(np.ones(50)), Scored(np.zeros(50), np.ones(50), None, None))


def test_what_cannot_be_measured_has_no_interval() -> None:
    whole = numbers(np.ones(50))
    holed = Scored(whole.truth, np.where(np.arange(50) == 7, np.nan, whole.predicted), None, None)
    result = compare("rmse", holed, whole)
    assert all(math.isnan(value) for value in (result.challenger, result.improvement, result.low))
    assert math.isnan(compare("rmse", numbers(np.ones(3)), numbers(2 * np.ones(3))).low)


@pytest.mark.parametrize(("rows", "phi"), [(200, 0.0), (200, 0.9), (1_000, 0.5), (7_200, 0.9), (7_200, 0.99)])
def test_block_length_is_that_of_the_library_arch(rows: int, phi: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from arch.bootstrap import optimal_block_length
    series: Any = autocorrelated(rows, phi, rows)
    assert block_length(series) == pytest.approx(
        max(optimal_block_length(series)["circular"].iloc[0], 1.0), rel=0.02
    )


def test_blocks_carry_the_long_run_variance() -> None:
    series = autocorrelated(7_200, 0.9, 3)[:, None]
    rng = np.random.default_rng(0)
    plain, blocks = (resample(series, length, rng, 2_000).std() for length in (1, 150))
    expected = math.sqrt(7_200) / (1 - 0.9)
    assert blocks == pytest.approx(expected, rel=0.15)
    assert plain < expected / 3


def test_resamples_are_of_full_length_when_blocks_do_not_divide_it() -> None:
    totals = resample(np.column_stack([np.ones(103), np.arange(103.0)]), 10, np.random.default_rng(0), 50)
    assert (totals[:, 0] == 103).all()


def test_area_influence_gives_the_standard_error_of_delong() -> None:
    scored = classes(600, 1.0, 4)
    assert scored.probabilities is not None
    positive, scores = scored.truth == 1, scored.probabilities[:, 1]
    wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (
        scores[positive][:, None] == scores[~positive]
    )
    delong = math.sqrt(
        np.var(wins.mean(axis=1), ddof=1) / positive.sum()
        + np.var(wins.mean(axis=0), ddof=1) / (~positive).sum()
    )
    assert roc_influence(positive, scores).std() / math.sqrt(600) == pytest.approx(delong, rel=0.01)


@pytest.mark.parametrize(("won", "lost"), [(5, 0), (6, 0), (9, 2), (40, 20), (3, 3), (0, 0)])
def test_mcnemar_is_the_exact_binomial_test(won: int, lost: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(expected)


@pytest.mark.parametrize(("won", "sure"), [(5, False), (6, True)])
def test_accuracy_on_few_rows_takes_the_exact_test(won: int, sure: bool) -> None:
    truth = np.zeros(40)
    ours = Scored(truth, truth, None, None, ("no", "yes"))
    theirs = Scored(truth, (np.arange(40) < won).astype(float), None, None, ("no", "yes"))
    result = compare("accuracy", ours, theirs)
    assert (result.low > 0) == sure
    assert result.method.startswith(f"exact McNemar test ({won} rows won, 0 lost)")


def test_average_precision_influence_is_its_derivative() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(5)
    positive, scores = rng.random(200) < 0.3, rng.random(200).round(2)
    slope = precision_influence(positive, scores)
    for row in range(0, 200, 17):
        up, down = np.ones(200), np.ones(200)
        up[row], down[row] = 1 + 1e-5, 1 - 1e-5
        change = average_precision_score(positive, scores, sample_weight=up)
        change -= average_precision_score(positive, scores, sample_weight=down)
        area = METRICS["pr_auc"].measure(
            Scored(positive.astype(float), scores, np.column_stack([1 - scores, scores]), None)
        )
        assert (slope[row] - area) / 200 == pytest.approx(change / 2e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "challenger", "champion", "expected"),
    [
        ("rmse", 0.9, 1.0, 0.1),
        ("r2", -0.4, -0.5, 0.1 / 1.5),
        ("roc_auc", 0.99, 0.98, 0.5),
        ("r2", 0.6, 0.5, 0.2),
        ("bias", -0.1, 0.2, 0.5),
        ("bias", 0.3, -0.2, -0.5),
    ],
)
def test_improvement_follows_the_direction(
    metric: str, challenger: float, champion: float, expected: float
) -> None:
    assert relative_improvement(metric, challenger, champion) == pytest.approx(expected)


def test_asking_every_week_never_spends_more_than_was_allowed() -> None:
    assert spent_confidence(0.95, 1) == pytest.approx(0.95)
    one_sided = [(1 - spent_confidence(0.95, look)) / 2 for look in range(1, 5_000)]
    assert 0.0499 < sum(one_sided) < 0.05


def test_rows_needed_grows_with_the_square_of_the_doubt() -> None:
    rng = np.random.default_rng(8)
    common = rng.normal(size=400)
    result = compare(
        "rmse",
        numbers(0.96 * common + 0.5 * rng.normal(size=400)),
        numbers(common + 0.5 * rng.normal(size=400)),
    )
    assert result.low < 0 < result.improvement
    assert (result.rows_needed or 0) > 400


@pytest.mark.parametrize("ordered", [True, False])
def test_all_metrics_of_a_week_take_less_than_a_second(ordered: bool) -> None:
    rng = np.random.default_rng(0)
    good, bad = numbers(rng.normal(size=7_200)), numbers(rng.normal(size=7_200))
    compare("rmse", good, bad)  # imports scikit-learn
    started = time.process_time()
    for metric, info in METRICS.items():
        if "regression" in info.problems:
            compare(metric, good, bad, dependence=Dependence(ordered=ordered))
    assert time.process_time() - started < patience(1 / 3)
