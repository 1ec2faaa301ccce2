"""Values that a float or a careless sum would change: long ids stay different, instants do not wrap around."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.steps import apply_steps
from mlops_assets.readings.cleaning.timestamps import to_instants
from mlops_assets_tests.unit.readings.reading_factory import counted, read_text

LONG = [9_007_199_254_740_992, 9_007_199_254_740_993]


def rules(**keys: Any) -> RepairsSpec:
    return RepairsSpec.model_validate_json(json.dumps(keys))


@pytest.mark.parametrize("written", ["{}", " {} ", "+{}"])
def test_long_ids_cast_to_integer_stay_exact(tmp_path: Path, written: str) -> None:
    text = "y,device\n" + "".join(f'1,"{written.format(value)}"\n' for value in LONG) + "1,\n"
    read = read_text(tmp_path, text, repairs={"cast": {"device": "integer"}, "duplicates": "first"})
    assert read.frame["device"].to_list() == [*LONG, None]


def test_a_float_that_may_have_lost_digits_is_no_integer() -> None:
    frame = pl.DataFrame({"device": [float(LONG[0]), 1.0]})
    with pytest.raises(SourceError, match="'device' are no whole number that a float holds exactly"):
        apply_steps(frame, rules(cast={"device": "integer"}), "here")


@pytest.mark.parametrize("large", [2**63, 2**64 - 1, 10**29])
def test_whole_numbers_that_do_not_fit_are_text_or_refused(tmp_path: Path, large: int) -> None:
    texts = [str(large), str(large + 1), "5"]
    for name, content in (
        ("a.csv", "y,device\n" + "".join(f"1,{text}\n" for text in texts)),
        ("a.json", "[" + ",".join(f'{{"y": 1, "device": {text}}}' for text in texts) + "]"),
    ):
        read = read_text(tmp_path, content, name)
        assert read.frame["device"].to_list() == texts
        assert counted(read)["large_integer_kept_as_text", "device"] == 3
        with pytest.raises(SourceError, match=r"do not fit 64 bits.*repairs.cast: {device: text}"):
            read_text(tmp_path, content, name, repairs={"cast": {"device": "integer"}})


@pytest.mark.parametrize("kind", [pl.UInt64, pl.Int128, pl.Decimal(38, 0)])
def test_wide_types_keep_every_digit(kind: Any) -> None:
    frame, _ = apply_steps(pl.DataFrame({"id": pl.Series(LONG, dtype=kind)}), rules(), "here")
    assert frame["id"].to_list() == LONG
    few, _ = apply_steps(pl.DataFrame({"id": pl.Series([1, 2], dtype=pl.Decimal(38, 0))}), rules(), "here")
    assert few["id"].dtype == pl.Float64, "a measurement stays one"


@pytest.mark.parametrize(
    "values, dtype, keys",
    [
        ([9_223_372_036_854_775_807], pl.Int64, {"timestamp_unit": "s"}),
        ([17_672_256_000_000], pl.Int64, {"timestamp_unit": "s"}),
        ([-(2**63)], pl.Int64, {"timestamp_unit": "ms"}),
        ([2**64 - 1], pl.UInt64, {"timestamp_unit": "ns"}),
        ([1e300, float("inf")], pl.Float64, {"timestamp_unit": "s"}),
        ([2**62], pl.Datetime("ms"), {}),
        ([2**62], pl.Datetime("us", "UTC"), {}),
        ([2**31 - 1], pl.Date, {}),
        (["0000-01-01"], pl.String, {}),
        (["9999-12-31T23:59:59-05:00"], pl.String, {}),
        (["9999-12-31T23:59:59"], pl.String, {"timezone": "America/New_York"}),
        (["00000101"], pl.String, {"timestamp_format": "%Y%m%d"}),
    ],
)
def test_instants_out_of_range_are_refused_with_the_value(
    values: Any, dtype: Any, keys: dict[str, Any]
) -> None:
    with pytest.raises(SourceError, match=r"values of the timestamp 't' lie outside the years 1 to 9999"):
        to_instants(pl.Series("t", values, dtype=dtype), rules(**keys), "file a.csv")


def test_other_columns_of_times_are_checked_too() -> None:
    frame = pl.DataFrame({"seen": pl.Series([2**62], dtype=pl.Datetime("ms"))})
    with pytest.raises(SourceError, match="'seen' lie outside"):
        apply_steps(frame, rules(), "here")


@pytest.mark.parametrize(
    "value, keys, expected",
    [
        ("2026-01-02", {}, datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02 10:00", {"timezone": "Europe/Berlin"}, datetime(2026, 1, 2, 9, tzinfo=UTC)),
        ("2026-01-02T10:00:00+01:00", {"timezone": "Asia/Tokyo"}, datetime(2026, 1, 2, 9, tzinfo=UTC)),
        ("02.01.2026", {"timestamp_format": "%d.%m.%Y"}, datetime(2026, 1, 2, tzinfo=UTC)),
        (1_767_312_000, {"timestamp_unit": "s"}, datetime(2026, 1, 2, tzinfo=UTC)),
        (1_767_312_000_000.0, {"timestamp_unit": "ms"}, datetime(2026, 1, 2, tzinfo=UTC)),
        (date(2026, 1, 2), {}, datetime(2026, 1, 2, tzinfo=UTC)),
        (datetime(2026, 1, 2), {}, datetime(2026, 1, 2, tzinfo=UTC)),  # noqa: DTZ001
        (None, {}, None),
    ],
)
def test_a_timestamp_is_read_by_its_rules(
    value: object, keys: dict[str, Any], expected: datetime | None
) -> None:
    assert to_instants(pl.Series("t", [value]), rules(**keys), "row 1")[0][0] == expected


@pytest.mark.parametrize(
    "value, keys, message",
    [
        (1_767_312_000, {}, "repairs.timestamp_unit"),
        (True, {"timestamp_unit": "s"}, "holds Boolean, which is no time"),
        ([1], {}, r"holds List\(Int64\), which is no time"),
        ("soon", {}, "'soon'"),
        (1_767_312_000_000_000, {"timestamp_unit": "s"}, "outside the years"),
    ],
)
def test_what_is_no_timestamp_is_refused(value: object, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=f"row 1.*{message}"):
        to_instants(pl.Series("t", [value]), rules(**keys), "row 1")
