"""A metric of one's own is one object and one line: it is measured, compared, judged by gates and reported."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_assets import evaluation, promotion, reports
from mlops_assets.evaluation.row_resampling import resampled_metrics
from mlops_assets.metrics import METRICS, Metric, Scored
from mlops_assets.metrics.metric import NUMBERS
from mlops_assets_tests.unit.metrics.conformity import check_metric, numbers
from mlops_assets_tests.unit.promotion.evidence_factory import (
    ColumnPredictor,
    evidence_of,
    pump_frame,
    spec_with,
    split_of,
)


def upper_quartile_error(scored: Scored) -> float:
    """Compute the upper quartile of absolute errors, in units of the target."""
    return float(np.quantile(np.abs(scored.predicted - scored.truth), 0.75))


def largest_error(scored: Scored) -> float:
    """Compute the largest absolute error, in units of the target."""
    return float(np.max(np.abs(scored.predicted - scored.truth)))


QUARTILE = Metric("upper_quartile_error", "lower", NUMBERS, upper_quartile_error, bound=0.0)
LARGEST = Metric("largest_error", "lower", NUMBERS, largest_error, bound=0.0)


@pytest.fixture
def quartile(monkeypatch: pytest.MonkeyPatch) -> Metric:
    monkeypatch.setitem(METRICS, QUARTILE.name, QUARTILE)
    monkeypatch.setitem(METRICS, LARGEST.name, LARGEST)
    return QUARTILE


def test_it_conforms(quartile: Metric) -> None:
    check_metric(quartile)
    check_metric(LARGEST)


def test_it_goes_through_evaluation_comparison_gates_and_report(quartile: Metric) -> None:
    name = quartile.name
    spec = spec_with(
        [
            {"beats_champion": {"metric": name, "by": 0.05, "confidence": 0.9}},
            {"beats_baseline": {"metric": name}},
            {"metric_at_most": {"metric": name, "limit": 10}},
            {"slice_guard": {"metric": name}},
        ],
        evaluation={"primary": name, "also": ["rmse"], "slices": ["pump_id"]},
    )
    measured = evaluation.evaluate(
        spec, ColumnPredictor("x"), ColumnPredictor("worse"), split_of(pump_frame(8_000)), size_bytes=0
    )
    comparison = next(test for test in measured.comparisons if test.metric == name)
    assert 0 < comparison.low < comparison.improvement < comparison.high < 1
    evidence = evidence_of(measured, spec)
    gates = promotion.evaluate_gates(spec, evidence)
    assert {gate.gate: gate.verdict for gate in gates} == {gate.gate: "pass" for gate in gates}
    text = reports.markdown(evidence, promotion.decide(spec, gates, evidence.champion), "e" * 64)
    assert f"| {name} |" in text.replace("*", "").replace(" (lower is better)", "")


@pytest.mark.parametrize("clustered", [False, True])
def test_resampled_rows_have_the_spread_of_resampled_sums(clustered: bool) -> None:
    """The standard error of a mean is the same, whether rows or their sums are resampled."""
    rng = np.random.default_rng(3)
    good, bad = numbers(rng.normal(size=600)), numbers(1.5 * rng.normal(size=600))
    clusters = np.arange(600) // 2 if clustered else None
    values, _ = resampled_metrics(
        METRICS["mae"], good, bad, clusters=clusters, length=1, rng=rng, resamples=800
    )
    errors = np.abs(good.predicted - good.truth)
    if clustered:
        errors = errors.reshape(-1, 2).mean(axis=1)
    assert values.std() == pytest.approx(errors.std() / np.sqrt(errors.size), rel=0.15)


def test_blocks_of_rows_keep_the_autocorrelation() -> None:
    from scipy.signal import lfilter

    error = lfilter([1.0], [1.0, -0.9], np.random.default_rng(5).normal(size=3_000))
    scored = numbers(error)
    spread = [
        resampled_metrics(
            METRICS["bias"], scored, scored, clusters=None, length=length, rng=np.random.default_rng(0)
        )[0].std()
        for length in (1, 100)
    ]
    assert spread[1] > 3 * spread[0]
