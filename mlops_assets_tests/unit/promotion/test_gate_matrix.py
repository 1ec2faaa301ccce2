"""Nothing that is not two finite numbers in the right relation ever promotes, whatever the gate and the metric."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops_assets import promotion
from mlops_assets.artifacts import Evidence
from mlops_assets.model_file.gates import GATES as GATE_PARAMETERS
from mlops_assets.promotion.gates import GATES
from mlops_assets.promotion.gates.champion import is_beyond, limit_to_beat, limit_to_keep
from mlops_assets_tests.unit.promotion.evidence_factory import MISSING, evaluation_of, evidence_of, spec_with

VALUES: dict[str, Any] = {
    "good": 0.5,
    "ok": 1.0,
    "nought": 0.0,
    "below nought": -0.5,
    "missing": MISSING,
    "NaN": math.nan,
    "+inf": math.inf,
    "-inf": -math.inf,
    "None": None,
    "text": "0.1",
    "true": True,
    "huge": 1e308,
    "beyond floats": 10**400,
}
METRICS = ("rmse", "r2", "bias", "roc_auc")
METRIC_GATES: dict[str, dict[str, Any]] = {
    "beats_champion": {},
    "metric_at_most": {"limit": 0.9},
    "metric_at_least": {"limit": 0.4},
    "beats_baseline": {},
    "regression_guard": {},
}


def finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e308:
        return False
    return math.isfinite(value)


def rule_holds(kind: str, metric: str, ours: Any, theirs: Any) -> bool:
    """The rule of each gate, written a second time and differently."""
    better = {"rmse": -1, "r2": 1, "bias": 0, "roc_auc": 1}[metric]

    def size(value: float) -> float:
        return -abs(value) if better == 0 else better * value

    if not finite(ours):
        return False
    if kind == "metric_at_most":
        return bool(ours <= 0.9)
    if kind == "metric_at_least":
        return bool(ours >= 0.4)
    if kind == "beats_baseline":
        return bool(size(ours) > size(10.0))
    if not finite(theirs):
        return False
    margin = 0.02 * abs(theirs)
    if kind == "beats_champion":
        if metric in ("r2", "roc_auc"):  # a share of the gap to 1
            margin = 0.02 * (1.0 - theirs)
        return bool(size(ours) > size(theirs) + margin)
    return bool(size(ours) >= size(theirs) - margin * (1 + 1e-12))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", METRIC_GATES)
def test_only_finite_numbers_in_the_right_relation_promote(kind: str, metric: str) -> None:
    body = METRIC_GATES[kind] | ({"metrics": [metric]} if kind == "regression_guard" else {"metric": metric})
    problem = "classification" if metric == "roc_auc" else "regression"
    spec = spec_with([{kind: body}], problem=problem, evaluation={"primary": metric})
    checked = 0
    for our_name, ours in VALUES.items():
        for their_name, theirs in VALUES.items():
            evidence = evidence_of(evaluation_of(ours, theirs, metric=metric), spec)
            evidence = replace(evidence, gates=promotion.evaluate_gates(spec, evidence))
            promoted = promotion.decide(spec, evidence.gates, evidence.champion).outcome == "promote"
            assert promoted == rule_holds(kind, metric, ours, theirs), (our_name, their_name, evidence.gates)
            checked += 1
    assert checked == len(VALUES) ** 2


def test_the_matrix_has_more_than_a_thousand_combinations() -> None:
    assert len(METRICS) * len(METRIC_GATES) * len(VALUES) ** 2 > 1_000


@pytest.mark.parametrize("champion", [1.0, 4.2, 1e-300, 0.1 + 0.2, 1e15])
@pytest.mark.parametrize("metric", ["rmse", "r2", "bias"])
def test_the_boundary_is_strict_to_the_last_bit(metric: str, champion: float) -> None:
    limit = limit_to_beat(metric, champion, 0.02)
    assert limit == (champion + 0.02 * (1.0 - champion) if metric == "r2" else champion * 0.98)
    towards_better = math.inf if metric == "r2" else 0.0
    assert not is_beyond(metric, limit, limit)
    assert is_beyond(metric, math.nextafter(limit, towards_better), limit)
    assert not is_beyond(
        metric, math.nextafter(limit, math.inf - towards_better if metric != "r2" else 0.0), limit
    )


def test_a_negative_champion_is_beaten_upwards() -> None:
    assert limit_to_beat("r2", -0.5, 0.02) == pytest.approx(-0.47)
    assert limit_to_beat("r2", 0.0, 0.02) == 0.02
    assert limit_to_keep("r2", -0.5, 0.02) == pytest.approx(-0.51)
    assert not is_beyond("r2", 0.0, 0.0)


@pytest.mark.parametrize(("rows", "outcome"), [(35_999, "refuse"), (36_000, "promote"), (36_001, "promote")])
def test_one_reading_too_few_refuses(rows: int, outcome: str) -> None:
    assert decided([{"min_rows": {}}, at_most(5.0)], training_rows=rows) == outcome


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(1_799.999, "promote"), (1_800.0, "refuse"), (math.nan, "refuse"), (-1.0, "refuse")],
)
def test_thirty_minutes_are_too_long(seconds: float, outcome: str) -> None:
    assert decided([{"time_limit": {}}, at_most(5.0)], training_seconds=seconds) == outcome


@pytest.mark.parametrize(
    ("absent", "rows", "outcome"),
    [(0, 5, "promote"), (1, 5, "refuse"), (0, 0, "refuse"), (None, 5, "refuse")],
)
def test_one_missing_prediction_refuses(absent: Any, rows: int, outcome: str) -> None:
    evaluation = replace(evaluation_of(0.9, 1.0), missing_predictions=absent, holdout_rows=rows)
    assert decided(["no_missing_predictions", at_most(5.0)], evaluation=evaluation) == outcome


@pytest.mark.parametrize(
    ("taken", "outcome"), [(99.9, "promote"), (100.0, "keep"), (None, "refuse"), (math.nan, "refuse")]
)
def test_slow_predictions_keep_the_champion(taken: Any, outcome: str) -> None:
    assert (
        decided(["latency", at_most(5.0)], evaluation=replace(evaluation_of(0.9, 1.0), latency_ms=taken))
        == outcome
    )


@pytest.mark.parametrize(
    ("low", "outcome"), [(0.001, "promote"), (0.0, "keep"), (-0.01, "keep"), (math.nan, "keep")]
)
def test_chance_must_be_excluded(low: float, outcome: str) -> None:
    gate = {"beats_champion": {"metric": "rmse"}}
    assert decided([gate], evaluation=evaluation_of(0.9, 1.0, low=low)) == outcome
    bare = {"beats_champion": {"metric": "rmse", "confidence": None}}
    assert decided([bare], evaluation=evaluation_of(0.9, 1.0, low=low)) == "promote"


def test_a_test_that_was_not_made_or_rests_on_other_numbers_refuses() -> None:
    gate = {"beats_champion": {"metric": "rmse"}}
    measured = evaluation_of(0.9, 1.0)
    assert decided([gate], evaluation=replace(measured, comparisons=())) == "refuse"
    other = tuple(replace(test, champion=1.1) for test in measured.comparisons)
    assert decided([gate], evaluation=replace(measured, comparisons=other)) == "refuse"
    weaker = tuple(replace(test, confidence=0.9) for test in measured.comparisons)
    assert decided([gate], evaluation=replace(measured, comparisons=weaker)) == "refuse"


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_primary_metric_that_is_no_number_refuses_whatever_the_gates_ask(value: Any) -> None:
    measured = replace(evaluation_of(0.9, 1.0), primary="mae")
    with_primary = {part: {**metrics, "mae": value} for part, metrics in measured.challenger.items()}
    assert decided([at_most(5.0)], evaluation=replace(measured, challenger=with_primary)) == "refuse"
    known = {part: {**metrics, "mae": 0.5} for part, metrics in measured.challenger.items()}
    assert decided([at_most(5.0)], evaluation=replace(measured, challenger=known)) == "promote"


def test_every_gate_of_the_model_file_has_a_function() -> None:
    assert GATE_PARAMETERS.keys() == GATES.keys()


def at_most(limit: float) -> dict[str, Any]:
    return {"metric_at_most": {"metric": "rmse", "limit": limit}}


def decided(gates: list[Any], evaluation: Any = None, **changes: Any) -> str:
    spec = spec_with(gates)
    evidence: Evidence = evidence_of(evaluation or evaluation_of(np.float64(0.9), 1.0), spec, **changes)
    return promotion.decide(spec, promotion.evaluate_gates(spec, evidence), evidence.champion).outcome
