"""A champion is compared only on rows that it has not learned from, and the evidence says on how many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets import promotion
from mlops_assets.features import build, seen_rows, split
from mlops_assets.lifecycle.unseen_rows import comparable_rows
from mlops_assets_tests.unit.features.feature_factory import model, readings
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

RANDOM: dict[str, Any] = {"strategy": "random"}


def bundle(seen_rows: Any) -> Any:
    return SimpleNamespace(seen_rows=seen_rows)


def test_rows_that_shaped_the_champion_are_left_out() -> None:
    spec = model(split=RANDOM)
    frame = build(spec, readings(400))
    reseeded = model(split={**RANDOM, "seed": 7})
    champion = bundle(seen_rows(reseeded, split(reseeded, frame)).to_json())
    made = split(spec, frame)
    comparable = comparable_rows(spec, made, 3, champion)
    unseen = split(reseeded, frame).test
    assert 0 < comparable.rows == comparable.split.test.height < made.test.height
    keys = ["at", "unit"]
    assert comparable.split.test.join(unseen, on=keys).height == comparable.rows
    assert f"learned from {made.test.height - comparable.rows:,} of the" in comparable.note
    same = comparable_rows(spec, made, 3, bundle(seen_rows(spec, made).to_json()))
    assert same.rows == made.test.height
    assert same.split is made


@pytest.mark.parametrize("rows", [0, 19])
@pytest.mark.parametrize("kind", ["beats_champion", "regression_guard"])
def test_too_few_unseen_rows_are_not_enough_evidence(rows: int, kind: str) -> None:
    body = {"metric": "rmse"} if kind == "beats_champion" else {"metrics": ["rmse"]}
    spec = spec_with([{kind: body}])
    for count, verdict, outcome in ((rows, "not_enough_evidence", "keep"), (20, "pass", "promote")):
        evidence = evidence_of(evaluation_of(0.9, 1.0, comparable_rows=count), spec)
        [result] = promotion.evaluate_gates(spec, evidence)
        assert result.verdict == verdict, result.reason
        assert promotion.decide(spec, [result], evidence.champion).outcome == outcome


def test_a_champion_that_does_not_say_what_it_has_seen_is_not_compared() -> None:
    spec = model(split=RANDOM)
    made = split(spec, build(spec, readings(100)))
    comparable = comparable_rows(spec, made, 3, bundle(None))
    assert comparable.rows == 0
    assert comparable.split is made
    assert "champion v3 does not record which rows it has learned from" in comparable.note
