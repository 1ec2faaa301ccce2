"""Every declared repair does its work and counts it; nothing undeclared is touched."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.steps import apply_steps
from mlops_assets_tests.unit.readings.reading_factory import counted, read_text


def test_undeclared_defects_stay(tmp_path: Path) -> None:
    read = read_text(tmp_path, "t,y,x\n2026-01-02,-99,a\n2026-01-01,1,inf\n2026-01-01,1,inf\n", timestamp="t")
    assert read.frame["y"].to_list() == [-99, 1, 1]
    assert counted(read) == {("no_time_zone_taken_as_utc", "t"): 3}


def test_sentinels_by_column(tmp_path: Path) -> None:
    read = read_text(
        tmp_path, "y,x,w\n-99,-99,-\n1,-999.0,b\n", repairs={"sentinels": {"x": [-99, -999], "w": ["-"]}}
    )
    assert read.frame.rows() == [(-99, None, None), (1, None, "b")]
    assert counted(read) == {("sentinel", "x"): 2, ("sentinel", "w"): 1}


def test_infinities_and_nan(tmp_path: Path) -> None:
    read = read_text(
        tmp_path, "y,x\n1.0,inf\n2.0,-inf\n3.0,NaN\n4.0,5.5\n", repairs={"infinities": "missing"}
    )
    assert read.frame["x"].to_list() == [None, None, None, 5.5]
    assert counted(read) == {("nan_is_missing", "x"): 1, ("infinity", "x"): 2}


def test_missing_markers(tmp_path: Path) -> None:
    read = read_text(tmp_path, "y,x\n1,NA\n2, null \n3,ok\n", repairs={"missing_text": ["NA", "null"]})
    assert read.frame["x"].to_list() == [None, None, "ok"]
    assert counted(read) == {("missing_text", "x"): 2}


def test_decimal_comma_and_thousands(tmp_path: Path) -> None:
    text = 'y;x\n"1.234,5";"6,000,000"\n"-0,5";12\n'
    read = read_text(
        tmp_path, text, file={"separator": ";"}, repairs={"decimal_comma": ["y"], "thousands": ["x"]}
    )
    assert read.frame.rows() == [(1234.5, 6e6), (-0.5, 12.0)]
    assert counted(read) == {("decimal_comma", "y"): 2, ("thousands", "x"): 1}


def test_text_that_looks_like_another_number_is_not_misread(tmp_path: Path) -> None:
    text = "Y;code;day\n1.613;007;20260131\n2.003;010;20260201\n"
    rules = {
        "rename": {"Y": "y"},
        "decimal_comma": ["y"],
        "cast": {"code": "text"},
        "timestamp_format": "%Y%m%d",
    }
    read = read_text(tmp_path, text, file={"separator": ";"}, timestamp="day", repairs=rules)
    assert read.frame["y"].to_list() == [1613.0, 2003.0]
    assert read.frame["code"].to_list() == ["007", "010"]
    assert read.frame["day"][1] == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_value_that_is_no_number_refuses_or_becomes_missing(tmp_path: Path) -> None:
    text = "y,x\n1,2\n2,broken\n3,4\n"
    with pytest.raises(SourceError, match=r"1 values of 'x' are no number: 'broken'; .*uncastable: missing"):
        read_text(tmp_path, text, repairs={"cast": {"x": "number"}})
    read = read_text(tmp_path, text, repairs={"cast": {"x": "integer"}, "uncastable": "missing"})
    assert read.frame["x"].to_list() == [2, None, 4]
    assert counted(read)["uncastable_missing", "x"] == 1


def test_casts(tmp_path: Path) -> None:
    text = "y,flag,code,when\n1,yes,007,2026-01-01\n2,0,7,2026-01-02\n"
    read = read_text(
        tmp_path, text, repairs={"cast": {"flag": "boolean", "y": "number", "when": "timestamp"}}
    )
    assert read.frame["flag"].to_list() == [True, False]
    assert read.frame["y"].to_list() == [1.0, 2.0]
    assert read.frame["when"][0] == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(SourceError, match="whole number"):
        read_text(tmp_path, "y,x\n1,2.5\n", repairs={"cast": {"x": "integer"}})


@pytest.mark.parametrize("otherwise, rows", [("missing", [1, None, None, None]), ("drop_row", [1])])
def test_flags_accept_by_code_and_a_missing_flag_is_not_accepted(
    tmp_path: Path, otherwise: str, rows: list[int]
) -> None:
    text = "y,depth,f_depth\n1,1,<0> (CSM)\n2,2,<-3> [STF]\n3,3,\n4,4,00\n"
    rule = {"column": "f_depth", "accept": [0], "otherwise": otherwise}
    read = read_text(tmp_path, text, repairs={"flags": {"depth": rule}, "drop": ["f_depth"]})
    assert read.frame["depth"].to_list() == rows
    assert sum(counted(read).values()) == 3
    assert read.frame.columns == ["y", "depth"]


def test_duplicates_and_order(tmp_path: Path) -> None:
    text = "t,who,y\n2026-01-02,a,1\n2026-01-01,a,2\n2026-01-02,a,3\n2026-01-02,b,4\n"
    keys: dict[str, Any] = {"timestamp": "t", "entity": "who"}
    first = read_text(tmp_path, text, repairs={"duplicates": "first", "sort": "time"}, **keys)
    last = read_text(tmp_path, text, repairs={"duplicates": "last", "sort": "time"}, **keys)
    assert first.frame["y"].to_list() == [2, 1, 4]
    assert last.frame["y"].to_list() == [2, 3, 4]
    assert counted(first)["duplicate_dropped", None] == 1
    assert counted(first)["sorted_by_time", "t"] == 1


def test_rename_then_select(tmp_path: Path) -> None:
    read = read_text(tmp_path, "Y [m],x,z\n1,2,3\n", repairs={"rename": {"Y [m]": "y"}, "select": ["x", "y"]})
    assert read.frame.columns == ["x", "y"]


def test_rows_without_target_or_timestamp(tmp_path: Path) -> None:
    text = "t,y\n2026-01-01,1\n2026-01-02,\n,3\n"
    with pytest.raises(SourceError, match="missing_timestamp: drop_row"):
        read_text(tmp_path, text, timestamp="t")
    rules = {"missing_timestamp": "drop_row", "missing_target": "drop_row"}
    read = read_text(tmp_path, text, timestamp="t", repairs=rules)
    assert read.frame["y"].to_list() == [1]
    assert counted(read)["row_without_timestamp_dropped", "t"] == 1
    assert counted(read)["row_without_target_dropped", "y"] == 1


def test_the_future_is_left_out_and_counted(tmp_path: Path) -> None:
    read = read_text(tmp_path, "t,y\n2026-01-01,1\n2027-01-01,2\n", timestamp="t")
    assert read.frame["y"].to_list() == [1]
    assert counted(read)["after_as_of_left_out", "t"] == 1
    assert read.frame["t"].to_list() == [datetime(2026, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"target": "yy"}, r"no column 'yy' \(named in target\); did you mean 'y'"),
        ({"timestamp": "time"}, r"no column 'time' \(named in timestamp\)"),
        ({"entity": "pump"}, r"no column 'pump' \(named in entity\)"),
        (
            {"repairs": {"sentinels": {"xx": [1]}}},
            r"no column 'xx' \(named in repairs.sentinels\); did you mean 'x'",
        ),
        ({"repairs": {"rename": {"q": "r"}}}, r"no column 'q' \(named in repairs.rename\)"),
        ({"repairs": {"rename": {"x": "y"}}}, "second column 'y'"),
        ({"repairs": {"drop": ["y"]}}, "removed by repairs.select"),
        ({"features": {"inputs": ["flow"]}}, r"no column 'flow' \(named in features.inputs\)"),
        ({"features": {"ratios": [["x", "flow"]]}}, r"no column 'flow' \(named in features.ratios\)"),
        (
            {"features": {"grouped": [{"by": "site", "columns": ["x"]}]}},
            r"no column 'site' \(named in features.grouped\)",
        ),
        (
            {"validation": {"columns": {"flow": {"min": 0}}}},
            r"no column 'flow' \(named in validation.columns\)",
        ),
        ({"target": "word"}, "holds String, such as 'a', 'b'"),
        ({"target": "gone"}, "missing in all 2 rows"),
    ],
)
def test_what_the_model_file_names_must_be_there(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_text(tmp_path, "y,x,word,gone\n1,2,a,\n3,4,b,\n", **keys)


def test_columns_are_put_together() -> None:
    frame = pl.DataFrame(
        {
            "day": [date(2026, 1, 31), date(2026, 2, 1), None],
            "hour": [0.0, 13.0, 1.0],
            "shop": [7, 7, 8],
            "item": [" a", "b", ""],
        }
    )
    rules = RepairsSpec(combine={"at": ("day", "hour"), "shop_item": ("shop", "item")})
    mended, noted = apply_steps(frame, rules, "here")
    assert mended["at"].to_list() == ["2026-01-31 0", "2026-02-01 13", None]
    assert mended["shop_item"].to_list() == ["7 a", "7 b", None]
    assert Repair("combined", "at", 2) in noted
    with pytest.raises(SourceError, match="second column 'day'"):
        apply_steps(frame, RepairsSpec(combine={"day": ("shop", "item")}), "here")


def test_money_and_percent_are_numbers() -> None:
    frame = pl.DataFrame({"price": ["$1,234.50", "99 $"], "rate": ["12,5 %", "1.000 %"]})
    mended, _ = apply_steps(frame, RepairsSpec(thousands=("price",), decimal_comma=("rate",)), "here")
    assert mended.to_dict(as_series=False) == {"price": [1234.5, 99.0], "rate": [12.5, 1000.0]}


def test_spans_of_time_become_seconds_and_huge_numbers_fit() -> None:
    frame = pl.DataFrame(
        {
            "took": [timedelta(minutes=1.5), None],
            "big": pl.Series([2**64 - 1, 1], dtype=pl.UInt64),
            "at": [time(8), None],
        }
    )
    mended, _ = apply_steps(frame, RepairsSpec(), "here")
    assert mended["took"].to_list() == [90.0, None]
    assert mended["big"].to_list() == [str(2**64 - 1), "1"], "a float would make two ids one"
    assert mended["at"].dtype == pl.String
