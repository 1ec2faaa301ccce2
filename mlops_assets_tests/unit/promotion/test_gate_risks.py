"""`mlops validate` warns of gates that a bad model passes too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_assets.model_file import load_models
from mlops_assets.model_file.consistency import risks
from mlops_assets_tests.unit.promotion.evidence_factory import spec_with


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"metric_at_most": {"metric": "rmse", "limit": 1e308}}, "no model exceeds 1e+308"),
        ({"metric_at_most": {"metric": "rmse", "limit": 5, "on": "train"}}, "fitted on these rows"),
        ({"beats_champion": {"metric": "rmse", "confidence": None}}, "lets chance promote"),
        ({"beats_baseline": {"metric": "rmse", "confidence": None}}, "lets chance promote"),
    ],
)
def test_a_gate_that_cannot_fail_is_a_warning(gate: dict[str, Any], sentence: str) -> None:
    [(path, warning)] = risks(spec_with([gate]))
    assert path[:2] == ("gates", 0)
    assert sentence in warning


def test_a_tiny_test_part_is_a_warning() -> None:
    spec = spec_with([], split={"train": 0.899, "validation": 0.1, "test": 0.001})
    assert [path for path, _ in risks(spec)] == [("split", "test")]


def test_shipped_models_have_no_such_gate() -> None:
    for spec in load_models(Path(__file__).parents[3] / "models"):
        assert not [path for path, _ in risks(spec) if path[0] in ("gates", "split")], spec.name
