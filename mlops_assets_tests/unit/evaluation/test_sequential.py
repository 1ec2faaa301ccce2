"""Evidence adds up over weeks: power grows, and a year of looks at equally good models promotes one time in twenty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.promotion_simulation import errors
from mlops_assets import promotion
from mlops_assets.artifacts import SequentialTest, from_json, to_json
from mlops_assets.evaluation.sequential import losses, sequential_test
from mlops_assets.metrics import Floats, Scored
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

START = datetime(2025, 1, 1, tzinfo=UTC)
WEEKLY, HOLDOUT = 168, 500


def times(first: int, rows: int) -> pl.Series:
    return pl.Series([START + timedelta(hours=first + row) for row in range(rows)])


def scored(predicted: Floats) -> Scored:
    return Scored(np.zeros(predicted.size), predicted, None, None)


def year(seed: int, better: float, phi: float = 0.8, weeks: int = 52) -> list[float]:
    """The e-value after every look of a year; holdouts overlap, and each week has a challenger of its own."""
    rng = np.random.default_rng(seed)
    shared = errors(rng, WEEKLY * weeks + HOLDOUT, phi) * np.sqrt(0.5)
    champion = shared + errors(rng, shared.size, phi) * np.sqrt(0.5)
    state: SequentialTest | None = None
    values: list[float] = []
    for week in range(weeks):
        rows = slice(week * WEEKLY, week * WEEKLY + HOLDOUT)
        challenger = (shared[rows] + errors(rng, HOLDOUT, phi) * np.sqrt(0.5)) * (1 - better)
        state = sequential_test(
            "rmse",
            scored(challenger),
            scored(champion[rows]),
            times(week * WEEKLY, HOLDOUT),
            recipe="r",
            before=state,
        )
        values.append(state.e_value if state else 1.0)
    return values


def test_a_year_of_looks_at_equally_good_models_promotes_none_by_chance() -> None:
    repeats = 60
    promoted = sum(max(year(seed, 0.0)) >= 40 for seed in range(repeats))
    assert promoted / repeats <= 0.025 + 3 * (0.025 * 0.975 / repeats) ** 0.5


def test_power_grows_with_weeks() -> None:
    paths = [year(seed, 0.08) for seed in range(20)]
    after = {week: np.mean([max(path[:week]) >= 40 for path in paths]) for week in (2, 10, 52)}
    assert after[2] < after[52]
    assert after[52] >= 0.8


def test_no_row_counts_twice() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = scored(0.5 * rng.normal(size=HOLDOUT)), scored(rng.normal(size=HOLDOUT))
    first = sequential_test("rmse", ours, theirs, times(0, HOLDOUT), recipe="r", before=None)
    assert first is not None
    again = sequential_test("rmse", ours, theirs, times(0, HOLDOUT), recipe="r", before=first)
    assert again == first
    assert from_json(SequentialTest, to_json(first)) == first


def test_the_gate_promotes_by_accumulated_evidence() -> None:
    spec = spec_with([{"beats_champion": {"metric": "rmse"}}])
    state = SequentialTest("rmse", spec.digest(), START, 3600.0, 1.0, 50, (np.log(1e6),), 7)
    worse = evaluation_of(0.99, 1.0, low=-0.01, sequential=(state,))
    assert promotion.evaluate_gates(spec, evidence_of(worse, spec))[0].verdict == "fail"
    for wealth, verdict in (
        (39.9, "not_enough_evidence"),
        (40.1, "pass"),
        (float("nan"), "not_enough_evidence"),
    ):
        state = SequentialTest("rmse", spec.digest(), START, 3600.0, 1.0, 50, (float(np.log(wealth)),), 7)
        measured = evaluation_of(0.9, 1.0, low=-0.01, sequential=(state,))
        [result] = promotion.evaluate_gates(spec, evidence_of(measured, spec))
        assert result.verdict == verdict, result.reason
    assert pytest.approx(40.1) == SequentialTest("m", "r", START, 1.0, 1.0, 1, (np.log(40.1),), 1).e_value


def test_losses_of_classes_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss

    truth = np.array([0.0, 1.0, 1.0, 0.0])
    positive = np.array([0.2, 0.0, 0.9, 1.0])
    scored = Scored(truth, positive.round(), np.column_stack([1 - positive, positive]), None, ("no", "yes"))
    assert losses("log_loss", scored).mean() == pytest.approx(log_loss(truth, positive))
    unknown = Scored(np.full(4, -1.0), scored.predicted, scored.probabilities, None, ("no", "yes"))
    assert (losses("log_loss", unknown) > 36).all(), "a class that no model knows had probability 0"
