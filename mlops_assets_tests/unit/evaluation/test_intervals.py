"""Metrics of intervals: what they measure, that none is measured without an interval, and which gates may use them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops_assets import evaluation, promotion, reports
from mlops_assets.artifacts import Bounds, Evaluation, from_json, to_json
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.consistency import inconsistencies
from mlops_assets.reports import plots
from mlops_assets_tests.unit.promotion.evidence_factory import (
    ColumnPredictor,
    evidence_of,
    pump_frame,
    spec_with,
    split_of,
)

ALL = {"primary": "rmse", "also": ["coverage", "pinball", "interval_width"]}


def scored(level: float = 0.8, half: float = 1.0) -> Scored:
    truth = np.random.default_rng(0).normal(size=400)
    centre = np.zeros(400)
    return Scored(truth, centre, None, None, bounds=Bounds(level, centre - half, centre + 2 * half))


def spec_of(
    gates: list[Any] | None = None, training: dict[str, Any] | None = None, **evaluated: Any
) -> ModelSpec:
    return spec_with(
        gates or [], evaluation=ALL | evaluated, training={"algorithms": ["ridge"], **(training or {})}
    )


def test_they_measure_what_their_names_say() -> None:
    one = scored()
    assert METRICS["coverage"].measure(one) == np.mean((one.truth >= -1) & (one.truth <= 2))
    assert METRICS["interval_width"].measure(one) == pytest.approx(3.0)


def test_pinball_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import mean_pinball_loss

    one = scored(level=0.8)
    bounds = one.bounds
    assert bounds is not None
    expected = (
        mean_pinball_loss(one.truth, bounds.low, alpha=0.1)
        + mean_pinball_loss(one.truth, bounds.high, alpha=0.9)
    ) / 2
    assert METRICS["pinball"].measure(one) == pytest.approx(expected)


def test_pinball_is_won_neither_by_the_widest_nor_by_the_narrowest() -> None:
    right = METRICS["pinball"].measure(scored(half=0.8))
    assert right < METRICS["pinball"].measure(scored(half=50.0))
    assert right < METRICS["pinball"].measure(scored(half=0.0))


@pytest.mark.parametrize("name", ["coverage", "pinball", "interval_width"])
def test_without_an_interval_there_is_no_number(name: str) -> None:
    one = scored()
    assert one.bounds is not None
    gap = np.where(np.arange(400) == 7, np.nan, one.bounds.low)
    for broken in (
        replace(one, bounds=None),
        replace(one, bounds=replace(one.bounds, low=gap)),
        replace(one, truth=gap),
        one.subset(np.zeros(400, dtype=bool)),
    ):
        assert math.isnan(METRICS[name].measure(broken))


def test_an_evaluation_measures_both_models_and_says_so() -> None:
    spec = spec_of()
    result = evaluation.evaluate(
        spec,
        ColumnPredictor("x", spread=1.0),
        ColumnPredictor("worse", spread=1.0),
        split_of(pump_frame()),
        size_bytes=0,
    )
    assert result.challenger["test"]["coverage"] == pytest.approx(0.95, abs=0.05)
    assert result.champion is not None
    assert result.champion["test"]["coverage"] == pytest.approx(0.68, abs=0.1)
    assert math.isnan(result.baseline["test"]["coverage"])
    tests = {test.metric: test for test in result.comparisons}
    assert tests["pinball"].low > 0
    share = 100 * result.challenger["test"]["coverage"]
    assert f"90 % interval: {share:.1f} % of 200 holdout rows lie inside, mean width 2" in result.notes
    assert from_json(Evaluation, to_json(result)).notes == result.notes


def test_an_interval_of_another_level_is_not_compared() -> None:
    champion = ColumnPredictor("worse", spread=1.0, level=0.5)
    result = evaluation.evaluate(
        spec_of(), ColumnPredictor("x", spread=1.0), champion, split_of(pump_frame()), size_bytes=0
    )
    assert result.champion is not None
    assert math.isnan(result.champion["test"]["pinball"])


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        ({"metric_at_least": {"metric": "coverage", "limit": 0.85}}, "pass"),
        ({"metric_at_least": {"metric": "coverage", "limit": 0.999}}, "fail"),
        ({"metric_at_most": {"metric": "pinball", "limit": 0.2}}, "pass"),
        ({"metric_at_most": {"metric": "interval_width", "limit": 1.0}}, "fail"),
    ],
)
def test_gates_hold_the_interval_to_limits(gate: dict[str, Any], verdict: str) -> None:
    spec = spec_of([gate])
    for spread, expected in ((1.0, verdict), (None, "fail")):
        result = evaluation.evaluate(
            spec, ColumnPredictor("x", spread=spread), None, split_of(pump_frame()), size_bytes=0
        )
        [gate_result] = promotion.evaluate_gates(spec, evidence_of(result, spec))
        assert gate_result.verdict == expected
        assert spread is not None or gate_result.hard, "unmeasured is wrong, not merely not good enough"


def test_a_narrower_interval_is_no_regression() -> None:
    spec = spec_of(
        [{"regression_guard": {"tolerance": 0.0}}], primary="rmse", also=["coverage", "interval_width"]
    )
    split = split_of(pump_frame())
    ours, theirs = ColumnPredictor("x", spread=0.5), ColumnPredictor("same", spread=3.0)
    result = evaluation.evaluate(spec, ours, theirs, split, size_bytes=0)
    [gate_result] = promotion.evaluate_gates(spec, evidence_of(result, spec))
    assert gate_result.verdict == "pass"


@pytest.mark.parametrize(
    ("spec", "sentences"),
    [
        (
            spec_of(primary="coverage"),
            ["'coverage' cannot say which model is better, the widest interval wins it; take 'pinball'"],
        ),
        (spec_of(primary="pinball", also=["coverage"]), []),
        (
            spec_of([{"beats_champion": {"metric": "interval_width"}}]),
            [
                "'interval_width' cannot say which model is better, the narrowest interval wins it; take 'pinball'"
            ],
        ),
        (spec_of([{"beats_champion": {"metric": "pinball"}}]), []),
        (
            spec_of([{"beats_baseline": {"metric": "coverage"}}]),
            ["the naive baseline has no interval; give 'coverage' a limit with metric_at_least"],
        ),
        (
            spec_of(also=["pinball"], training={"interval": None}),
            ["'pinball' is measured on an interval, and 'training.interval' is null; write 90%, say"],
        ),
    ],
)
def test_model_files_that_use_an_interval_wrongly(spec: ModelSpec, sentences: list[str]) -> None:
    assert [sentence for _, sentence in inconsistencies(spec)] == sentences


def test_a_forecast_is_drawn_of_one_entity(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[Scored, Any, str]] = []

    def draw(one: Scored, when: Any, target: str, *, entity: str = "") -> bytes:
        drawn.append((one, when, entity))
        return target.encode()

    monkeypatch.setattr(plots, "forecast", draw)
    spec = spec_with([], problem="forecasting", features={"inputs": ["x"], "horizon": "5m"})
    split = split_of(pump_frame())
    model = ColumnPredictor("x", spread=1.0)
    result = evaluation.evaluate(spec, model, None, split, size_bytes=0)
    assert reports.draw_plots(spec, model, None, split, result, None)["forecast"] == b"y"
    [(one, when, entity)] = drawn
    own = split.test.filter(split.test["pump_id"] == "p1")
    assert entity == "p1"
    assert one.truth.tolist() == own["y"].to_list()
    assert one.bounds is not None
    assert one.bounds.low.tolist() == (own["x"] - 1.0).to_list()
    assert when == own["at"].to_list()
