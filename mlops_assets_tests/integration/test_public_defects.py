"""Real data with known defects, a model file each: what the file source and validation find and name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts import RuleResult, Validation
from mlops_assets.features import build
from mlops_assets.model_file import ModelSpec
from mlops_assets.readings import read
from mlops_assets.validation import validate
from mlops_assets_tests.unit.readings.reading_factory import counted, model, settings

pytestmark = pytest.mark.integration
AS_OF = datetime(2020, 1, 1, tzinfo=UTC)


def validated(spec: ModelSpec) -> tuple[Validation, dict[str, RuleResult]]:
    """The batch's verdict, and what did not pass by rule."""
    batch = read(spec, as_of=AS_OF, settings=settings())
    result = validate(spec, batch.frame, as_of=AS_OF, reference=None)
    return result, {rule.rule: rule for rule in result.rules if not rule.passed}


def parquet(path: Path) -> dict[str, Any]:
    return {"kind": "file", "path": str(path)}


def flights(folder: Path, **keys: Any) -> ModelSpec:
    return model(
        parquet(folder / "nycflights13_jan_jun.parquet"),
        target="arr_delay",
        timestamp="time_hour",
        features={
            "inputs": ["hour", "dep_delay", "distance"],
            "calendar": ["hour"],
            "timezone": "America/New_York",
        },
        **keys,
    )


def test_flights_miss_values_and_are_not_in_order(public_data: Path) -> None:
    rules = {
        "unique_rows": False,
        "columns": {"arr_delay": {"required": True}, "tailnum": {"required": True, "pattern": "[A-Z0-9]+"}},
    }
    result, failed = validated(flights(public_data, validation=rules))
    assert set(failed) == {"required_arr_delay", "required_tailnum", "time_order"}
    assert failed["required_arr_delay"].failed_rows == 5_480  # 3.3 %, as the catalogue says
    assert failed["required_tailnum"].failed_rows == 1_521
    assert failed["time_order"].failed_rows == 28_031
    assert "first to 2013-01-01" in failed["time_order"].message
    assert (result.valid.height, result.quarantine.height, result.passed) == (160_678, 5_480, True)


def test_flights_with_declared_repairs_and_their_two_clocks(public_data: Path) -> None:
    spec = flights(
        public_data,
        validation={"unique_rows": False},
        repairs={"missing_target": "drop_row", "sort": "time"},
    )
    batch = read(spec, as_of=AS_OF, settings=settings())
    repairs = counted(batch)
    assert repairs["row_without_target_dropped", "arr_delay"] == 5_480
    assert repairs["sorted_by_time", "time_hour"] > 0
    assert validated(spec)[1] == {}
    # New York's clock beside UTC, also after summer time began on 10 March: the hour of the schedule comes back
    table = build(spec, batch.frame)
    assert (table["time_hour_hour"] == table["hour"]).all()
    fixed = batch.frame["time_hour"].dt.offset_by("-5h").dt.hour()
    assert (fixed != batch.frame["hour"]).any()


OWNERS = (
    "government - (federal|hospital district or authority|local|state)|proprietary|"
    "voluntary non-profit - (church|other|private)"
)
CONDITIONS = [
    "children s asthma care",
    "heart attack",
    "heart failure",
    "pneumonia",
    "surgical infection prevention",
]
MEASURE = r"(ami-(\d|7a|8a)|cac-\d|hf-\d|pn-(2|3b|4|5c|6|7)|scip-(card|inf|vte)-\d)"
HOSPITAL: dict[str, Any] = {
    "ProviderNumber": {"pattern": r"\d{5}"},
    "State": {"values": ["al", "ak"]},
    "ZipCode": {"pattern": r"\d{5}"},
    "PhoneNumber": {"pattern": r"\d{10}"},
    "HospitalType": {"values": ["acute care hospitals"]},
    "HospitalOwner": {"pattern": OWNERS},
    "EmergencyService": {"values": ["yes", "no"]},
    "Condition": {"values": CONDITIONS},
    "MeasureCode": {"pattern": MEASURE},
    "Score": {"pattern": r"(\d{1,3}%)?"},
    "Sample": {"pattern": r"(\d+ patients)?"},
    "Stateavg": {"pattern": f"(al|ak)_{MEASURE}"},
}


