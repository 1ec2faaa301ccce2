"""Each gate that the matrix does not cover: its yes, its no, and what it says when the question has no meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets import promotion
from mlops_assets.artifacts import ChampionRef, Evidence, GateResult
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def evaluated(gate: Any, evaluation: Any = None, **changes: Any) -> tuple[str, bool, str]:
    spec = spec_with([gate])
    [result] = promotion.evaluate_gates(
        spec, evidence_of(evaluation or evaluation_of(0.9, 1.0), spec, **changes)
    )
    return result.verdict, result.hard, result.reason


def slices(*rows: tuple[str, int, Any, Any]) -> Any:
    rows_ = [
        {
            "column": "pump_id",
            "value": value,
            "rows": count,
            "metric": "rmse",
            "challenger": ours,
            "champion": theirs,
        }
        for value, count, ours, theirs in rows
    ]
    return replace(evaluation_of(0.9, 1.0), slices=tuple(rows_))


@pytest.mark.parametrize(
    ("rows", "verdict", "hard"),
    [
        ([("p0", 500, 0.9, 1.0), ("p1", 500, 1.09, 1.0)], "pass", False),
        ([("p0", 500, 0.5, 1.0), ("p1", 500, 1.11, 1.0)], "fail", False),
        ([("p0", 500, 0.5, 1.0), ("p1", 29, 9.0, 1.0)], "pass", False),
        ([("p1", 29, 9.0, 1.0)], "not_applicable", False),
        ([("p0", 500, "NaN", 1.0)], "fail", True),
        ([("p0", 500, 1.0, None)], "fail", True),
        ([], "fail", True),
    ],
)
def test_no_pump_may_pay_for_the_average(rows: list[Any], verdict: str, hard: bool) -> None:
    assert evaluated({"slice_guard": {"metric": "rmse"}}, slices(*rows))[:2] == (verdict, hard)


@pytest.mark.parametrize(
    ("rows", "gate", "named"),
    [
        (
            [("p0", 500, 0.5, 1.0), ("p1", 500, 1.31, 1.0)],
            "min_rows",
            "in 1 slice: pump_id=p1 1.31 against 1",
        ),
        ([("p0", 500, 0.5, 1.0), ("p1", 500, 1.31, 1.0)], {"slice_guard": {"metric": "rmse"}}, ""),
        ([("p0", 500, 0.5, 1.0), ("p1", 500, 1.09, 1.0)], "min_rows", ""),
        ([("p1", 29, 9.0, 1.0)], "min_rows", ""),
        ([("p0", 500, 1.0, None)], "min_rows", ""),
        ([], "min_rows", ""),
    ],
)
def test_a_much_worse_slice_is_a_warning_where_no_gate_judges_it(
    rows: list[Any], gate: Any, named: str
) -> None:
    spec = spec_with([gate])
    warnings = promotion.unjudged(spec, evidence_of(slices(*rows), spec))
    assert [named in warning for warning in warnings if "slice" in warning] == [True] * bool(named)


def test_a_slice_limit_needs_no_champion() -> None:
    measured = replace(slices(("p0", 50, 0.9, None)), champion=None, comparisons=())
    gate = {"slice_guard": {"metric": "rmse", "limit": 0.8}}
    verdict, _, reason = evaluated(gate, measured, champion=ChampionRef(None, 0))
    assert verdict == "fail"
    assert "pump_id=p0 0.9 beyond 0.8" in reason


@pytest.mark.parametrize(
    ("correlation", "champion", "verdict"),
    [
        (0.9, 1, "pass"),
        (0.2, 1, "not_enough_evidence"),
        (None, 1, "not_enough_evidence"),
        (float("nan"), 1, "fail"),
    ],
)
def test_a_turned_ranking_asks_for_a_person(correlation: Any, champion: int, verdict: str) -> None:
    assert evaluated("importance_shift", importance_correlation=correlation)[0] == verdict


def test_a_turned_ranking_may_simply_fail() -> None:
    assert evaluated({"importance_shift": {"escalate": False}}, importance_correlation=0.2)[0] == "fail"
    alone = replace(evaluation_of(0.9, 1.0), champion=None, comparisons=())
    assert evaluated("importance_shift", alone, champion=ChampionRef(None, 0))[0] == "not_applicable"


def fair(**changes: Any) -> Any:
    row: dict[str, Any] = {
        "column": "sex",
        "measure": "equalised_odds",
        "difference": 0.05,
        "ratio": 0.9,
        "worst": 0.8,
        "groups": 2,
    }
    return replace(
        evaluation_of(0.9, 1.0), fairness=({**row, "note": "lowest true positive rate: f", **changes},)
    )


@pytest.mark.parametrize(
    ("gate", "row", "verdict", "hard"),
    [
        ({}, {}, "pass", False),
        ({}, {"difference": 0.11}, "fail", False),
        ({"min_ratio": 0.95}, {}, "fail", False),
        ({"min_value": 0.93}, {}, "fail", False),
        ({}, {"difference": "NaN"}, "fail", True),
        ({}, {"groups": 0}, "not_applicable", False),
        ({"measure": "group_accuracy"}, {}, "not_applicable", False),
    ],
)
def test_groups_are_treated_alike(gate: Any, row: Any, verdict: str, hard: bool) -> None:
    assert evaluated({"fairness": gate}, fair(**row))[:2] == (verdict, hard)


@pytest.mark.parametrize(
    ("gate", "changes", "verdict", "hard"),
    [
        ("data_quality", {}, "pass", False),
        ("data_quality", {"critical_quality_failures": 1}, "fail", True),
        ("data_quality", {"critical_quality_failures": None}, "fail", True),
        ("leakage", {}, "pass", False),
        ("leakage", {"leakage": ("y equals z",)}, "fail", True),
        ("reproducible", {}, "pass", False),
        ("reproducible", {"code_commit": "abc-dirty"}, "fail", False),
        ("reproducible", {"code_commit": "unknown"}, "fail", False),
        ("reproducible", {"data": ()}, "fail", False),
        ("approval", {}, "not_enough_evidence", False),
    ],
)
def test_sound_evidence(gate: str, changes: Any, verdict: str, hard: bool) -> None:
    assert evaluated(gate, **changes)[:2] == (verdict, hard)


def yes(evidence: Evidence, params: dict[str, Any]) -> Any:
    """A user's gate that gives back what it is told to."""
    return {
        "plain": True,
        "pair": (False, "too warm"),
        "odd": "yes",
        "result": GateResult("", "", "pass", "fine"),
    }[params["give"]]


