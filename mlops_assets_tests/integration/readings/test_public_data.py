"""Real data through the file source: seventeen dirty text files, and sets whose defects are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.request import Fetched, Request
from mlops_assets.readings.sources.files import read_files
from mlops_assets_tests.unit.readings.reading_factory import AS_OF, counted, read_model, settings

pytestmark = pytest.mark.integration


def fetch(folder: Path, name: str, **source: Any) -> Fetched:
    body = FileSource.model_validate(
        {"kind": "file", "path": str(folder / "dirty" / name), **source}, strict=False
    )
    return read_files(body, Request("m", None, None, AS_OF, "UTC", settings()))


@pytest.mark.parametrize(
    "name, message",
    [
        ("211.csv", r"not utf-8 text: byte 86235 is 0x89"),
        (
            "begrotingsanalyse-2011.csv",
            "the header has no name for column 1; if the header comes later, declare source.skip_lines",
        ),
        ("characters.csv", r"not utf-8 text: byte 3 is 0xb4"),
        ("complex.csv", "line 4: 6 fields where the header has 4"),
        (
            "excel_pasting.csv",
            "the header has no name for column 2; if the header comes later, declare source.skip_lines",
        ),
        ("mixedGLB.csv", "the header has no name for column 2"),
        ("null.csv", "the header names '0' twice; .*if the first line is data, source.header: false"),
        ("small.csv", "has no rows; if its first line is data, declare source.header: false"),
        ("spanish_chars.csv", r"not utf-8 text: byte 52 is 0xf3"),
        ("sparse_with_column_errors.csv", r"not utf-8 text: byte 35 is 0xe4"),
        ("utf8bom.csv", "has no rows"),
        ("weird_head_padding.csv", "line 4: 1 fields where the header has 5|no name for column"),
    ],
)
def test_dirty_files_that_need_a_declaration_say_which(public_data: Path, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        fetch(public_data, name)


YEARS = ("kind", *(f"y{number}" for number in range(10)))


WITHOUT_LAST_LINE_END = (
    "211.csv",
    "complex.csv",
    "long.csv",
    "mixedGLB.csv",
    "small.csv",
    "spanish_chars.csv",
    "sparse_with_column_errors.csv",
    "utf8bom.csv",
)


@pytest.mark.parametrize(
    "name, source, shape, repairs",
    [
        ("211.csv", {"encoding": "mac-roman"}, (2132, 96), {"mac_line_end"}),
        ("begrotingsanalyse-2011.csv", {"skip_lines": 7, "header": False}, (36, 20), set()),
        ("characters.csv", {"encoding": "big5"}, (382, 18), {"leading_zeros_kept_as_text"}),
        ("complex.csv", {"trim": True}, (3, 4), {"space_before_quote_skipped"}),
        ("example.tsv", {}, (140, 17), set()),
        ("excel_pasting.csv", {"skip_lines": 3}, (17, 9), set()),
        ("long.csv", {}, (3999, 1), set()),
        ("mixedGLB.csv", {"skip_lines": 3}, (133, 19), {"mac_line_end"}),
        ("null.csv", {"header": False}, (10, 4), set()),
        ("simple.csv", {}, (6, 3), set()),
        ("skip_initials.csv", {"trim": True}, (2, 2), {"padding_stripped"}),
        ("small.csv", {"header": False}, (1, 1), set()),
        ("spanish_chars.csv", {"encoding": "latin-1"}, (116, 8), set()),
        (
            "sparse_with_column_errors.csv",
            {"encoding": "latin-1", "skip_lines": 1, "header": False, "names": ("a", "b", "c", "d")},
            (2237, 4),
            {"leading_zeros_kept_as_text"},
        ),
        ("utf-16le_encoded.csv", {}, (327, 19), {"byte_order_mark_utf_16"}),
        ("utf8bom.csv", {"header": False}, (1, 2), {"byte_order_mark_utf_8"}),
        (
            "weird_head_padding.csv",
            {
                "skip_lines": 12,
                "separator": ";",
                "header": False,
                "names": YEARS,
                "ragged": "pad",
                "trim": True,
            },
            (76, 11),
            {"blank_line_skipped", "short_line_padded", "padding_stripped"},
        ),
    ],
)
def test_every_dirty_file_can_be_read_with_declarations(
    public_data: Path, name: str, source: dict[str, Any], shape: tuple[int, int], repairs: set[str]
) -> None:
    fetched = fetch(public_data, name, **source)
    assert fetched.frame.shape == shape
    cut = {"last_line_without_line_end"} if name in WITHOUT_LAST_LINE_END else set()
    assert {repair.name for repair in fetched.repairs} == repairs | cut


def test_estuary_sentinels_and_flags(public_data: Path) -> None:
    source = {"kind": "file", "path": str(public_data / "estuary_drybar_wq.parquet")}
    flag = {"column": "f_depth", "accept": [0]}
    rules = {"sentinels": {"depth": [-99]}, "flags": {"depth": flag}}
    read = read_model(source, target="depth", timestamp="datetimestamp", repairs=rules)
    assert read.frame.height == 70_176
    assert (
        counted(read)["sentinel", "depth"] == 14
    )  # two more rows hold averages with it (-79.5, -72.24): the flags know
    accepted = read.frame["f_depth"].str.starts_with("<0>").fill_null(False)
    assert read.frame.filter(~accepted)["depth"].null_count() == (~accepted).sum()
    assert read.frame["depth"].drop_nulls().to_numpy().min() > -50


def test_duplicated_and_backward_timestamps(public_data: Path) -> None:
    source = {"kind": "file", "path": str(public_data / "nab_machine_temperature.parquet")}
    rules = {"duplicates": "first", "sort": "time"}
    read = read_model(source, target="value", timestamp="timestamp", repairs=rules)
    assert counted(read)["duplicate_dropped", None] == 12
    assert read.frame["timestamp"].is_sorted()
    assert read.frame["timestamp"].n_unique() == read.frame.height == 22_683


def test_offsets_that_change_with_daylight_saving(public_data: Path) -> None:
    source = {"kind": "file", "path": str(public_data / "water_flow_pipeline.parquet")}
    read = read_model(source, target="Water flow [l/s]", timestamp="Time")
    steps = read.frame["Time"].diff().drop_nulls()
    assert steps.to_numpy().min() > 0  # in local clock time one step would be nought or negative
    assert (steps == timedelta(hours=1)).sum() + 10 == len(steps)  # the ten gaps of the catalogue


def test_clock_times_of_melbourne_come_back_to_the_same_instants(public_data: Path, tmp_path: Path) -> None:
    """The hours that happened twice are refused, then placed as declared."""
    instants = pl.read_parquet(public_data / "vic_elec_halfhour.parquet").select("Time", "Demand")
    clock = instants.with_columns(
        pl.col("Time").dt.convert_time_zone("Australia/Melbourne").dt.replace_time_zone(None)
    )
    path = tmp_path / "clock.parquet"
    clock.write_parquet(path)
    source = {"kind": "file", "path": str(path)}
    keys: dict[str, Any] = {
        "target": "Demand",
        "timestamp": "Time",
        "as_of": datetime(2020, 1, 1, tzinfo=UTC),
    }
    with pytest.raises(SourceError, match="12 clock times of 'Time' happened twice in Australia/Melbourne"):
        read_model(source, repairs={"timezone": "Australia/Melbourne"}, **keys)
    read = read_model(
        source, repairs={"timezone": {"name": "Australia/Melbourne", "ambiguous": "latest"}}, **keys
    )
    assert counted(read)["ambiguous_clock_time_latest", "Time"] == 12
    moved = (read.frame["Time"] != instants["Time"].dt.cast_time_unit("us")).sum()
    assert moved == 6  # three nights, the first of two equal half hours each
