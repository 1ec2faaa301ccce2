"""Timestamps: every usual form, both odd hours of a year, and a refusal for everything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.timestamps import UTC_TIME, to_instants


def instants(
    values: list[Any], dtype: Any = None, **rules: Any
) -> tuple[list[datetime | None], dict[str, int]]:
    spec = RepairsSpec.model_validate_json(json.dumps(rules))
    column, repairs = to_instants(pl.Series("t", values, dtype=dtype), spec, "file a.csv")
    assert column.dtype == UTC_TIME
    assert column.name == "t"
    return column.to_list(), {repair.name: repair.count for repair in repairs}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("2026-01-02T03:04:05Z", utc(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02 03:04:05+01:00", utc(2026, 1, 2, 2, 4, 5)),
        ("2026-01-02T03:04:05.250-0330", utc(2026, 1, 2, 6, 34, 5, 250_000)),
        ("2026-01-02T03:04+01", utc(2026, 1, 2, 2, 4)),
        ("2026-01-02 03:04", utc(2026, 1, 2, 3, 4)),
        (" 2026-01-02 ", utc(2026, 1, 2)),
    ],
)
def test_iso_text(text: str, expected: datetime) -> None:
    assert instants([text, None, ""])[0] == [expected, None, None]


def test_offsets_that_change_within_a_column() -> None:
    parsed, repairs = instants(["2022-03-27 01:30:00+01:00", "2022-03-27 03:00:00+02:00"])
    assert parsed == [utc(2022, 3, 27, 0, 30), utc(2022, 3, 27, 1)]
    assert repairs == {}


def test_missing_zone_is_utc_and_announced() -> None:
    parsed, repairs = instants([datetime(2026, 1, 1)])  # noqa: DTZ001
    assert parsed == [utc(2026, 1, 1)]
    assert repairs == {"no_time_zone_taken_as_utc": 1}


def test_declared_form() -> None:
    assert instants(["03/01/2026 14:30"], timestamp_format="%d/%m/%Y %H:%M")[0] == [utc(2026, 1, 3, 14, 30)]
    with pytest.raises(SourceError, match=r"1 values of the timestamp 't' do not read as .*'31/02/2026'"):
        instants(["31/02/2026", "28/02/2026"], timestamp_format="%d/%m/%Y")


def test_what_a_format_leaves_open_is_its_first() -> None:
    assert instants(["1949-02"], timestamp_format="%Y-%m")[0] == [utc(1949, 2, 1)]
    assert instants(["1949"], timestamp_format="%Y")[0] == [utc(1949, 1, 1)]
    assert instants(["2026-01-03 7"], timestamp_format="%Y-%m-%d %H")[0] == [utc(2026, 1, 3, 7)]
    assert instants(["03.01.26 7 PM"], timestamp_format="%d.%m.%y %I %p")[0] == [utc(2026, 1, 3, 19)]
    assert instants([20260103], timestamp_format="%Y%m%d")[0] == [utc(2026, 1, 3)]


def test_unreadable_text_is_refused_with_examples() -> None:
    with pytest.raises(
        SourceError, match=r"2 values of the timestamp 't' are not ISO 8601.*'yesterday', '2026-13-01'"
    ):
        instants(["2026-01-01", "yesterday", "2026-13-01"])


@pytest.mark.parametrize(
    "unit, value",
    [
        ("s", 1_767_225_600),
        ("ms", 1_767_225_600_000),
        ("us", 1_767_225_600_000_000),
        ("ns", 1_767_225_600_000_000_000),
    ],
)
def test_numbers_need_a_unit(unit: str, value: int) -> None:
    assert instants([value, None], timestamp_unit=unit)[0] == [utc(2026, 1, 1), None]
    with pytest.raises(SourceError, match="timestamp_unit"):
        instants([value])


def test_fractions_of_seconds() -> None:
    assert instants([1_767_225_600.25], timestamp_unit="s")[0] == [utc(2026, 1, 1, 0, 0, 0, 250_000)]


MELBOURNE_TWICE = datetime(2014, 4, 6, 2, 30)  # noqa: DTZ001
MELBOURNE_NEVER = datetime(2014, 10, 5, 2, 30)  # noqa: DTZ001


@pytest.mark.parametrize("choice, hour", [("earliest", 15), ("latest", 16)])
def test_clock_time_that_happened_twice(choice: str, hour: int) -> None:
    parsed, repairs = instants(
        [MELBOURNE_TWICE], timezone={"name": "Australia/Melbourne", "ambiguous": choice}
    )
    assert parsed == [utc(2014, 4, 5, hour, 30)]
    assert repairs == {"time_zone": 1, f"ambiguous_clock_time_{choice}": 1}


def test_odd_hours_are_refused_unless_declared() -> None:
    with pytest.raises(
        SourceError,
        match=r"1 clock times of 't' happened twice in Australia/Melbourne: '2014-04-06 02:30:00'",
    ):
        instants([MELBOURNE_TWICE], timezone="Australia/Melbourne")
    with pytest.raises(SourceError, match="never happened"):
        instants([MELBOURNE_NEVER], timezone="Australia/Melbourne")
    parsed, repairs = instants(
        [MELBOURNE_NEVER], timezone={"name": "Australia/Melbourne", "nonexistent": "missing"}
    )
    assert parsed == [None]
    assert repairs["nonexistent_clock_time_missing"] == 1


def test_other_types_are_refused() -> None:
    with pytest.raises(SourceError, match="which is no time"):
        instants([True])


@pytest.mark.parametrize(
    ("values", "rules", "expected"),
    [
        (["1959 1", "1959 4"], {"timestamp_format": "%Y %q"}, [utc(1959, 1, 1), utc(1959, 10, 1)]),
        (["1959Q2", "1960Q3"], {"timestamp_format": "%YQ%q"}, [utc(1959, 4, 1), utc(1960, 7, 1)]),
        ([1871.0, 1872.0], {"timestamp_format": "%Y"}, [utc(1871, 1, 1), utc(1872, 1, 1)]),
        (["1871.0", "1872"], {"timestamp_format": "%Y"}, [utc(1871, 1, 1), utc(1872, 1, 1)]),
        ([1949.0, 1949.083, 1949.08333333333], {"timestamp_unit": "year"}, [utc(1949, 1, 1), *[utc(1949, 2, 1)] * 2]),
        ([1960.75, 1960.5 + 1 / 24], {"timestamp_unit": "year"}, [utc(1960, 10, 1), utc(1960, 7, 16, 12)]),
        ([1, 2], {"timestamp_unit": "week"}, [utc(1970, 1, 8), utc(1970, 1, 15)]),
        ([25, 26], {"timestamp_unit": "h"}, [utc(1970, 1, 2, 1), utc(1970, 1, 2, 2)]),
    ],
)  # fmt: skip
def test_numbers_of_the_calendar(values: list[Any], rules: dict[str, str], expected: list[datetime]) -> None:
    assert instants([*values, None], **rules)[0] == [*expected, None]
    assert [instants([value], **rules)[0][0] for value in values] == expected, (
        "one value alone reads the same"
    )


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        ("1959 5", {"timestamp_format": "%Y %q"}),
        (1871.5, {"timestamp_format": "%Y"}),
        (1e300, {"timestamp_unit": "year"}),
        (float("inf"), {"timestamp_unit": "year"}),
        (0.5, {"timestamp_unit": "year"}),
    ],
)
def test_numbers_that_are_no_year_or_quarter_are_refused(value: Any, rules: dict[str, str]) -> None:
    with pytest.raises(SourceError, match="of the timestamp 't'"):
        instants([value], **rules)
