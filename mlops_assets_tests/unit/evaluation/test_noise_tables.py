"""A first champion trained on pure noise is promoted at most one time in twenty: no luck against a naive baseline."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_assets.evaluation.comparison import compare
from mlops_assets.metrics import METRICS, Scored

REPEATS, COLUMNS = 100, 5
ALLOWED = 0.025 + 3 * (0.025 * 0.975 / REPEATS) ** 0.5


def noise_table(rng: np.random.Generator, rows: int, positives: float | None) -> tuple[Scored, Scored]:
    """Test predictions of a linear model that learned noise, and of the mean or the most frequent class."""
    test = round(0.15 * rows)
    table = np.column_stack([np.ones(rows), rng.normal(size=(rows, COLUMNS))])
    target = rng.normal(size=rows) if positives is None else (rng.random(rows) < positives).astype(float)
    weights = np.linalg.lstsq(table[:-test], target[:-test], rcond=None)[0]
    truth, mean, predicted = target[-test:], float(target[:-test].mean()), table[-test:] @ weights
    if positives is None:
        return Scored(truth, predicted, None, None), Scored(truth, np.full(test, mean), None, None)
    share, flat = np.clip(predicted, 0.01, 0.99), np.full(test, mean)
    classes = ("no", "yes")
    model = Scored(truth, (share > 0.5).astype(float), np.column_stack([1 - share, share]), None, classes)
    naive = Scored(truth, (flat > 0.5).astype(float), np.column_stack([1 - flat, flat]), None, classes)
    return model, naive


@pytest.mark.parametrize(
    ("metric", "positives"), [("rmse", None), ("roc_auc", 0.5), ("roc_auc", 0.08), ("log_loss", 0.5)]
)
@pytest.mark.parametrize("rows", [200, 600])
def test_noise_is_promoted_at_most_by_chance(metric: str, positives: float | None, rows: int) -> None:
    rng = np.random.default_rng(rows)
    tables = [noise_table(rng, rows, positives) for _ in range(REPEATS)]
    tests = [compare(metric, model, naive, seed=seed) for seed, (model, naive) in enumerate(tables)]
    assert np.mean([test.low > 0 for test in tests]) <= ALLOWED
    if metric == "roc_auc":
        better = [METRICS[metric].measure(model) > METRICS[metric].measure(naive) for model, naive in tables]
        assert np.mean(better) > 0.3, "the bare rule promotes noise"
