"""Rows that depend on each other through time, through their entity, or both do not make chance look like skill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets.evaluation.clusters import Dependence, clusters_of, entities_of
from mlops_assets.evaluation.comparison import compare
from mlops_assets.metrics import Scored

START = datetime(2025, 1, 1, tzinfo=UTC)
REPEATS = 80
ALLOWED = 0.025 + 3 * (0.025 * 0.975 / REPEATS) ** 0.5


def panel(entities: int, rows: int, *, own_second: bool) -> pl.DataFrame:
    """Entities that report every five minutes, at the same second or at one of their own."""
    entity, step = np.repeat(np.arange(entities), rows), np.tile(np.arange(rows), entities)
    offset = 7 * entity if own_second else 0 * entity
    at = [START + timedelta(minutes=5 * int(k), seconds=int(s)) for k, s in zip(step, offset, strict=True)]
    return pl.DataFrame({"at": at, "e": entity, "k": step}).sort("at", "e")


def errors(
    rng: np.random.Generator, frame: pl.DataFrame, rho: float, of_entity: float
) -> NDArray[np.float64]:
    """A part that all entities share at a time (AR(1)), a part of each entity's own, and noise."""
    shared = np.zeros(int(frame["k"].n_unique()))
    if rho:
        shared[0] = rng.normal()
        for step in range(1, shared.size):
            shared[step] = rho * shared[step - 1] + np.sqrt(1 - rho**2) * rng.normal()
    own = of_entity * rng.normal(size=int(frame["e"].n_unique()))
    total = shared[frame["k"].to_numpy()] + own[frame["e"].to_numpy()] + 0.5 * rng.normal(size=frame.height)
    return np.asarray(total, dtype=np.float64)


@pytest.mark.parametrize(
    ("strategy", "own_second", "rho", "of_entity"),
    [
        ("temporal", True, 0.5, 0.0),
        ("temporal", False, 0.5, 0.0),
        ("temporal", True, 0.0, 1.0),
        ("random", True, 0.0, 1.0),
    ],
)
def test_equally_good_models_of_a_panel_are_kept(
    strategy: str, own_second: bool, rho: float, of_entity: float
) -> None:
    rng = np.random.default_rng(3)
    frame = panel(20, 40, own_second=own_second)
    clusters = clusters_of(frame, strategy, timestamp="at", group=None, entity="e")
    entities = entities_of(frame, strategy, "e")
    truth, promoted = np.zeros(frame.height), 0
    for seed in range(REPEATS):
        ours, theirs = (Scored(truth, errors(rng, frame, rho, of_entity), None, None) for _ in range(2))
        test = compare(
            "rmse",
            ours,
            theirs,
            dependence=Dependence(clusters, ordered=strategy == "temporal", entities=entities),
            seed=seed,
        )
        promoted += test.low > 0
    assert promoted / REPEATS <= ALLOWED


def test_entities_that_report_at_their_own_second_share_a_bin() -> None:
    frame = panel(20, 40, own_second=True)
    clusters = clusters_of(frame, "temporal", timestamp="at", group=None, entity="e")
    assert clusters is not None
    assert clusters.max() == 39
    assert (clusters == frame["k"].to_numpy()).all()


def test_without_time_an_entity_is_a_cluster_and_few_are_named() -> None:
    frame = panel(4, 50, own_second=True)
    clusters = clusters_of(frame, "random", timestamp="at", group=None, entity="e")
    assert clusters is not None
    assert clusters.max() == 3
    rng = np.random.default_rng(0)
    truth = np.zeros(frame.height)
    ours, theirs = (Scored(truth, scale * rng.normal(size=frame.height), None, None) for scale in (0.1, 1.0))
    test = compare("rmse", ours, theirs, dependence=Dependence(clusters))
    assert np.isnan(test.low)
    assert test.method == "no interval: 4 groups are too few to judge"
    by_time = clusters_of(frame, "temporal", timestamp="at", group=None, entity="e")
    entities = entities_of(frame, "temporal", "e")
    test = compare("rmse", ours, theirs, dependence=Dependence(by_time, ordered=True, entities=entities))
    assert "for these 4 entities only" in test.method


def test_a_better_model_of_a_panel_is_promoted() -> None:
    rng = np.random.default_rng(5)
    frame = panel(20, 40, own_second=True)
    shared = errors(rng, frame, 0.5, 1.0)
    clusters = clusters_of(frame, "temporal", timestamp="at", group=None, entity="e")
    test = compare(
        "rmse",
        Scored(np.zeros(frame.height), 0.8 * shared, None, None),
        Scored(np.zeros(frame.height), shared + 0.1 * rng.normal(size=frame.height), None, None),
        dependence=Dependence(clusters, ordered=True, entities=entities_of(frame, "temporal", "e")),
    )
    assert test.low > 0


def test_two_positive_rows_decide_nothing() -> None:
    rng = np.random.default_rng(1)
    truth = np.array([1.0] * 9 + [0.0] * 91)
    good = np.clip(0.8 * truth + 0.1 + 0.05 * rng.normal(size=100), 0, 1)
    ours = Scored(truth, (good > 0.5).astype(float), np.column_stack([1 - good, good]), None, ("a", "b"))
    flat = np.full((100, 2), [0.91, 0.09])
    theirs = Scored(truth, np.zeros(100), flat, None, ("a", "b"))
    assert "9 rows of the rarer class" in compare("roc_auc", ours, theirs).method
    assert compare("log_loss", ours, theirs).low > 0
