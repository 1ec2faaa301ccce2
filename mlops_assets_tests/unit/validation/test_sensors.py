"""Single readings: which inputs fail, and how."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import features
from mlops_assets.model_file import ModelSpec
from mlops_assets.validation import SensorChecks

RNG = np.random.default_rng(0)
TRAINING = pl.DataFrame(
    {
        "flow": RNG.uniform(0, 100, 500),
        "valve": RNG.integers(0, 2, 500).astype(float),
        "wet": [None if row % 10 == 0 else 1.5 for row in range(500)],
    }
)


def checks(timestamp: bool = True, **serving: Any) -> SensorChecks:
    body = {
        "name": "pump",
        "description": "x",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "source": {"kind": "file", "path": "/x.csv"},
        "training": {"algorithms": [{"ridge": {}}]},
        "evaluation": {"primary": "rmse"},
        "validation": {"columns": {"level": {"min": 0, "max": 5}}},
        "serving": {"fallback": ["naive"], "frozen_after": 3, **serving},
        **({"timestamp": "at", "entity": "pump"} if timestamp else {}),
    }
    spec = ModelSpec.model_validate_json(json.dumps(body))
    profile = features.profile(TRAINING, ["flow", "valve", "wet"])
    return SensorChecks.of(spec, profile, ["flow", "valve", "wet", "level", "colour"], {"colour"})


def conditions(one: SensorChecks, **reading: Any) -> list[tuple[str, str]]:
    usual = {"at": "t0", "pump": "A", "flow": 50.0, "valve": 1, "wet": 1.5, "level": 2, "colour": "red"}
    return [(fault.column, fault.condition) for fault in one.faults(usual | reading)]


def test_a_usual_reading_has_no_fault() -> None:
    assert conditions(checks()) == []


def test_an_input_is_missing_where_training_hardly_ever_missed_it() -> None:
    assert conditions(checks(), flow=None, wet=None) == [("flow", "missing")]


@pytest.mark.parametrize(("value", "outside"), [(-40.0, False), (149.0, False), (-60.0, True), (1e9, True)])
def test_the_training_range_has_a_margin(value: float, outside: bool) -> None:
    assert conditions(checks(), flow=value) == ([("flow", "out_of_range")] if outside else [])


def test_a_declared_range_has_none() -> None:
    assert conditions(checks(), level=5) == []
    assert conditions(checks(), level=5.1) == [("level", "out_of_range")]


def test_a_continuous_input_that_stands_still_is_frozen_per_entity() -> None:
    one = checks()
    assert [conditions(one, at=f"t{number}") for number in range(3)] == [[], [], [("flow", "frozen")]]
    assert conditions(one, at="t3", pump="B") == []
    assert conditions(one, at="t3", flow=50.1) == []
    assert conditions(one, at="t4", flow=50.1) == []


def test_the_same_reading_sent_again_is_not_frozen() -> None:
    one = checks()
    assert all(conditions(one) == [] for _ in range(10))


def test_only_the_chosen_conditions_count() -> None:
    one = checks(when=["failure"])
    assert all(conditions(one, at=f"t{number}", flow=None, level=99) == [] for number in range(5))


def test_without_a_timestamp_nothing_is_frozen() -> None:
    one = checks(timestamp=False)
    assert all(conditions(one, at=f"t{number}") == [] for number in range(5))