@pytest.mark.parametrize(
    ("give", "verdict", "hard", "reason"),
    [
        ("plain", "pass", False, "says yes"),
        ("pair", "fail", False, "too warm"),
        ("odd", "fail", True, "returned 'yes'"),
        ("result", "pass", False, "fine"),
        ("absent", "fail", True, "KeyError"),
    ],
)
def test_a_gate_of_ones_own(give: str, verdict: str, hard: bool, reason: str) -> None:
    gate = {"python": {"function": f"{__name__}:yes", "params": {"give": give}}}
    import sys

    sys.modules.setdefault(__name__, sys.modules[yes.__module__])
    results = evaluated(gate)
    assert results[:2] == (verdict, hard)
    assert reason in results[2]


def test_a_gate_that_cannot_be_imported_refuses() -> None:
    assert evaluated({"python": {"function": "no.such:thing"}})[:2] == ("fail", True)


# --- people ---------------------------------------------------------------------------------------


def verdict_of(verdict: str, expires_at: datetime | None = None) -> Any:
    return SimpleNamespace(verdict=verdict, actor="ada", comment="looks right", expires_at=expires_at)


def decided(gates: list[Any], **people: Any) -> Any:
    spec = spec_with(gates)
    measured = people.pop("evaluation", evaluation_of(0.9, 1.0))
    evidence = evidence_of(measured, spec, importance_correlation=0.1)
    return promotion.decide(
        spec, promotion.evaluate_gates(spec, evidence), evidence.champion, now=NOW, **people
    )


AT_MOST: dict[str, Any] = {"metric_at_most": {"metric": "rmse", "limit": 5.0}}


