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
from mlops_assets.artifacts import Evidence, LaterRows, RefitCheck, SequentialTest, from_json
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
    station = begin(tmp_path, ledger, GATES)
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


@pytest.mark.parametrize(
    ("refresh", "same", "later", "freshness", "holdout", "verdict"),
    [
        (True, True, (0.9, 0.9), None, 1.2, "pass"),
        (True, True, (0.91, 0.9), (0.8, 0.9), 0.99, "fail"),
        (True, True, (math.nan, 0.9), None, 0.99, "fail"),
        (True, True, None, None, 0.99, "fail"),  # no later row says whether newer rows help
        (True, True, None, (0.9, 0.9), 1.0, "pass"),
        (True, True, None, (0.9, 0.9), 1.001, "fail"),
        (True, True, None, (0.91, 0.9), 0.99, "fail"),
        (True, False, (0.8, 0.9), None, 0.99, "fail"),
        (False, True, (0.8, 0.9), None, 0.99, "fail"),
    ],
)
def test_a_refresh_asks_only_that_newer_rows_still_help(
    refresh: bool,
    same: bool,
    later: tuple[float, float] | None,
    freshness: tuple[float, float] | None,
    holdout: float,
    verdict: str,
) -> None:
    spec = spec_with([{"beats_champion": {"metric": "rmse", "refresh": refresh}}])
    records = [
        LaterRows(3, 400, START, START, {"rmse": pair[0]}, {"rmse": pair[1]}) if pair else None
        for pair in (later, freshness)
    ]
    measured = replace(
        evaluation_of(holdout, 1.0, low=-0.01), later=records[0], freshness=records[1], same_recipe=same
    )
    check = RefitCheck(400, START, {}, 0.5, 2.0)
    [result] = promotion.evaluate_gates(spec, replace(evidence_of(measured, spec), refit=check))
    assert result.verdict == verdict, result.reason
    [without] = promotion.evaluate_gates(spec, evidence_of(measured, spec))
    assert without.verdict == "fail"  # a model that is not fitted again


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
