"""Each input fails in turn: the error, what the prediction API notices, and the gate about it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.artifacts import Evidence, SensorFailure, from_json
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.model_file.gates import DegradesGracefully
from mlops_assets.promotion.gates import GATES
from mlops_assets.reports.sensor_failures import failure_rows
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import NOW, Station, begin
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of
from mlops_assets_tests.unit.serving.test_served import store

GATE: dict[str, Any] = {"degrades_gracefully": {}}


def station(tmp_path: Path, ledger: Ledger, **changes: Any) -> Station:
    """Y is ten times the f of the reading before, plus x."""
    made = begin(
        tmp_path,
        ledger,
        name="live",
        target="y",
        timestamp="when",
        entity="unit",
        source={"kind": "file", "path": str(tmp_path / "live.csv")},
        validation={"min_rows": 100},
        features={"inputs": ["f", "x"], "lags": {"columns": ["f"], "steps": [1]}},
        training={"algorithms": [{"ridge": {}}], "interval": None},
        gates=(GATE,),
        **changes,
    )
    store(made, NOW)
    return made


def evidence(made: Station) -> Evidence:
    made.train()
    report = evaluate_model(made.spec, made.platform, made.run())
    return from_json(Evidence, made.platform.ledger.evidence(report.evidence_hash).body)


def test_an_important_input_that_fails_fails_the_gate_and_is_in_the_report(
    tmp_path: Path, ledger: Ledger
) -> None:
    made = station(tmp_path, ledger)
    recorded = evidence(made)
    by_failure = {(one.input, one.condition): one for one in recorded.evaluation.sensor_failures}
    assert set(by_failure) == {
        (name, condition) for name in ("f", "x") for condition in ("missing", "frozen", "shifted", "late")
    }
    one = by_failure["f", "late"]
    assert one.failing > 10 * one.healthy, "the lag of f carries the model, and it fails with f"
    assert by_failure["x", "frozen"].failing < one.failing
    [gate] = recorded.gates
    assert gate.verdict == "fail"
    assert "naive baseline" in gate.reason
    [report] = tmp_path.rglob("report.md")
    assert "While an input fails" in report.read_text(encoding="utf-8")


def test_a_fallback_covers_what_the_api_notices(tmp_path: Path, ledger: Ledger) -> None:
    made = station(tmp_path, ledger, serving={"fallback": ["naive"]})
    by_failure = {(one.input, one.condition): one for one in evidence(made).evaluation.sensor_failures}
    missing = by_failure["f", "missing"]
    assert missing.fallback == "naive"
    assert missing.noticed == missing.rows
    frozen = by_failure["f", "frozen"]
    assert 0 < frozen.noticed < frozen.rows, "the first readings of a frozen sensor are not noticed yet"
    assert by_failure["f", "late"].noticed == 0


def failure(**changes: Any) -> SensorFailure:
    usual = SensorFailure("f", "missing", 100, "rmse", 1.0, 2.0, 3.0, 0, 0)
    return replace(usual, **changes)


def verdict(*failures: SensorFailure, **params: Any) -> str:
    measured = replace(evaluation_of(0.9, 1.0), sensor_failures=failures)
    gate = DegradesGracefully.model_validate({"kind": "degrades_gracefully", **params})
    return GATES["degrades_gracefully"](gate, evidence_of(measured)).verdict


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (failure(), "pass"),
        (failure(failing=3.0), "pass"),
        (failure(failing=3.1), "fail"),
        (failure(failing=math.nan), "fail"),
        (failure(naive=math.nan), "fail"),
        (failure(rows=0), "fail"),
        (failure(failing=9.0, noticed=90), "fail"),
        (failure(failing=9.0, noticed=90, fallback="naive"), "pass"),
        (failure(failing=9.0, noticed=89, fallback="naive"), "fail"),
        (failure(failing=math.nan, refused=100, fallback="naive"), "pass"),
        (failure(failing=2.0, refused=1), "fail"),
    ],
)
def test_the_gate_compares_with_the_naive_baseline(one: SensorFailure, expected: str) -> None:
    assert verdict(one) == expected


def test_the_gate_fails_where_nothing_was_measured() -> None:
    assert verdict() == "fail"


def test_the_gate_may_allow_more() -> None:
    assert verdict(failure(failing=3.1), by=0.1) == "pass"


def test_the_worst_failure_comes_first_in_the_report() -> None:
    rows = failure_rows([failure(), failure(input="g", failing=9.0, noticed=50, fallback="naive")])
    assert [row[0] for row in rows] == ["g", "f"]
    assert rows[0][-1] == "steps down to naive: 50% of the rows"
    assert rows[1][-1] == "predicts"
