"""A gate from outside the package: one class and one function make the union, the docs table and a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.model_file.gates import GATES as GATE_PARAMETERS
from mlops_assets.model_file.gates import GateParameters, gate_table, gate_union
from mlops_assets.promotion import gates
from mlops_assets.promotion.decision import evaluate_gate
from mlops_assets.promotion.gate_results import failed, passed
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of

DOCS = Path(__file__).parents[3] / "docs" / "gates.md"


class MaxSize(GateParameters):
    """The stored model is smaller than `limit_bytes`."""

    kind: Literal["max_size"] = "max_size"
    limit_bytes: int = 10_000


def max_size(params: MaxSize, evidence: Evidence) -> GateResult:
    size = evidence.evaluation.size_bytes
    verdict = passed if size < params.limit_bytes else failed
    return verdict(params.kind, f"the model has {size:,} bytes", size=size)


def test_a_new_gate_is_a_class_and_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gates.GATES, "max_size", max_size)
    known: dict[str, type[GateParameters]] = {**GATE_PARAMETERS, "max_size": MaxSize}
    read = TypeAdapter[GateParameters](gate_union(known))
    evidence = evidence_of(evaluation_of(0.9, 1.0))
    for written, verdict in (("max_size", "pass"), ({"max_size": {"limit_bytes": 500}}, "fail")):
        result = evaluate_gate("max_size", read.validate_python(written), evidence)
        assert result.verdict == verdict
        assert result.reason == "the model has 1,000 bytes"
    with pytest.raises(ValidationError, match="limit"):
        read.validate_python({"max_size": {"limit": 500}})
    assert (
        "| `max_size` | The stored model is smaller than `limit_bytes` | `limit_bytes: 10000` |"
        in gate_table(known)
    )


def test_the_docs_table_is_fresh() -> None:
    assert gate_table(GATE_PARAMETERS) in DOCS.read_text(encoding="utf-8"), (
        "docs/gates.md: replace the table by the output of mlops_assets.model_file.gates.gate_table(GATES)"
    )


def test_every_gate_has_parameters_and_a_function() -> None:
    assert GATE_PARAMETERS.keys() == gates.GATES.keys()
