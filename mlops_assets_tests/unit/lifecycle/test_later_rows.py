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
from mlops_assets.artifacts import Evidence, LaterRows, SequentialTest, from_json
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
    [before], [after] = second.evaluation.sequential, third.evaluation.sequential
    assert after.blocks > before.blocks
    assert after.until > before.until


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
