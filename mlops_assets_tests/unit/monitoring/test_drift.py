"""Drift: what moved is named first, what cannot be measured is never stable."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from mlops_assets.artifacts import DriftReport, from_json, to_json
from mlops_assets.features import build, feature_names, profile
from mlops_assets.monitoring import drift
from mlops_assets_tests.unit.features.feature_factory import model, readings

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
SPEC = model(features={"calendar": ["month"]})


def frame(seed: int = 0) -> pl.DataFrame:
    return build(SPEC, readings(2_000, seed=seed))


def report(new: pl.DataFrame) -> DriftReport:
    reference = frame()
    return drift(SPEC, profile(reference, feature_names(SPEC, reference.columns)), 3, new, AS_OF)


def test_the_same_distribution_is_stable() -> None:
    found = report(frame(seed=1))
    assert found.level == "stable"
    assert found.drifted_share == 0.0
    assert {one.feature for one in found.features} == {"a", "b", "kind"}  # the calendar moves by itself
    assert from_json(DriftReport, to_json(found)) == found


def test_a_moved_feature_stands_first_with_its_size() -> None:
    found = report(frame(seed=1).with_columns(b=pl.col("b") + 1.0))
    assert found.level == "significant"
    assert found.features[0].feature == "b"
    assert found.features[0].psi is not None
    assert found.features[0].psi > 0.25
    assert found.features[0].statistics["mean"] - found.features[0].statistics["mean_reference"] > 0.9
    assert found.drifted_share == 1 / 3
    assert found.mean_psi is not None
    assert found.mean_psi < found.features[0].psi


def test_a_moderate_move_is_moderate() -> None:
    found = report(frame(seed=1).with_columns(b=pl.col("b") + 0.4))
    assert found.level == "moderate"


def test_too_few_rows_none_and_a_lost_column_are_unmeasurable() -> None:
    for few in (frame().clear(), frame().head(99), frame().drop("a", "b", "kind")):
        assert report(few).level == "unmeasurable"
        assert report(few).mean_psi is None
        assert all(one.psi is None for one in report(few).features)
    lost = report(frame(seed=1).with_columns(a=pl.lit(None, dtype=pl.Float64)))
    assert lost.level == "stable"  # the others can be measured
    assert [one.level for one in lost.features if one.feature == "a"] == ["unmeasurable"]
    assert lost.features[-1].statistics["missing"] == 1.0


def test_text_where_numbers_were_is_unmeasurable() -> None:
    found = report(frame(seed=1).with_columns(b=pl.lit("much")))
    assert [one.level for one in found.features if one.feature == "b"] == ["unmeasurable"]


def test_a_new_category_is_seen() -> None:
    violet = pl.Series("kind", np.random.default_rng(0).choice(["red", "green", "blue", "violet"], 6_000))
    assert report(frame(seed=1).with_columns(violet)).level == "significant"


def test_readings_decide_what_they_are_made_into_and_what_moves_by_nature_do_not() -> None:
    def made(**monitoring: list[str]) -> tuple[str, dict[str, float]]:
        spec = model(
            features={"inputs": ["a", "b"], "rolling": {"columns": ["b"], "windows": ["24h"]}},
            monitoring=monitoring,
        )
        reference, new = (build(spec, readings(2_000, seed=seed)) for seed in (0, 1))
        new = new.with_columns(b=pl.col("b") + shift, b_mean_24h=pl.col("b_mean_24h") + 1.0)
        kept = profile(reference, feature_names(spec, reference.columns))
        found = drift(spec, kept, 3, new, AS_OF)
        return found.level, {one.feature: one.statistics["decides"] for one in found.features}

    shift = 0.0
    assert made() == ("stable", {"b_mean_24h": 0.0, "a": 1.0, "b": 1.0})
    shift = 1.0
    assert made()[0] == "significant"
    assert made(expected=["b"])[0] == "stable"
    assert made(expected=["a", "b"])[0] == "unmeasurable"


def test_a_model_of_computed_features_alone_is_decided_by_them() -> None:
    spec = model(features={"inputs": [], "lags": {"columns": ["b"], "steps": [1]}})
    reference, new = (build(spec, readings(2_000, seed=seed)) for seed in (0, 1))
    kept = profile(reference, feature_names(spec, reference.columns))
    assert drift(spec, kept, 3, new, AS_OF).level == "stable"
    assert drift(spec, kept, 3, new.with_columns(b_lag_1=pl.col("b_lag_1") + 1), AS_OF).level == "significant"
