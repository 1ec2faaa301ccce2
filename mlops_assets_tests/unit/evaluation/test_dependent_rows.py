"""Rows that depend on each other through time, through their entity, or both do not make chance look like skill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from benchmarks.dependence_simulation import rates
from mlops_assets.evaluation.clusters import Dependence, dependence_of
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
    dependence = dependence_of(frame, strategy, timestamp="at", group=None, entity="e")
    truth, promoted = np.zeros(frame.height), 0
    for seed in range(REPEATS):
        ours, theirs = (Scored(truth, errors(rng, frame, rho, of_entity), None, None) for _ in range(2))
        promoted += compare("rmse", ours, theirs, dependence=dependence, seed=seed).low > 0
    assert promoted / REPEATS <= ALLOWED


@pytest.mark.parametrize(
    ("clock", "rows"), [("panel", 1_000), ("own second", 1_000), ("series", 400), ("random rows", 2_000)]
)
def test_errors_that_last_for_ten_steps_decide_at_most_by_chance(clock: str, rows: int) -> None:
    """A short form of `benchmarks/dependence_simulation.py`, with room for the chance in few repeats."""
    share = rates(clock, 0.9, rows, "rmse", REPEATS)
    assert share.wrong <= 0.05 + 2 * (0.05 * 0.95 / REPEATS) ** 0.5


def test_rows_that_are_drawn_at_random_still_share_their_instant() -> None:
    frame = panel(20, 40, own_second=True).sample(fraction=0.25, seed=0).sort("at", "e")
    dependence = dependence_of(frame, "random", timestamp="at", group=None, entity="e")
    assert dependence.unit == "groups"
    assert dependence.instants is not None
    bins = int(dependence.instants.max()) + 1
    rng = np.random.default_rng(0)
    truth = np.zeros(frame.height)
    better, worse = (Scored(truth, rng.normal(size=bins)[dependence.instants], None, None) for _ in range(2))
    alone = dependence_of(frame, "random", timestamp=None, group=None, entity="e")
    wide, narrow = (compare("mae", better, worse, dependence=one) for one in (dependence, alone))
    assert f"and {bins} instants" in wide.method
    rows = dependence_of(frame.drop("e"), "random", timestamp="at", group=None)
    assert (rows.ordered, rows.unit) == (True, "instants")
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_entities_that_report_at_their_own_second_share_a_bin() -> None:
    frame = panel(20, 40, own_second=True)
    clusters = dependence_of(frame, "temporal", timestamp="at", group=None, entity="e").clusters
    assert clusters is not None
    assert clusters.max() == 39
    assert (clusters == frame["k"].to_numpy()).all()


def test_without_time_an_entity_is_a_cluster_and_few_are_named() -> None:
    frame = panel(4, 50, own_second=True)
    dependence = dependence_of(frame, "random", timestamp="at", group=None, entity="e")
    assert dependence.clusters is not None
    assert dependence.clusters.max() == 3
    rng = np.random.default_rng(0)
    truth = np.zeros(frame.height)
    ours, theirs = (Scored(truth, scale * rng.normal(size=frame.height), None, None) for scale in (0.1, 1.0))
    test = compare("rmse", ours, theirs, dependence=dependence)
    assert np.isnan(test.low)
    assert test.method == "no interval: 4 groups are too few to judge"
    by_time = dependence_of(frame, "temporal", timestamp="at", group=None, entity="e")
    assert "for these 4 entities only" in compare("rmse", ours, theirs, dependence=by_time).method


def test_a_series_that_is_worth_few_periods_has_no_interval() -> None:
    steady = np.repeat([0.5, 2.0], 20)
    truth = np.zeros(40)
    ours, theirs = Scored(truth, steady, None, None), Scored(truth, np.full(40, 1.0), None, None)
    test = compare("mae", ours, theirs, dependence=Dependence(ordered=True))
    assert np.isnan(test.low)
    assert "40 are worth fewer than 4 independent ones" in test.method


def test_a_better_model_of_a_panel_is_promoted() -> None:
    rng = np.random.default_rng(5)
    frame = panel(20, 40, own_second=True)
    shared = errors(rng, frame, 0.5, 1.0)
    test = compare(
        "rmse",
        Scored(np.zeros(frame.height), 0.8 * shared, None, None),
        Scored(np.zeros(frame.height), shared + 0.1 * rng.normal(size=frame.height), None, None),
        dependence=dependence_of(frame, "temporal", timestamp="at", group=None, entity="e"),
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
