"""Weeks after a promotion the former champion's bundle is scored on the same rows: promised and delivered."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets import stages
from mlops_assets.artifacts import Comparison, Delivery, TableVersion
from mlops_assets.cli import champions as command
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.delivery import calibration, deliveries, history_with_delivery
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import NOW, Station, begin, readings


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """Version 2 was promoted in place of version 1 with a comparison of the test's own; a week of labels follows."""
    station = begin(tmp_path, ledger)
    station.challenge()
    grow(station, tmp_path, 1)
    trained = station.train()
    station.apply_decision(trained.version, station.judge(trained))
    assert station.champion() == 2
    grow(station, tmp_path, 4)
    return station


def grow(station: Station, folder: Path, days: int) -> None:
    later = [
        readings(48, seed).with_columns(pl.col("at") + timedelta(days=seed)) for seed in range(1, days + 1)
    ]
    pl.concat([readings(), *later]).write_csv(folder / "readings.csv")
    station.now = max(station.now, NOW + timedelta(days=days))


def comparison(improvement: float, low: float, high: float, rows: int = 41_000) -> Comparison:
    return Comparison("rmse", "test", 0.9, 1.0, improvement, low, high, 0.95, "a test", rows)


def delivered(improvement: float, former: int = 6, version: int = 7) -> Delivery:
    promised = comparison(0.075, 0.05, 0.10)
    return Delivery(former, version, promised, comparison(improvement, -1.0, 1.0), NOW, NOW, NOW)


def test_the_next_look_scores_the_former_champion_on_later_rows(station: Station) -> None:
    station.train()
    evaluate_model(station.spec, station.platform, station.run())
    [record] = deliveries(station.platform, "station").values()
    assert (record.former, record.version, record.promised.metric) == (1, 2, "rmse")
    built = station.platform.datasets.latest("station", stages.FEATURES)
    assert isinstance(built, TableVersion)
    rows = station.platform.datasets.read(built).filter(
        pl.col("at") > NOW + timedelta(days=1) - timedelta(hours=1)
    )
    assert (record.since, record.until) == (rows["at"].min(), rows["at"].max())
    errors = [
        float(
            np.sqrt(
                np.mean(
                    (load_version(station.platform, "station", v)[0].predict(rows) - rows["y"].to_numpy())
                    ** 2
                )
            )
        )
        for v in (1, 2)
    ]
    assert record.delivered.champion == pytest.approx(errors[0], rel=1e-12)
    assert record.delivered.challenger == pytest.approx(errors[1], rel=1e-12)
    assert record.delivered.rows == rows.height
    assert any(line == record.sentence for line in station.sentences)
    report = (station.platform.reports("station", 3) / "report.md").read_text()
    assert record.sentence in report


def test_history_says_what_was_delivered(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    station.train()
    evaluate_model(station.spec, station.platform, station.run())
    [record] = deliveries(station.platform, "station").values()
    promoted = [
        one for one in history_with_delivery(station.platform, "station", None) if one.action == "promoted"
    ]
    assert [record.sentence in one.reason for one in promoted] == [True, False]
    monkeypatch.setattr(command, "open_platform", lambda: nullcontext(station.platform))
    printed = mlops(monkeypatch, "history", "station")
    assert "1 promotion measured on later labels" in printed.out
    [first, *_] = json.loads(mlops(monkeypatch, "history", "station", "--json").out)
    assert record.sentence in first["reason"]


def test_nothing_is_measured_without_later_rows_or_with_a_damaged_bundle(
    tmp_path: Path, ledger: Ledger
) -> None:
    station = begin(tmp_path, ledger)
    station.challenge()
    grow(station, tmp_path, 1)
    trained = station.train()
    evidence_hash = station.judge(trained)
    evaluate_model(station.spec, station.platform, station.run())  # the first champion has no predecessor
    station.apply_decision(trained.version, evidence_hash)
    station.train()
    evaluate_model(station.spec, station.platform, station.run())  # no row came after version 2
    assert deliveries(station.platform, "station") == {}
    grow(station, tmp_path, 4)
    (station.bundle(1) / "preparation.json").write_text("{}")
    station.train()
    evaluate_model(station.spec, station.platform, station.run())
    assert deliveries(station.platform, "station") == {}
    assert any("delivered cannot be measured" in line for line in station.sentences)


def test_the_sentences() -> None:
    assert (
        delivered(0.031).sentence
        == "v7 promised 5 to 10 % better rmse than v6, delivered 3.1 % on 41,000 rows"
    )
    several: list[Any] = [delivered(0.06), delivered(0.2), delivered(0.031), delivered(-0.01)]
    assert calibration(several) == (
        "4 promotions measured on later labels: 2 delivered what was promised, 1 was worse than the former champion"
    )
    assert calibration([]) == ""