@pytest.mark.parametrize(
    ("approval", "outcome", "by"),
    [
        (None, "keep", "gates"),
        (verdict_of("approve"), "promote", "ada, after the gates"),
        (verdict_of("reject"), "keep", "gates"),
        (verdict_of("defer"), "keep", "gates"),
        (verdict_of("approve", NOW), "keep", "gates"),
        (verdict_of("approve", NOW + timedelta(seconds=1)), "promote", "ada, after the gates"),
        (verdict_of("perhaps"), "keep", "gates"),
    ],
)
def test_a_person_has_the_last_word_after_the_gates(approval: Any, outcome: str, by: str) -> None:
    decision = decided([AT_MOST, "approval", "importance_shift"], approval=approval)
    assert (decision.outcome, decision.by) == (outcome, by)


def test_no_person_can_approve_what_the_gates_refuse_or_keep() -> None:
    nan = evaluation_of(float("nan"), 1.0)
    worse = evaluation_of(0.99, 1.0)
    beats = {"beats_champion": {"metric": "rmse"}}
    assert decided([beats, "approval"], approval=verdict_of("approve"), evaluation=nan).outcome == "refuse"
    assert decided([beats, "approval"], approval=verdict_of("approve"), evaluation=worse).outcome == "keep"


def waiver(gate: str, expires_at: datetime) -> Any:
    return SimpleNamespace(gate=gate, owner="bob", reason="new sensor", expires_at=expires_at)


def test_a_gate_is_set_aside_until_the_waiver_expires() -> None:
    gates = [AT_MOST, {"beats_champion": {"metric": "rmse"}}]
    worse = evaluation_of(0.99, 1.0)
    in_force, over = (
        waiver("beats_champion_rmse", NOW + timedelta(days=1)),
        waiver("beats_champion_rmse", NOW),
    )
    results = decided(gates, waivers=[in_force], evaluation=worse)
    assert results.outcome == "promote"
    assert "waived by bob until 2025-03-02: new sensor" in results.reason
    assert decided(gates, waivers=[over], evaluation=worse).outcome == "keep"
    assert (
        decided(gates, waivers=[waiver("min_rows", NOW + timedelta(days=1))], evaluation=worse).outcome
        == "keep"
    )


def test_what_is_broken_cannot_be_waived_nor_can_the_person() -> None:
    later = NOW + timedelta(days=1)
    nan = evaluation_of(float("nan"), 1.0)
    assert (
        decided([AT_MOST], waivers=[waiver("metric_at_most_rmse", later)], evaluation=nan).outcome == "refuse"
    )
    assert decided([AT_MOST, "approval"], waivers=[waiver("approval", later)]).outcome == "keep"


# --- what if --------------------------------------------------------------------------------------


def test_what_if_says_which_decisions_would_flip() -> None:
    spec = spec_with([{"beats_champion": {"metric": "rmse", "by": "2%"}}])
    records = []
    for version, challenger in enumerate((0.90, 0.96, 0.99, float("nan")), 1):
        evidence = evidence_of(evaluation_of(challenger, 1.0), spec, version=version)
        records.append(replace(evidence, gates=promotion.evaluate_gates(spec, evidence)))
    stricter = spec_with([{"beats_champion": {"metric": "rmse", "by": "5%"}}])
    [flip] = promotion.what_if(stricter, records)
    assert (flip.version, flip.before.outcome, flip.after.outcome) == (2, "promote", "keep")
    assert promotion.what_if(spec, records) == ()
    unmeasured = spec_with([{"metric_at_most": {"metric": "mae", "limit": 1.0}}])
    assert {flip.after.outcome for flip in promotion.what_if(unmeasured, records)} == {"refuse"}


def test_what_if_says_which_decisions_a_rule_that_has_changed_would_turn() -> None:
    """Until `by` became a share of the gap to the bound, an area of 0.90 had to reach 0.918."""
    spec = spec_with([{"beats_champion": {"metric": "roc_auc", "by": "2%"}}])
    evidence = evidence_of(evaluation_of(0.905, 0.90, metric="roc_auc"), spec)
    [result] = promotion.evaluate_gates(spec, evidence)
    assert result.verdict == "pass"
    recorded = replace(evidence, gates=(replace(result, verdict="fail", reason="0.905 is not above 0.918"),))
    [flip] = promotion.what_if(spec, [recorded])
    assert (flip.before.outcome, flip.after.outcome) == ("keep", "promote")
    assert flip.before.reason.endswith("0.905 is not above 0.918")
