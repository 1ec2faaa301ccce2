"""A limit passes only when enough rows say so: few rows, or an interval that contains the limit, are no evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops_assets import evaluation, promotion
from mlops_assets.artifacts import Evaluation, GateResult, MetricInterval
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.evaluation.value_interval import value_interval
from mlops_assets.metrics import METRICS, Scored
from mlops_assets_tests.unit.promotion.evidence_factory import (
    ColumnPredictor,
    evaluation_of,
    evidence_of,
    pump_frame,
    spec_with,
    split_of,
)

AT_MOST: dict[str, Any] = {"metric": "rmse", "limit": 1.0}


def result_of(measured: Evaluation, **changes: Any) -> GateResult:
    spec = spec_with([{"metric_at_most": AT_MOST | changes}])
    return promotion.evaluate_gates(spec, evidence_of(measured, spec))[0]


def limited(low: float, high: float, rows: int = 500, value: float = 0.9) -> Evaluation:
    interval = MetricInterval("rmse", "test", value, low, high, 0.95, "bootstrap", rows)
    return replace(evaluation_of(0.9, None), champion=None, intervals=(interval,))


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (limited(0.8, 0.95), "pass"),
        (limited(0.8, 1.05), "not_enough_evidence"),
        (limited(0.8, 0.95, rows=19), "not_enough_evidence"),
        (limited(float("nan"), float("nan")), "not_enough_evidence"),
        (limited(0.8, 0.95, value=0.7), "fail"),
    ],
)
def test_a_limit_passes_only_on_evidence(measured: Evaluation, verdict: str) -> None:
    spec = spec_with([{"metric_at_most": AT_MOST}])
    assert result_of(measured).verdict == verdict
    decision = promotion.decide(
        spec, promotion.evaluate_gates(spec, evidence_of(measured, spec)), evidence_of(measured).champion
    )
    assert (decision.outcome == "promote") == (verdict == "pass")
    assert result_of(measured, confidence=None).verdict == "pass", "the bare rule, where a file asks for it"


def test_an_evaluation_measures_the_interval_of_each_limit() -> None:
    for rows, limit, verdict in ((2_000, 0.7, "pass"), (2_000, 0.51, "not_enough_evidence")):
        spec = spec_with([{"metric_at_most": {"metric": "rmse", "limit": limit}}])
        measured = evaluation.evaluate(
            spec, ColumnPredictor(), None, split_of(pump_frame(rows)), size_bytes=1
        )
        assert measured.intervals is not None
        [interval] = measured.intervals
        assert interval.low < interval.value < interval.high
        assert promotion.evaluate_gates(spec, evidence_of(measured, spec))[0].verdict == verdict


@pytest.mark.parametrize("metric", ["rmse", "mae", "median_absolute_error", "r2"])
@pytest.mark.parametrize("ordered", [False, True])
def test_the_interval_covers_the_value_on_fresh_rows(metric: str, ordered: bool) -> None:
    rng = np.random.default_rng(4)
    inside, repeats = 0, 60
    truth = rng.normal(size=200_000)
    expected = METRICS[metric].measure(Scored(truth, truth + 0.5 * rng.normal(size=truth.size), None, None))
    for seed in range(repeats):
        rows = rng.normal(size=300)
        scored = Scored(rows, rows + 0.5 * rng.normal(size=300), None, None)
        interval = value_interval(metric, scored, dependence=Dependence(ordered=ordered), seed=seed)
        inside += interval.low <= expected <= interval.high
    assert inside / repeats >= 0.95 - 3 * (0.05 * 0.95 / repeats) ** 0.5


def test_few_rows_have_no_interval() -> None:
    few = Scored(np.zeros(7), np.ones(7), None, None)
    assert "7 rows are too few to judge" in value_interval("rmse", few).method
