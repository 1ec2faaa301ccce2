"""From answers to an outcome, and the same outcome again from the stored record or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlops_assets import promotion
from mlops_assets.artifacts import ChampionRef, Decision, Evidence, from_json, to_json
from mlops_assets.errors import EvidenceError
from mlops_assets.promotion.gates import GATES
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

BEATS: dict[str, Any] = {"beats_champion": {"metric": "rmse"}}
AT_MOST: dict[str, Any] = {"metric_at_most": {"metric": "rmse", "limit": 5.0}}
SPEC = spec_with([BEATS, AT_MOST, "min_rows", {"time_limit": {"limit": "1h"}}])


def judged(spec: Any = SPEC, **changes: Any) -> Evidence:
    evidence = evidence_of(changes.pop("evaluation", evaluation_of(0.9, 1.0)), spec, **changes)
    return replace(evidence, gates=promotion.evaluate_gates(spec, evidence))


def outcome_of(spec: Any, evidence: Evidence) -> Decision:
    return promotion.decide(spec, evidence.gates, evidence.champion)


def first(spec: Any) -> Evidence:
    alone = replace(evaluation_of(0.9, 1.0), champion=None, comparisons=())
    return judged(spec, evaluation=alone, champion=ChampionRef(None, 0))


def test_a_better_challenger_is_promoted_by_the_gates() -> None:
    decision = outcome_of(SPEC, judged())
    assert (decision.outcome, decision.by) == ("promote", "gates")
    assert decision.reason.startswith("4 of 4 gates passed; rmse 0.9 is better than 0.98")


def test_without_gates_nothing_is_promoted() -> None:
    spec = spec_with([])
    assert outcome_of(spec, judged(spec)).outcome == "keep"
    assert outcome_of(spec, first(spec)).outcome == "keep"


def test_the_first_champion_passes_an_absolute_gate() -> None:
    results = {gate.kind: gate.verdict for gate in first(SPEC).gates}
    assert results["beats_champion"] == "not_applicable"
    assert outcome_of(SPEC, first(SPEC)).outcome == "promote"


@pytest.mark.parametrize(
    "gates", [[BEATS], [BEATS, "min_rows", "no_missing_predictions", "time_limit"], ["regression_guard"]]
)
def test_without_an_absolute_gate_there_is_no_first_champion(gates: list[Any]) -> None:
    spec = spec_with(gates)
    decision = outcome_of(spec, first(spec))
    assert decision.outcome == "keep"
    assert "metric_at_most" in decision.reason


def test_a_first_champion_that_is_too_bad_is_kept_out() -> None:
    spec = spec_with([BEATS, {"metric_at_most": {"metric": "rmse", "limit": 0.5}}])
    assert outcome_of(spec, first(spec)).outcome == "keep"


def test_a_record_that_contradicts_itself_is_refused() -> None:
    measured_without_name = judged(champion=ChampionRef(None, 0))
    named_without_measures = judged(evaluation=replace(evaluation_of(0.9, 1.0), champion=None))
    assert outcome_of(SPEC, measured_without_name).outcome == "refuse"
    assert outcome_of(SPEC, named_without_measures).outcome == "refuse"


def test_a_gate_that_raises_is_a_hard_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(params: Any, evidence: Evidence) -> Any:
        raise ZeroDivisionError("a user's gate")

    monkeypatch.setitem(GATES, "min_rows", broken)
    evidence = judged()
    assert outcome_of(SPEC, evidence).outcome == "refuse"
    assert "ZeroDivisionError: a user's gate" in outcome_of(SPEC, evidence).reason


@pytest.mark.parametrize("drop", [slice(1, None), slice(0, 0)])
def test_a_deselected_gate_is_missed(drop: slice) -> None:
    evidence = judged()
    assert outcome_of(SPEC, replace(evidence, gates=evidence.gates[drop])).outcome == "refuse"


def test_an_invented_verdict_is_refused() -> None:
    evidence = judged()
    invented: Any = "passed"
    forged = replace(evidence.gates[0], verdict=invented)
    assert outcome_of(SPEC, replace(evidence, gates=(forged, *evidence.gates[1:]))).outcome == "refuse"


def test_stored_evidence_leads_to_the_same_decision() -> None:
    for evidence in (
        judged(),
        judged(evaluation=evaluation_of(float("nan"), 1.0)),
        judged(training_rows=3),
        first(SPEC),
    ):
        stored = from_json(Evidence, to_json(evidence))
        assert promotion.recheck(SPEC, stored) == outcome_of(SPEC, evidence)
        assert promotion.recheck(None, stored) == outcome_of(SPEC, evidence)


def altered() -> list[Evidence]:
    sound = judged(training_rows=3)
    flipped: Any = replace(sound.gates[2], verdict="pass", hard=False)
    easier = replace(
        sound.gates[2], numbers={**sound.gates[2].numbers, "asked": {"kind": "min_rows", "rows": 1}}
    )
    silent = replace(sound.gates[2], numbers={})
    better = judged(evaluation=evaluation_of(0.99, 1.0))
    return [
        replace(sound, gates=(*sound.gates[:2], flipped, *sound.gates[3:])),
        replace(sound, gates=(*sound.gates[:2], easier, *sound.gates[3:])),
        replace(sound, gates=(*sound.gates[:2], silent, *sound.gates[3:])),
        replace(better, evaluation=evaluation_of(0.5, 1.0)),
        replace(sound, training_rows=36_000),
    ]


@pytest.mark.parametrize("evidence", altered())
def test_altered_evidence_is_noticed(evidence: Evidence) -> None:
    with pytest.raises(EvidenceError, match=r"evaluate again|does not hold the parameters"):
        promotion.recheck(SPEC, evidence)


def test_a_changed_model_file_asks_for_a_new_evaluation() -> None:
    with pytest.raises(EvidenceError, match="model file has changed"):
        promotion.recheck(spec_with([BEATS]), judged())