def hospital(folder: Path, **limits: Any) -> ModelSpec:
    return model(
        parquet(folder / "holoclean_hospital.parquet"),
        problem="classification",
        target="EmergencyService",
        training={"algorithms": ["logistic"]},
        evaluation={"primary": "f1"},
        validation={"columns": HOSPITAL, **limits},
    )


def test_every_typo_in_a_column_with_a_rule_is_reported(public_data: Path) -> None:
    """The known typos put an x in place of a character.

    346 of the 509 lie in the 12 columns that have a form to check; names, streets, towns and sentences have none.
    """
    frame = pl.read_parquet(public_data / "holoclean_hospital.parquet")
    result, failed = validated(hospital(public_data, max_quarantined="100%"))
    wrong = {column: frame[column].str.contains("x") for column in HOSPITAL}
    for column, bad in wrong.items():
        name = {"pattern": "pattern", "values": "values"}[next(iter(HOSPITAL[column]))]
        assert failed[f"{name}_{column}"].failed_rows == bad.sum(), column
    if_any = pl.DataFrame(wrong).select(pl.any_horizontal(pl.all())).to_series()
    assert result.quarantine.height == if_any.sum()
    assert (sum(int(bad.sum()) for bad in wrong.values()), result.quarantine.height) == (346, 292)


def test_a_batch_with_that_many_typos_is_refused(public_data: Path) -> None:
    result, failed = validated(hospital(public_data))
    assert not result.passed
    assert failed["quarantined"].critical


def test_machine_temperature_names_its_duplicates_and_the_step_back(public_data: Path) -> None:
    keys: dict[str, Any] = {
        "target": "value",
        "timestamp": "timestamp",
        "features": {"exclude": ["label", "window", "file"]},
        "validation": {"completeness": "99%", "every": "5m"},
    }
    source = parquet(public_data / "nab_machine_temperature.parquet")
    result, failed = validated(model(source, **keys))
    assert set(failed) == {"unique_rows", "time_order"}
    assert failed["unique_rows"].failed_rows == result.quarantine.height == 12
    assert failed["unique_rows"].samples[0]["timestamp"] == "2014-01-07T02:00:00+00:00"
    assert failed["time_order"].message == (
        "Time steps backward in 1 rows, first to 2014-01-07 02:00:00+00:00"
    )
    repaired = model(source, **keys, repairs={"duplicates": "first", "sort": "time"})
    assert validated(repaired)[1] == {}


def test_melbournes_days_of_46_and_50_half_hours(public_data: Path, tmp_path: Path) -> None:
    """As instants nothing is wrong; as clock times taken for UTC the three nights of autumn and of spring are named."""
    keys: dict[str, Any] = {
        "target": "Demand",
        "timestamp": "Time",
        "features": {
            "inputs": ["Temperature"],
            "calendar": ["minute_of_day"],
            "timezone": "Australia/Melbourne",
        },
        "validation": {"completeness": "100%", "every": "30m"},
    }
    file = public_data / "vic_elec_halfhour.parquet"
    spec = model(parquet(file), **keys)
    assert validated(spec)[1] == {}
    batch = read(spec, as_of=AS_OF, settings=settings()).frame
    minutes = build(spec, batch)["Time_minute_of_day"]
    days = (minutes == 0).cum_sum().value_counts()["count"].value_counts(name="days").sort("count")
    assert days.rows() == [(46, 3), (48, 1_090), (50, 3)]

    clock = tmp_path / "clock.parquet"
    local = pl.col("Time").dt.convert_time_zone("Australia/Melbourne").dt.replace_time_zone(None)
    pl.read_parquet(file).with_columns(local).write_parquet(clock)
    result, failed = validated(model(parquet(clock), **keys))
    assert not result.passed
    assert failed["unique_rows"].failed_rows == 6
    assert failed["time_order"].failed_rows == 3
    assert "2012-10-07: 46 of 48 readings" in failed["completeness"].message
    assert "3 of 1,094 days fall short" in failed["completeness"].message
