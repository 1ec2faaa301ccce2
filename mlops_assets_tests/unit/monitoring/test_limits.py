"""Limits from an alarm budget: clean data rings as rarely as the budget says, what is not known is said plainly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import DriftReport, Profile, from_json, to_json
from mlops_assets.features import profile, with_nulls
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.consistency import inconsistencies
from mlops_assets.monitoring import drift as measure_drift
from mlops_assets_tests.unit.features.feature_factory import START, model, wine

WEEK = timedelta(days=7)
FIXED = {"drift": {"warn": 0.1, "act": 0.25}}


def stamped(values: Mapping[str, np.ndarray[Any, Any]], step: timedelta) -> pl.DataFrame:
    rows = len(next(iter(values.values())))
    return pl.DataFrame({"at": [START + step * i for i in range(rows)], **values})


def autoregressive(rho: float, rows: int, seed: int) -> np.ndarray[Any, Any]:
    noise = np.random.default_rng(seed).normal(size=rows + 500)
    values = np.zeros_like(noise)
    for i in range(1, len(noise)):
        values[i] = rho * values[i - 1] + noise[i]
    return values[500:]


def learned(spec: ModelSpec, frame: pl.DataFrame) -> Profile:
    reference = profile(frame, [name for name in frame.columns if name != "at"])
    return with_nulls(reference, frame, spec.timestamp, spec.monitoring.window)


def report(spec: ModelSpec, reference: Profile, frame: pl.DataFrame) -> DriftReport:
    at = frame["at"].max() if "at" in frame.columns else START
    assert isinstance(at, datetime)
    return measure_drift(spec, reference, 1, frame, at, computed=(), from_clock=())


def test_dependent_readings_keep_the_budget_where_fixed_limits_ring() -> None:
    """52 clean weeks of two features, rho 0.9: at most one false alarm in 13; fixed limits ring in most."""
    hourly = timedelta(hours=1)
    spec = model(entity=None, features={"inputs": ["a", "b"]})
    fixed = model(entity=None, features={"inputs": ["a", "b"]}, monitoring=FIXED)
    week, trained = 168, 168 * 16
    alarms = {"learned": 0, "fixed": 0}
    for seed in range(4):
        frame = stamped(
            {name: autoregressive(0.9, trained + 13 * week, 10 * seed + i) for i, name in enumerate("ab")},
            hourly,
        )
        reference = learned(spec, frame[:trained])
        for start in range(trained, frame.height, week):
            window = frame[start : start + week]
            alarms["learned"] += any(one.has_moved for one in report(spec, reference, window).features)
            alarms["fixed"] += any(one.has_moved for one in report(fixed, reference, window).features)
    assert alarms["learned"] <= 4
    assert alarms["fixed"] > 20


def test_a_real_movement_is_found_with_learned_limits() -> None:
    spec = model(entity=None)
    frame = stamped({"a": autoregressive(0.5, 168 * 18, 3)}, timedelta(hours=1))
    reference = learned(spec, frame[: 168 * 16])
    new = frame[168 * 16 : 168 * 17]
    calm = report(spec, reference, new)
    [feature] = calm.features
    assert (calm.level, feature.statistics["psi"].learned, feature.note) == ("stable", True, "")
    moved = report(spec, reference, new.with_columns(pl.col("a") + 1.5))
    assert moved.level == "significant"
    assert moved.features[0].has_moved
    assert from_json(DriftReport, to_json(moved)) == moved


def test_the_usual_bands_are_shown_next_to_learned_limits() -> None:
    spec = model(entity=None)
    frame = stamped({"a": autoregressive(0.9, 168 * 16, 3)}, timedelta(hours=1))
    reference = learned(spec, frame)
    rising = frame[-168:].with_columns(pl.col("a") + 1.3)
    [feature] = report(spec, reference, rising).features
    assert feature.limit is not None
    assert feature.value is not None
    assert 0.25 < feature.value < feature.limit
    assert feature.statistics["psi"].usual == (0.1, 0.25)
    assert (feature.level == "significant", feature.usual_level) == (False, "significant")


def test_clean_samples_of_100_independent_rows_do_not_ring() -> None:
    spec, fixed = (wine(features={"inputs": ["a"]}, monitoring=chosen) for chosen in ({}, FIXED))
    random = np.random.default_rng(5)
    reference = learned(spec, pl.DataFrame({"a": random.normal(size=120)}))
    samples = [pl.DataFrame({"a": random.normal(size=100)}) for _ in range(60)]
    levels = [report(spec, reference, sample).level for sample in samples]
    assert levels.count("significant") <= 1
    assert [report(fixed, reference, sample).level for sample in samples].count("stable") < 20
    assert report(spec, reference, samples[0].with_columns(pl.col("a") + 2.0)).level == "significant"


def test_a_season_is_compared_with_its_own_season() -> None:
    """Two years of hours with cold winters: an April week is no drift, the values of July in April are."""
    rows = 24 * 365 * 2 + 24 * 21
    day = np.arange(rows) / 24
    values = 15 - 6 * np.cos(2 * np.pi * (day + 83) / 365.25) + autoregressive(0.7, rows, 1)
    spec, fixed = model(entity=None), model(entity=None, monitoring=FIXED)
    frame = stamped({"a": values}, timedelta(hours=1))
    reference = learned(spec, frame[: 24 * 365 * 2])
    now = frame[24 * 365 * 2 + 24 * 7 : 24 * 365 * 2 + 24 * 14]
    seasonal, plain = report(spec, reference, now).features[0], report(fixed, reference, now).features[0]
    assert (seasonal.has_moved, seasonal.reference) == (False, "around early April")
    assert (plain.level, plain.reference) == ("significant", "all")
    assert report(spec, reference, now.with_columns(pl.col("a") + 6)).level == "significant"


def test_what_is_too_short_to_learn_from_uses_the_usual_limits_and_says_so() -> None:
    frame = stamped({"a": autoregressive(0.0, 24 * 7 * 8, 3)}, timedelta(hours=1))
    spec = model(entity=None)
    short, whole, before = learned(spec, frame[: 24 * 20]), learned(spec, frame), profile(frame, ["a"])
    daily = model(entity=None, monitoring={"window": "5d"})
    for of, reference, reason in (
        (spec, short, "the training data holds 2.9 windows of 7d"),
        (daily, whole, "they were learned for windows of 7d, not 5d"),
        (spec, before, "trained before limits were learned"),
    ):
        [feature] = report(of, reference, frame[-168:]).features
        assert feature.note.startswith("fixed limits: ")
        assert reason in feature.note
        assert feature.statistics["psi"].act == 0.25


def test_windows_that_follow_each_other_slowly_are_unmeasurable_not_stable() -> None:
    slow = (
        np.repeat(np.random.default_rng(1).normal(size=4), 168 * 2)
        + np.random.default_rng(2).normal(size=1344) / 9
    )
    spec = model(entity=None)
    result = report(
        spec, learned(spec, stamped({"a": slow}, timedelta(hours=1))), stamped({"a": slow[-168:]}, WEEK)
    )
    assert result.level == "unmeasurable"
    assert "independent ones" in result.features[0].reason or "by themselves" in result.features[0].reason


def test_a_constant_column_has_limits_and_a_change_is_found() -> None:
    frame = stamped({"a": np.zeros(168 * 8)}, timedelta(hours=1))
    spec = model(entity=None)
    reference = learned(spec, frame)
    assert report(spec, reference, frame[-168:]).level == "stable"
    assert report(spec, reference, frame[-168:].with_columns(a=pl.lit(1.0))).level == "significant"


def test_fewer_rows_than_in_training_move_further_by_chance() -> None:
    frame = stamped({"a": autoregressive(0.0, 1_000 * 10, 3)}, timedelta(days=7) / 1_000)
    spec = model(entity=None)
    reference = learned(spec, frame)
    window = frame[-1_000:]
    [full], [few] = (report(spec, reference, one).features for one in (window, window[::9]))
    assert full.limit == 0.1
    assert few.limit is not None
    assert few.limit > 0.2


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_training_rows_give_no_null(rows: int) -> None:
    frame = stamped({"a": np.zeros(1)}, WEEK)[:rows]
    assert learned(model(entity=None), frame).windows == 0.0


def test_limits_and_budget_exclude_each_other() -> None:
    both = model(monitoring={"drift": {"act": 0.3, "alarms": {"at_most": 2, "per": "4w"}}})
    assert [path for path, _ in inconsistencies(both)] == [("monitoring", "drift", "alarms")]
    budget = model(monitoring={"drift": {"alarms": {"at_most": 2, "per": "4w"}}}).monitoring.alarm_budget
    assert budget is not None
    assert (budget.at_most, budget.per) == (2, timedelta(days=28))
    assert model(monitoring=FIXED).monitoring.alarm_budget is None
    assert model(monitoring={"psi": {"warn": 0.2, "act": 0.4}}).monitoring.alarm_budget is None
    default = model().monitoring.alarm_budget
    assert default is not None
    assert (default.at_most, default.per) == (1, timedelta(weeks=13))


def test_a_larger_budget_has_lower_limits() -> None:
    frame = stamped({"a": autoregressive(0.9, 168 * 16, 3)}, timedelta(hours=1))
    limits = []
    for at_most in (1, 10):
        spec = model(entity=None, monitoring={"drift": {"alarms": {"at_most": at_most}}})
        [feature] = report(spec, learned(spec, frame), frame[-168:]).features
        limits.append(feature.limit or 0.0)
    assert limits[1] < limits[0]


def test_windows_that_resemble_the_one_before_are_fewer_independent_ones() -> None:
    spec, worth = model(entity=None), []
    for rho in (0.0, 0.995):
        frame = stamped({"a": autoregressive(rho, 168 * 30, 3)}, timedelta(hours=1))
        null = learned(spec, frame).columns["a"].null
        assert null is not None
        worth.append(null.independent)
    assert worth[0] > 22
    assert worth[1] < 20  # of 30


def test_a_window_is_compared_with_the_training_data_without_it() -> None:
    """One week of eight has another value: PSI 18 between no row and every row, 8 with itself."""
    values = np.repeat([0.0] * 7 + [1.0], 168)
    null = learned(model(entity=None), stamped({"a": values}, timedelta(hours=1))).columns["a"].null
    assert null is not None
    assert null.values["psi"][-1] > 18


def test_features_share_the_budget() -> None:
    values, limits = autoregressive(0.9, 168 * 16, 3), []
    for names in ("a", "abcdefgh"):
        frame = stamped(dict.fromkeys(names, values), timedelta(hours=1))
        spec = model(entity=None, features={"inputs": list(names)})
        limits.append(report(spec, learned(spec, frame), frame[-168:]).features[0].limit or 0.0)
    assert limits[1] > limits[0]
