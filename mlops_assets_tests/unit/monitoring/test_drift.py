"""Drift: what moved is named first, what cannot be measured is never stable."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import DriftReport, DriftStatistic, Profile, from_json, to_json
from mlops_assets.drift_methods import DRIFT_METHODS, Bins, DriftMethod
from mlops_assets.features import build, clock_names, computed_names, feature_names, profile
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.consistency import inconsistencies, risks
from mlops_assets.monitoring import drift as measure_drift
from mlops_assets.retraining import drift_signal
from mlops_assets_tests.unit.features.feature_factory import model, readings

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
SPEC = model(features={"calendar": ["month"]})


def drift(
    spec: ModelSpec, reference: Profile, version: int, new: pl.DataFrame, as_of: datetime
) -> DriftReport:
    computed, from_clock = computed_names(spec), clock_names(spec)
    return measure_drift(spec, reference, version, new, as_of, computed=computed, from_clock=from_clock)


def frame(seed: int = 0) -> pl.DataFrame:
    return build(SPEC, readings(2_000, seed=seed))


def report(new: pl.DataFrame) -> DriftReport:
    reference = frame()
    return drift(SPEC, profile(reference, feature_names(SPEC, reference.columns)), 3, new, AS_OF)


def test_the_same_distribution_is_stable() -> None:
    result = report(frame(seed=1))
    assert result.level == "stable"
    assert result.drifted_share == 0.0
    assert {one.feature for one in result.features} == {"a", "b", "kind"}  # the calendar moves by itself
    assert from_json(DriftReport, to_json(result)) == result


def test_a_moved_feature_stands_first_with_its_size() -> None:
    result = report(frame(seed=1).with_columns(b=pl.col("b") + 1.0))
    assert result.level == "significant"
    assert result.features[0].feature == "b"
    worst = result.features[0]
    assert worst.value is not None
    assert worst.value > 0.25
    assert worst.statistics["psi"] == DriftStatistic(worst.value, 0.1, 0.25)
    assert worst.statistics["kl"].decides is False
    assert worst.reason == f"psi {worst.value:.3g}"
    assert worst.details["mean"] - worst.details["mean_reference"] > 0.9
    assert result.drifted_share == 1 / 3
    assert result.mean_value is not None
    assert result.mean_value < worst.value


def test_a_moderate_move_is_moderate() -> None:
    result = report(frame(seed=1).with_columns(b=pl.col("b") + 0.4))
    assert result.level == "moderate"


def test_too_few_rows_none_and_a_lost_column_are_unmeasurable() -> None:
    for few in (frame().clear(), frame().head(99), frame().drop("a", "b", "kind")):
        assert report(few).level == "unmeasurable"
        assert report(few).mean_value is None
        assert all(one.value is None for one in report(few).features)


def test_a_dead_sensor_is_never_stable() -> None:
    """The report is as bad as the worst of moved, unmeasurable, missing risen and out of range."""
    healthy = frame(seed=1)
    first = pl.int_range(pl.len())
    for dead, level, reason in (
        (healthy.with_columns(a=pl.lit(None, dtype=pl.Float64)), "significant", "missing_rise"),
        (healthy.drop("a"), "unmeasurable", "the column is missing"),
        (
            healthy.with_columns(a=pl.when(first % 20 == 0).then(pl.col("a"))),
            "significant",
            "missing_rise",
        ),
        (
            healthy.with_columns(a=pl.when(first % 20 == 0).then(1e6).otherwise(pl.col("a"))),
            "significant",
            "out_of_range",
        ),
        (healthy.with_columns(a=pl.lit(float("inf"))), "significant", "psi"),
    ):
        result = report(dead)
        worst = result.features[0]
        assert (result.level, worst.feature, worst.level) == (level, "a", level)
        assert worst.reason.startswith(reason)


def test_broken_data_never_requests_a_retrain() -> None:
    healthy = frame(seed=1)
    dead = drift_signal(SPEC, report(healthy.with_columns(a=pl.lit(None, dtype=pl.Float64))))
    assert dead is not None
    assert not dead.active
    moved = drift_signal(SPEC, report(healthy.with_columns(b=pl.col("b") + 1.0)))
    assert moved is not None
    assert (moved.active, moved.features) == (True, ("b",))
    assert moved.reason.startswith("drift: b moved by PSI ")


def test_values_as_in_training_are_in_range() -> None:
    for seed in range(1, 6):
        for feature in report(frame(seed=seed)).features:
            assert feature.statistics.get("out_of_range", DriftStatistic(0.0, 1.0, 1.0)).value == 0.0


@pytest.mark.parametrize("method", DRIFT_METHODS)
def test_the_model_file_chooses_the_method(method: str) -> None:
    spec = model(features={"calendar": ["month"]}, monitoring={"drift": {"method": method}})
    reference = frame()
    kept = profile(reference, feature_names(spec, reference.columns))
    assert drift(spec, kept, 3, frame(seed=1), AS_OF).level == "stable"
    moved = drift(spec, kept, 3, frame(seed=1).with_columns(b=pl.col("b") + 1.0), AS_OF)
    assert (moved.level, moved.features[0].feature, moved.features[0].method) == ("significant", "b", method)
    text = next(feature for feature in moved.features if feature.feature == "kind")
    assert text.method == ("psi" if DRIFT_METHODS[method].orders_bins else method)


def test_a_method_of_ones_own_is_one_function_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def total_variation(expected: Bins, actual: Bins) -> float:
        return sum(abs(a - e) for e, a in zip(expected.proportions, actual.proportions, strict=True)) / 2

    own = DriftMethod("total variation", total_variation, warn=0.1, act=0.2)
    monkeypatch.setitem(DRIFT_METHODS, "total_variation", own)
    spec = model(features={"calendar": ["month"]}, monitoring={"drift": {"method": "total_variation"}})
    reference = frame()
    kept = profile(reference, feature_names(spec, reference.columns))
    moved = drift(spec, kept, 3, frame(seed=1).with_columns(b=pl.col("b") + 1.0), AS_OF)
    assert moved.features[0].statistics["total_variation"].act == 0.2
    request = drift_signal(spec, moved)
    assert request is not None
    assert "b moved by total variation 0." in request.reason


def test_limits_of_the_model_file_replace_those_of_the_method() -> None:
    limits = [
        model(monitoring=monitoring).monitoring.drift_limits
        for monitoring in (
            {},
            {"drift": {"warn": 0.2}},
            {"drift": {"method": "kl", "act": 0.9}},
            {"psi": {"warn": 0.2, "act": 0.4}},
        )
    ]
    assert limits == [("psi", 0.1, 0.25), ("psi", 0.2, 0.25), ("kl", 0.05, 0.9), ("psi", 0.2, 0.4)]


def test_the_old_key_is_read_with_a_warning_that_names_the_new_one() -> None:
    old = model(monitoring={"psi": {"warn": 0.2, "act": 0.4}})
    [(path, sentence)] = list(risks(old))
    assert path == ("monitoring", "psi")
    assert "drift: {method: psi, warn: 0.2, act: 0.4}" in sentence
    assert not list(risks(SPEC))
    both = model(monitoring={"psi": {"warn": 0.2}, "drift": {"warn": 0.2}})
    assert [path for path, _ in inconsistencies(both)] == [("monitoring", "psi")]


def test_text_where_numbers_were_is_unmeasurable() -> None:
    result = report(frame(seed=1).with_columns(b=pl.lit("much")))
    assert [one.level for one in result.features if one.feature == "b"] == ["unmeasurable"]


def test_a_new_category_is_a_movement() -> None:
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
        result = drift(spec, kept, 3, new, AS_OF)
        return result.level, {one.feature: float(one.decides) for one in result.features}

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
