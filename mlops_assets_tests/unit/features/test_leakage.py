"""A column that explains the target almost alone asks a person; clean tables and pairs of good columns do not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import promotion
from mlops_assets.artifacts import Split
from mlops_assets.features import build, leakage, leakage_findings, split
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.unit.features.feature_factory import START, model, wine
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

RNG = np.random.default_rng(0)
ROWS = 2_000
SIGNAL = np.cumsum(RNG.normal(size=ROWS))
CLASSES = RNG.choice(["no", "yes"], ROWS, p=[0.8, 0.2])


def suspicions(spec: ModelSpec, made: Split) -> tuple[str, ...]:
    return tuple(one.sentence for one in leakage_findings(spec, made) if one.strength != "proof")


def suspected(target: Any, leak: Any, problem: str = "regression") -> tuple[str, ...]:
    numbers = {
        "problem": problem,
        "training": {"algorithms": [{"name": "ridge"}]},
        "evaluation": {"primary": "rmse"},
    }
    spec = wine(**(numbers if problem == "regression" else {}))
    frame = pl.DataFrame({"y": target, "leak": leak, "a": RNG.normal(size=ROWS), "b": RNG.normal(size=ROWS)})
    made = split(spec, build(spec, frame))
    assert leakage(spec, made) == ()
    return suspicions(spec, made)


LEAKS: list[tuple[str, Any]] = [
    ("target of the next row", np.roll(SIGNAL, -1)),
    ("centered rolling mean", np.convolve(SIGNAL, np.ones(5) / 5, mode="same")),
    ("square", SIGNAL**2 * np.sign(SIGNAL) + 30 * RNG.normal(size=ROWS)),
    ("rounded", np.round(SIGNAL)),
]


@pytest.mark.parametrize(("name", "leak"), LEAKS)
def test_a_leak_of_numbers_is_suspected(name: str, leak: Any) -> None:
    [sentence] = suspected(SIGNAL, leak)
    assert sentence.startswith("column 'leak' alone explains 9"), name


def test_a_leak_of_classes_is_suspected() -> None:
    score = np.where(CLASSES == "yes", RNG.normal(4.5, 1, ROWS), RNG.normal(0, 1, ROWS))
    [sentence] = suspected(CLASSES, score, "classification")
    assert "column 'leak' alone explains 9" in sentence


def test_few_values_are_no_proof_until_each_class_has_rows_enough() -> None:
    for rows, proofs in ((120, 0), (600, 1)):
        labels = RNG.choice(["no", "yes"], rows, p=[0.7, 0.3])
        code = np.where(labels == "yes", RNG.choice(["u", "v"], rows), RNG.choice(["w", "x", "z"], rows))
        spec = wine()
        made = split(spec, build(spec, pl.DataFrame({"y": labels, "code": code, "a": RNG.normal(size=rows)})))
        assert len(leakage(spec, made)) == proofs


def test_skill_is_no_suspicion() -> None:
    assert suspected(SIGNAL, SIGNAL + SIGNAL.std() * RNG.normal(size=ROWS)) == ()
    assert suspected(CLASSES, RNG.normal(size=ROWS), "classification") == ()


def test_two_columns_that_both_explain_are_physics() -> None:
    spec = wine(
        problem="regression", training={"algorithms": [{"name": "ridge"}]}, evaluation={"primary": "rmse"}
    )
    flow = RNG.normal(size=ROWS)
    frame = pl.DataFrame(
        {"y": flow + 0.1 * RNG.normal(size=ROWS), "a": flow, "b": flow + 0.1 * RNG.normal(size=ROWS)}
    )
    assert suspicions(spec, split(spec, build(spec, frame))) == ()


def moved(values: Any, rows: int) -> Any:
    """The value that many rows later; missing at the end."""
    return np.concatenate([values[rows:], np.full(rows, np.nan)])


CENTERED = np.convolve(SIGNAL, np.ones(5) / 5, mode="same")
FACTOR = RNG.uniform(1, 2, ROWS)
PROXY = SIGNAL + 0.3 * RNG.normal(size=ROWS)


@pytest.mark.parametrize(
    ("column", "features", "expected"),
    [
        (moved(SIGNAL, 1), {"lags": {"columns": ["leak"], "steps": [1, 2]}}, {"leak_lag_1": "proof"}),
        (CENTERED, {"lags": {"columns": ["leak"], "steps": [1, 2, 3]}},
         {"leak_lag_1": "suspicion", "leak_lag_2": "suspicion"}),
        (moved(SIGNAL, 3), {"rolling": {"columns": ["leak"], "windows": ["2h"], "statistics": ["mean"]}},
         {"leak_mean_2h": "suspicion"}),
        (SIGNAL * FACTOR, {"ratios": [["leak", "factor"]]}, {"leak_per_factor": "proof"}),
        (PROXY, {"lags": {"columns": ["leak", "y"], "steps": [1, 2, 24]},
                 "rolling": {"columns": ["leak"], "windows": ["1h", "6h"], "statistics": ["mean"]}}, {}),
    ],
    ids=["lag of the next value", "lag of a centered mean", "window of later values", "ratio", "clean sensor"],
)  # fmt: skip
def test_features_computed_from_a_leaked_column_are_found(
    column: Any, features: dict[str, Any], expected: dict[str, str]
) -> None:
    """The model reads `leak` through computed features only."""
    spec = model(entity=None, features={"inputs": ["a"], **features})
    frame = pl.DataFrame(
        {
            "at": [START + timedelta(hours=row) for row in range(ROWS)],
            "y": SIGNAL, "leak": column, "factor": FACTOR, "a": RNG.normal(size=ROWS),
        }
    )  # fmt: skip
    made = split(spec, build(spec, frame))
    assert {one.columns[0]: one.strength for one in leakage_findings(spec, made)} == expected


def test_a_suspicion_asks_a_person_and_a_proof_refuses() -> None:
    spec = spec_with(["leakage", {"metric_at_most": {"metric": "rmse", "limit": 5.0}}])
    for changes, verdict, outcome in (
        ({}, "pass", "promote"),
        ({"suspicions": ("column 'x' ...?",)}, "not_enough_evidence", "keep"),
        ({"leakage": ("rows of train are in test",)}, "fail", "refuse"),
    ):
        evidence = evidence_of(evaluation_of(0.9, 1.0), spec, **changes)
        gates = promotion.evaluate_gates(spec, evidence)
        assert gates[0].verdict == verdict
        assert promotion.decide(spec, gates, evidence.champion).outcome == outcome
        assert promotion.waiting(gates, None, (), None) == (outcome == "keep")


@pytest.mark.parametrize("name", ["load_iris", "load_breast_cancer", "load_diabetes", "load_digits"])
def test_clean_public_tables_are_neither_refused_nor_suspected(name: str) -> None:
    from sklearn import datasets

    table = getattr(datasets, name)(as_frame=True)
    problem = "regression" if name == "load_diabetes" else "classification"
    changes = {
        "problem": problem,
        "training": {"algorithms": [{"name": "ridge"}]},
        "evaluation": {"primary": "rmse"},
    }
    spec = wine(**(changes if problem == "regression" else {}))
    frame = pl.from_pandas(table.data).with_columns(y=pl.Series(table.target))
    made = split(spec, build(spec, frame))
    assert (leakage(spec, made), suspicions(spec, made)) == ((), ())
