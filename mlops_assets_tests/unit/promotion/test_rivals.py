"""A model must beat every naive baseline, and not by chance; a gate that the champion fails too does not protect it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlops_assets import promotion
from mlops_assets.artifacts import ChampionRef, Evaluation, GateResult
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, rival_of, spec_with

GATE: dict[str, Any] = {"beats_baseline": {"metric": "rmse"}}
BEATS: dict[str, Any] = {"beats_champion": {"metric": "rmse"}}
FIRST = ChampionRef(None, 0)


def result_of(measured: Evaluation, gate: Any = None) -> GateResult:
    spec = spec_with([gate or GATE])
    [result] = promotion.evaluate_gates(spec, evidence_of(measured, spec))
    return result


def against(*values: float, challenger: float = 0.9, champion: float = 1.0, low: float = 0.01) -> Evaluation:
    """One naive baseline per value."""
    base = evaluation_of(challenger, champion)
    rivals = [
        rival_of(base.challenger, {"test": {"rmse": value}}, base.champion, f"rival {value:g}", low)
        for value in values
    ]
    return replace(base, rivals=tuple(rivals))


def test_every_naive_baseline_must_be_beaten() -> None:
    assert result_of(against(10.0, 1.0)).verdict == "pass"
    beaten_by_one = result_of(against(10.0, 0.8, champion=0.7))
    assert beaten_by_one.verdict == "fail"
    assert "it is rival 0.8" in beaten_by_one.reason
    assert result_of(replace(against(10.0), rivals=())).hard


@pytest.mark.parametrize(
    ("gate", "naive", "named"),
    [
        (BEATS, 0.8, "rmse 0.9 is not better than 0.8"),
        (BEATS, 10.0, ""),
        (GATE, 0.8, ""),
    ],
)
def test_a_model_worse_than_no_model_is_a_warning_where_no_gate_judges_it(
    gate: Any, naive: float, named: str
) -> None:
    spec = spec_with([gate])
    warnings = promotion.unjudged(spec, evidence_of(against(naive), spec))
    assert [named in warning for warning in warnings] == [True] * bool(named)


@pytest.mark.parametrize(
    ("low", "rows", "verdict"),
    [
        (0.001, 20, "pass"),
        (0.0, 20, "not_enough_evidence"),
        (0.001, 19, "not_enough_evidence"),
        (float("nan"), 20, "not_enough_evidence"),
    ],
)
def test_chance_and_few_rows_are_not_enough_evidence(low: float, rows: int, verdict: str) -> None:
    measured = against(10.0, low=low)
    rivals = tuple(
        replace(rival, comparisons=tuple(replace(one, rows=rows) for one in rival.comparisons))
        for rival in measured.rivals
    )
    assert result_of(replace(measured, rivals=rivals)).verdict == verdict
    bare = {"beats_baseline": {"metric": "rmse", "confidence": None}}
    assert result_of(replace(measured, rivals=rivals), bare).verdict == "pass"


def decided(spec: ModelSpec, measured: Evaluation) -> tuple[str, tuple[str, ...]]:
    evidence = evidence_of(measured, spec)
    gates = promotion.evaluate_gates(spec, evidence)
    return promotion.decide(spec, gates, evidence.champion).outcome, promotion.failing_champion(gates)


def test_a_gate_does_not_protect_a_champion_that_fails_it_too() -> None:
    measured = against(0.5, challenger=0.75, champion=1.0)
    outcome, reasons = decided(spec_with([BEATS, GATE]), measured)
    assert outcome == "promote"
    assert "the champion fails this gate too" in reasons[0]
    protected = {"beats_baseline": {"metric": "rmse", "protect_failing_champion": True}}
    assert decided(spec_with([BEATS, protected]), measured) == ("keep", ())
    limit = {"metric_at_most": {"metric": "rmse", "limit": 0.5}}
    assert decided(spec_with([BEATS, limit]), measured)[0] == "promote"


def test_a_champion_that_passes_is_protected_and_the_worse_of_two_is_not_promoted() -> None:
    assert decided(spec_with([GATE]), against(0.8, challenger=0.9, champion=0.7))[0] == "keep"
    assert decided(spec_with([BEATS, GATE]), against(0.5, challenger=1.2, champion=1.0))[0] == "keep"
    no_comparison = decided(spec_with([GATE, "min_rows"]), against(0.5, challenger=0.75, champion=1.0))
    assert no_comparison[0] == "keep"


@pytest.mark.parametrize(("r2", "verdict"), [(-0.796, "fail"), (-1e-9, "fail"), (0.0, "pass"), (0.4, "pass")])
def test_a_model_worse_than_the_average_of_the_holdout_never_passes(r2: float, verdict: str) -> None:
    """A sum among the rows spoiled the baselines as well: the model was better than all of them."""
    measured = against(10.0, 1.0, champion=0.7)
    parts = {part: {**values, "r2": r2} for part, values in measured.challenger.items()}
    result = result_of(replace(measured, challenger=parts))
    assert result.verdict == verdict
    assert ("r2" in result.reason) is (verdict == "fail")
