"""Weeks after a look, the previous challenger and the champion are compared as production would serve them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import promotion, stages
from mlops_assets.artifacts import Comparison, Evidence, LaterRows, RefitCheck, SequentialTest, from_json
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import NOW, Station, begin, readings
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

GATES: tuple[Any, ...] = (
    {"beats_champion": {"metric": "rmse", "by": 0.3}},
    {"metric_at_most": {"metric": "rmse", "limit": 50.0}},
)
START = datetime(2026, 1, 5, tzinfo=UTC)


def grow(station: Station, folder: Path, days: int) -> Evidence:
    """Judge one more challenger when the readings have grown to so many days."""
    parts = [
        readings(48, seed).with_columns(pl.col("at") + timedelta(days=seed - 99))
        for seed in range(100, 100 + days - 5)
    ]
    pl.concat([readings(), *parts]).write_csv(folder / "readings.csv")
    station.now = max(station.now, NOW + timedelta(days=days - 5))
    trained = station.train()
    report = evaluate_model(station.spec, station.platform, station.run())
    station.apply_decision(trained.version, report.evidence_hash)
    return from_json(Evidence, station.platform.ledger.evidence(report.evidence_hash).body)


def test_the_previous_challenger_is_scored_on_rows_that_came_after_it(tmp_path: Path, ledger: Ledger) -> None:
    without_refresh = ({"beats_champion": {**GATES[0]["beats_champion"], "refresh": False}}, *GATES[1:])
    station = begin(tmp_path, ledger, without_refresh)
    first = grow(station, tmp_path, 5)
    assert station.champion() == 1
    second, third = grow(station, tmp_path, 15), grow(station, tmp_path, 19)
    assert station.champion() == 1
    assert (first.evaluation.later, second.evaluation.later) == (None, None)
    later = third.evaluation.later
    assert later is not None
    assert later.version == 2
    assert later.rows == 4 * 48
    frame = station.platform.datasets.read(next(one for one in third.data if one.table == stages.FEATURES))
    newest = frame.filter(pl.col("at") > load_until(station, 2))
    assert (later.since, later.until) == (newest["at"].min(), newest["at"].max())
    for version, metrics in ((2, later.challenger), (1, later.champion)):
        served, _ = load_version(station.platform, "station", version)
        rmse = float(np.sqrt(np.mean((served.predict(newest) - newest["y"].to_numpy()) ** 2)))
        assert metrics["rmse"] == pytest.approx(rmse, rel=1e-12)
    assert any("on 192 later rows the previous challenger v2" in note for note in third.evaluation.notes)
    # The test of later weeks begins with the first later rows; the judged fits' holdout is no part of it.
    assert second.evaluation.sequential == ()
    [test] = third.evaluation.sequential
    assert (test.looks, later.since <= test.until) == (1, True)
    assert test.improvement == pytest.approx(
        1.0 - later.challenger["rmse"] / later.champion["rmse"], abs=0.05
    )


def load_until(station: Station, version: int) -> datetime:
    _, bundle = load_version(station.platform, "station", version)
    assert bundle.seen_rows is not None
    return datetime.fromisoformat(bundle.seen_rows["until"])


def test_a_previous_challenger_that_is_damaged_has_nothing_to_say(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger, GATES)
    grow(station, tmp_path, 5)
    grow(station, tmp_path, 8)
    (station.bundle(2) / "preparation.json").write_text("{}")
    third = grow(station, tmp_path, 11)
    assert third.evaluation.later is None
    assert any("previous challenger v2 is not scored on later rows" in line for line in station.sentences)


@pytest.mark.parametrize(
    ("wealth", "challenger_loss", "later", "verdict"),
    [
        (1e6, 0.8, True, "pass"),
        (30.0, 0.8, True, "fail"),  # chance is not excluded
        (1e6, 0.99, True, "fail"),  # better, but not by 2 %
        (1e6, 0.0, True, "pass"),
        (1e6, math.nan, True, "fail"),
        (1e6, 0.8, False, "fail"),  # no later row was scored
    ],
)
def test_later_weeks_decide_where_the_shared_holdout_does_not(
    wealth: float, challenger_loss: float, later: bool, verdict: str
) -> None:
    spec = spec_with([{"beats_champion": {"metric": "rmse"}}])
    state = SequentialTest(
        "rmse", spec.digest(), START, 3600.0, 1.0, 50, (np.log(wealth),), 7, challenger_loss, 1.0
    )
    record = LaterRows(3, 400, START, START, {"rmse": 0.9}, {"rmse": 1.0}) if later else None
    worse = evaluation_of(0.995, 1.0, low=-0.01, sequential=(state,))
    evidence = evidence_of(replace(worse, later=record), spec)
    [result] = promotion.evaluate_gates(spec, evidence)
    assert result.verdict == verdict, result.reason
    assert ("later weeks decide" in result.reason) == (verdict == "pass")


def compared(gain: float, low: float, high: float = 0.5) -> LaterRows:
    """Later rows whose newer fit is better by `gain`, with the interval from `low` to `high`."""
    test = Comparison("rmse", "test", 1.0 - gain, 1.0, gain, low, high, 0.95, "paired", 400, None)
    return LaterRows(3, 400, START, START, {"rmse": 1.0 - gain}, {"rmse": 1.0}, (test,))


CLEARLY_BETTER = compared(0.1, 0.05)
BARELY_SURE = compared(0.1, -0.29)
HELPS, SPEAKS_AGAINST = (0.99, -0.05, 0.07), (1.1, -0.2, -0.03)


@pytest.mark.parametrize(
    ("refresh", "same", "later", "freshness", "holdout", "verdict"),
    [
        (True, True, CLEARLY_BETTER, None, HELPS, "pass"),
        (True, True, BARELY_SURE, None, HELPS, "pass"),  # half a standard error is enough for newer rows
        (True, True, compared(0.1, -0.31), None, HELPS, "fail"),
        (True, True, compared(0.02, 0.01), None, HELPS, "fail"),  # not by more than `by`
        (True, True, compared(-0.1, -0.2), CLEARLY_BETTER, HELPS, "fail"),
        (True, True, compared(math.nan, math.nan), None, HELPS, "fail"),
        (True, True, compared(0.1, math.nan, math.nan), None, HELPS, "fail"),
        (
            True,
            True,
            replace(CLEARLY_BETTER, comparisons=()),
            None,
            HELPS,
            "fail",
        ),  # an earlier release's record
        (True, True, None, CLEARLY_BETTER, HELPS, "pass"),
        (True, True, None, compared(0.01, -0.1), HELPS, "fail"),
        (True, True, CLEARLY_BETTER, None, (1.1, -0.2, -0.01), "pass"),
        (True, True, BARELY_SURE, None, SPEAKS_AGAINST, "fail"),
        (True, True, CLEARLY_BETTER, None, SPEAKS_AGAINST, "pass"),  # proves more than the holdout does
        (True, True, CLEARLY_BETTER, None, (1.3, -0.4, -0.2), "fail"),  # proves less
        (True, True, CLEARLY_BETTER, None, (0.99, math.nan, math.nan), "fail"),
        (True, True, None, None, (0.985, -0.004, 0.035), "pass"),  # three quarters of the interval's half
        (True, True, None, None, (0.985, -0.006, 0.035), "fail"),
        (True, False, CLEARLY_BETTER, None, HELPS, "fail"),
        (False, True, CLEARLY_BETTER, None, HELPS, "fail"),
    ],
)
def test_a_refresh_asks_that_newer_rows_help_and_the_shared_holdout_does_not_object(
    refresh: bool,
    same: bool,
    later: LaterRows | None,
    freshness: LaterRows | None,
    holdout: tuple[float, float, float],
    verdict: str,
) -> None:
    spec = spec_with([{"beats_champion": {"metric": "rmse", "refresh": refresh}}])
    value, low, high = holdout
    measured = evaluation_of(value, 1.0, low=low)
    shared = tuple(replace(one, improvement=1.0 - value, high=high) for one in measured.comparisons)
    measured = replace(measured, comparisons=shared, later=later, freshness=freshness, same_recipe=same)
    check = RefitCheck(400, START, {}, 0.5, 2.0)
    [result] = promotion.evaluate_gates(spec, replace(evidence_of(measured, spec), refit=check))
    assert ("pass" if result.verdict == "pass" else "fail") == verdict, result.reason
    assert ("refreshed" in result.reason) == (verdict == "pass")
    [without] = promotion.evaluate_gates(spec, evidence_of(measured, spec))
    assert without.verdict != "pass"  # a model that is not fitted again


def test_after_a_promotion_the_champion_is_compared_with_its_predecessor(
    tmp_path: Path, ledger: Ledger
) -> None:
    station = begin(
        tmp_path, ledger, ({"beats_champion": {"metric": "rmse", "confidence": None}}, *GATES[1:])
    )
    station.challenge()
    trained = station.train()
    station.apply_decision(trained.version, station.judge(trained))
    assert station.champion() == 2
    third = grow(station, tmp_path, 8)
    fresh = third.evaluation.freshness
    assert fresh is not None
    assert (fresh.version, fresh.rows, third.evaluation.later) == (2, 3 * 48, None)
    assert third.evaluation.same_recipe
