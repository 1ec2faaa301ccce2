"""`mlops predict`: every reading of a window once, as the batch and the API predict it, whatever ends the process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets import features, stages
from mlops_assets.errors import DataError, LedgerError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.stages import data
from mlops_assets.lifecycle.window_scoring import WindowScores, score_window
from mlops_assets.serving.champions import load
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import NOW, Station, begin, readings
from mlops_assets_tests.waiting import patience

START, END = NOW - timedelta(hours=120), NOW
FEATURES = {
    "inputs": ["flow", "power"],
    "lags": {"columns": ["flow"], "steps": [1, 3]},
    "rolling": {"columns": ["power"], "windows": ["6h"], "statistics": ["mean", "std"]},
}
KEYS = ["entity", "at", "occurrence", "value", "low", "high"]


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(tmp_path, ledger, features=FEATURES)
    station.challenge()
    return station


def score(station: Station, start: datetime = START, end: datetime = END, **more: Any) -> WindowScores:
    return score_window(station.platform, "station", start, end, station.run(), **{"part_rows": 7} | more)


def stored(station: Station, version: int = 1) -> pl.DataFrame:
    far = timedelta(days=1000)
    rows = station.platform.ledger.predictions("station", since=NOW - far, until=NOW + far, version=version)
    return rows.select(KEYS).sort("at", "entity", "occurrence")


def equal_to(values: pl.Series) -> Any:
    """Features are equal to the last bit; a product of a matrix with another number of rows rounds differently."""
    return pytest.approx(values.to_list(), rel=1e-12)


def test_a_window_has_the_predictions_that_the_asset_makes(station: Station) -> None:
    scores = score(station)
    assert (scores.rows, scores.new_rows, scores.tables) == (240, 240, (0,))
    assert (scores.first, scores.last) == (START, NOW - timedelta(hours=1))
    mine = stored(station)
    tables = station.platform.datasets.log("station", stages.PREDICTIONS)
    assert sum(commit.version.rows for commit in tables) == 240
    assert station.predict() == 0, "the asset has nothing left to predict"
    station.challenge()
    assert station.predict() == 240
    with_asset = stored(station, station.champion() or 0)
    assert score(station, version=1).new_rows == 0
    again = score(station, version=2)
    assert (again.rows, again.new_rows) == (240, 0)
    assert with_asset.select(KEYS[:3]).equals(mine.select(KEYS[:3]))
    for name in KEYS[3:]:  # the second version is the same fit
        assert with_asset[name].to_list() == equal_to(mine[name])


def test_a_window_has_the_predictions_of_the_api(station: Station) -> None:
    score(station, NOW - timedelta(hours=20))
    champion = station.platform.ledger.champion("station")
    assert champion is not None
    served = load(station.platform, "station", champion, 1)
    rows = readings().filter(pl.col("at") >= NOW - timedelta(hours=20))
    columns = {"at": pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")}
    records = rows.with_columns(**columns).select(served.columns.needed).to_dicts()
    response = served.respond(records)
    batch = stored(station)
    keyed = rows.select(pl.col("at").cast(pl.Datetime("us", "UTC")), entity="pump_id").with_columns(
        **{
            name: pl.Series(response[key])
            for name, key in (("v", "predictions"), ("l", "low"), ("h", "high"))
        }
    )
    both = batch.join(keyed, on=["entity", "at"])
    assert both.height == len(records) == 40
    for mine, api in (("value", "v"), ("low", "l"), ("high", "h")):
        assert both[mine].to_list() == equal_to(both[api])


def test_repeated_and_overlapping_windows_add_only_what_is_missing(station: Station) -> None:
    assert score(station, START, NOW - timedelta(hours=100)).new_rows == 40
    assert score(station, START, NOW - timedelta(hours=100)).new_rows == 0
    assert score(station).new_rows == 200
    assert stored(station).height == 240


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_a_write_it_goes_on_where_it_ended(
    station: Station, tmp_path: Path, ledger_url: str, moment: str
) -> None:
    child = multiprocessing.get_context("spawn").Process(
        target=score_until_killed, args=(tmp_path, ledger_url, 3, moment)
    )
    child.start()
    child.join(patience(60))
    assert child.exitcode == -signal.SIGKILL
    before = stored(station)
    assert 0 < before.height < 240
    scores = score(station)
    assert (scores.rows, scores.new_rows) == (240, 240 - before.height)
    after = stored(station)
    assert after.select("entity", "at").n_unique() == after.height == 240
    tables = [commit.version for commit in station.platform.datasets.log("station", stages.PREDICTIONS)]
    rows = pl.concat([station.platform.datasets.read(table) for table in tables])
    assert rows.select("entity", "at").n_unique() == 240, "no row is in the ledger alone"
    assert score(station).new_rows == 0


def score_until_killed(folder: Path, url: str, parts: int, moment: str) -> None:
    """In a process of its own, which ends without any clean-up before or after a write to the ledger."""
    with Ledger.open(url) as ledger:
        station = begin(folder, ledger, features=FEATURES)
        write, calls = ledger.store_predictions, 0

        def store(*args: Any, **more: Any) -> int:
            nonlocal calls
            calls += 1
            if calls == parts and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            new_rows = write(*args, **more)
            if calls == parts:
                os.kill(os.getpid(), signal.SIGKILL)
            return new_rows

        ledger.store_predictions = store  # type: ignore[method-assign]
        score(station)


def test_a_window_before_the_newest_table_is_read_from_older_ones(station: Station, tmp_path: Path) -> None:
    """Each table has a part of the time; the first readings of the newest look back into the one before."""
    whole = readings()
    whole.filter(pl.col("at") > NOW - timedelta(hours=60)).write_csv(tmp_path / "readings.csv")
    run = station.run()
    data.read_readings(station.spec, station.platform, run)
    data.validate_readings(station.spec, station.platform, run)
    scores = score(station)
    assert (scores.rows, scores.new_rows, scores.tables) == (240, 240, (0, 1))
    predictor, _ = load_version(station.platform, "station", 1)
    whole_table = station.platform.datasets.log("station", stages.VALIDATED_DATA)[-1].version
    frame = features.build(station.spec, station.platform.datasets.read(whole_table))
    expected = frame.select("at", "pump_id", value=pl.Series(predictor.predict(frame))).sort("at", "pump_id")
    assert stored(station)["value"].to_list() == equal_to(expected["value"])


def test_predictions_of_readings_that_are_gone_hide_no_reading(station: Station, tmp_path: Path) -> None:
    score(station)
    before = stored(station).height
    later = pl.when(pl.col("at") < NOW - timedelta(hours=100)).then(pl.lit(timedelta(minutes=30)))
    readings().with_columns(pl.col("at") + later.otherwise(pl.lit(timedelta(0)))).write_csv(
        tmp_path / "readings.csv"
    )
    run = station.run()
    data.read_readings(station.spec, station.platform, run)
    assert data.validate_readings(station.spec, station.platform, run).passed
    east = START.astimezone(timezone(timedelta(hours=2)))
    scores = score(station, east, version=1)
    # the first 6.5 hours, which the newest table cannot look back from, are read from the older one
    assert (scores.rows, scores.new_rows, stored(station).height) == (14 + 28 + 200, 28, before + 28)
    assert any("from 2026-02-25 00:00 UTC on" in one for one in station.sentences)


def test_an_empty_table_is_named(station: Station) -> None:
    platform = station.platform
    newest = platform.datasets.latest("station", stages.VALIDATED_DATA)
    assert newest is not None
    none = platform.datasets.read(newest).clear()
    platform.datasets.write("station", stages.VALIDATED_DATA, none, station.run().provenance)
    with pytest.raises(DataError, match="the newest table has none at all"):
        score(station, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))


def test_what_cannot_be_predicted_is_an_error_that_names_the_reason(station: Station) -> None:
    with pytest.raises(
        DataError, match=r"no stored reading with 2020.*those from 2026-02-25 00:00 to 2026-03-01 23:00 UTC"
    ):
        score(station, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    with pytest.raises(DataError, match="before or at its start"):
        score(station, END, START)
    with pytest.raises(LedgerError, match="version 9"):
        score(station, version=9)
    assert stored(station).height == 0


def test_a_table_with_other_rows_than_were_written_is_not_predicted(station: Station) -> None:
    folder = Path(station.platform.datasets.location("station", stages.VALIDATED_DATA))
    [file] = folder.glob("*.parquet")
    pl.read_parquet(file).with_columns(pl.col("flow") + 1).write_parquet(file)
    with pytest.raises(DataError, match="holds other rows than were written"):
        score(station)


def test_readings_that_failed_validation_are_not_predicted(station: Station, tmp_path: Path) -> None:
    readings().head(20).write_csv(tmp_path / "readings.csv")  # below validation.min_rows
    run = station.run()
    data.read_readings(station.spec, station.platform, run)
    assert not data.validate_readings(station.spec, station.platform, run).passed
    assert score(station).tables == (0,)


def test_a_model_without_a_timestamp_has_no_window(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(
        tmp_path,
        ledger,
        timestamp=None,
        entity=None,
        features={"inputs": ["flow", "power"]},
        split={"strategy": "random", "train": "60%", "validation": "20%", "test": "20%"},
    )
    with pytest.raises(DataError, match="no champion yet"):
        score(station)
    station.challenge()
    with pytest.raises(DataError, match="no timestamp"):
        score(station)
