"""Defects that real public data is known to have, found and named by rules a person would write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.artifacts import RuleResult, Validation
from mlops_assets.validation import validate
from mlops_assets_tests.unit.validation.test_batch import failed, model


def _check(frame: pl.DataFrame, as_of: datetime, **changes: Any) -> Validation:
    rules = changes.pop("validation", {})
    bare = {"freshness": None, "completeness": None, "columns": {}, **rules}
    return validate(model(entity=None, validation=bare, **changes), frame, as_of=as_of)


def test_machine_temperature_twelve_times_stand_twice(public_data: Path) -> None:
    frame = pl.read_parquet(public_data / "nab_machine_temperature.parquet")
    rules = {"completeness": 0.9, "freshness": "1d"}
    validation = _check(
        frame, datetime(2014, 2, 20, tzinfo=UTC), target="value", timestamp="timestamp", validation=rules
    )
    result = failed(validation)
    assert {name: rule.failed_rows for name, rule in result.items()} == {"unique_rows": 12, "time_order": 1}
    first = validation.quarantine["timestamp"].min()
    assert first == datetime(2014, 1, 7, 2, tzinfo=UTC).replace(tzinfo=None)
    assert validation.passed


def test_electricity_is_whole_in_utc_and_broken_on_the_wall_clock(public_data: Path) -> None:
    """Three days of 50 half-hours and three of 46 in local time: repeated clock times and short days, found as such."""
    frame = pl.read_parquet(public_data / "vic_elec_halfhour.parquet")
    shape: dict[str, Any] = {"target": "Demand", "timestamp": "Time", "validation": {"completeness": 1.0}}
    as_of = datetime(2015, 1, 1, tzinfo=UTC)
    assert failed(_check(frame, as_of, **shape)) == {}
    clock = frame.with_columns(
        pl.col("Time").dt.convert_time_zone("Australia/Melbourne").dt.replace_time_zone(None)
    )
    result = failed(_check(clock, as_of + timedelta(days=1), **shape))
    assert (result["unique_rows"].failed_rows, result["time_order"].failed_rows) == (6, 3)
    assert "46 of 48 readings" in result["completeness"].message
    assert "3 of 1,094 days fall short" in result["completeness"].message


def test_flights_are_unsorted_text_in_time_with_missing_delays(public_data: Path) -> None:
    frame = pl.read_parquet(public_data / "nycflights13_jan_jun.parquet")
    shape: dict[str, Any] = {
        "target": "arr_delay",
        "timestamp": "time_hour",
        "validation": {
            "unique_rows": False,
            "columns": {
                "dep_time": {"min": 1, "max": 2400},
                "origin": {"values": ["EWR", "LGA", "JFK"]},
                "tailnum": {"pattern": "N[0-9A-Z]+"},
            },
        },
    }
    as_of = datetime(2013, 7, 2, tzinfo=UTC)
    assert "'time_hour' holds String" in failed(_check(frame, as_of, **shape))["column_types"].message
    parsed = frame.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC"))
    validation = _check(parsed, as_of, **shape)
    result = failed(validation)
    assert set(result) == {"time_order", "pattern_tailnum"}
    assert result["time_order"].failed_rows == 28_031
    assert validation.passed, "3.3 % missing delays are below 5 %"
    missing = _by_name(validation)["missing"]
    assert missing.message.startswith("Worst column 'arr_delay' misses 3.3")
    shape["validation"]["max_missing"] = "3%"
    assert "missing" in failed(_check(parsed, as_of, **shape))


def test_hospital_typos_are_found_where_the_form_of_a_value_is_known(public_data: Path) -> None:
    """Every typo is an 'x' over another character: sets and patterns find those in twelve of nineteen columns."""
    frame = pl.read_parquet(public_data / "holoclean_hospital.parquet")
    columns: dict[str, Any] = {
        "State": {"values": ["al", "ak"]},
        "EmergencyService": {"values": ["yes", "no"]},
        "HospitalType": {"values": ["acute care hospitals"]},
        "Condition": {
            "values": [
                "surgical infection prevention",
                "heart attack",
                "pneumonia",
                "heart failure",
                "children s asthma care",
            ]
        },
        "HospitalOwner": {
            "pattern": r"proprietary|(voluntary non-profit|government) - (private|other|church|federal|state|local"
            r"|hospital district or authority)"
        },
        "ProviderNumber": {"pattern": r"\d{5}"},
        "ZipCode": {"pattern": r"\d{5}"},
        "PhoneNumber": {"pattern": r"\d{10}"},
        "MeasureCode": {"pattern": r"(ami|hf|pn|scip|cac)-[a-z]*-?\d[abc]?"},
        "Score": {"pattern": r"(\d+%)?"},
        "Sample": {"pattern": r"(\d+ patients)?"},
        "Stateavg": {"pattern": r"(al|ak)_(ami|hf|pn|scip|cac)-[a-z]*-?\d[abc]?"},
    }
    validation = _check(
        frame,
        datetime(2025, 1, 1, tzinfo=UTC),
        problem="classification",
        target="Condition",
        timestamp=None,
        training={"algorithms": [{"name": "logistic"}]},
        evaluation={"primary": "f1"},
        validation={"columns": columns},
    )
    result = failed(validation)
    assert not validation.passed
    assert "quarantined" in result
    cells = {name: rule.failed_rows for name, rule in result.items() if rule.column is not None}
    assert cells["values_State"] == 26
    assert cells["values_EmergencyService"] == 27
    for rule in result.values():
        if rule.column is not None:
            broken = validation.quarantine.filter(pl.col("_reason").str.split("; ").list.contains(rule.rule))[
                rule.column
            ]
            assert broken.str.contains("x").all(), f"{rule.rule} sets aside only typos"
    assert sum(cells.values()) == 344, (
        "of 509 wrong cells; the others are in names and addresses, which have no form"
    )


def _by_name(validation: Validation) -> dict[str, RuleResult]:
    return {rule.rule: rule for rule in validation.rules}
