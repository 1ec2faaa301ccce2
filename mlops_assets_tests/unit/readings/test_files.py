"""Files: formats, stacks of files, damage, and text as the world writes it."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.formats.csv import read_delimited
from mlops_assets_tests.unit.readings.reading_factory import AS_OF, counted, read_model, read_text

ROWS = pl.DataFrame({"y": [1, 2], "x": ["a", None]})


def parquet(frame: pl.DataFrame = ROWS) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.csv", b"y,x\n1,a\n2,\n"),
        ("a.csv", b"y,x\r\n1,a\r\n2,\r\n"),
        ("a.tsv", b"y\tx\n1\ta\n2\t\n"),
        ("a.csv.gz", gzip.compress(b"y,x\n1,a\n2,\n", mtime=0)),
        ("a.parquet", parquet()),
        ("a.json", b'[{"y": 1, "x": "a"}, {"y": 2}]'),
        ("a.jsonl", b'{"y": 1, "x": "a"}\n\n{"y": 2, "x": null}\n'),
    ],
)
def test_the_same_rows_from_every_format(tmp_path: Path, name: str, content: bytes) -> None:
    assert read_text(tmp_path, content, name).frame.equals(ROWS)


def test_avro(tmp_path: Path) -> None:
    fastavro = pytest.importorskip("fastavro")
    buffer = io.BytesIO()
    fields = [{"name": "y", "type": "long"}, {"name": "x", "type": ["null", "string"]}]
    fastavro.writer(buffer, {"type": "record", "name": "row", "fields": fields}, ROWS.to_dicts())
    assert read_text(tmp_path, buffer.getvalue(), "a.avro").frame.equals(ROWS)
    with pytest.raises(SourceError, match="not a whole Avro file"):
        read_text(tmp_path, buffer.getvalue()[:-20], "a.avro")


def test_folder_and_pattern(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("x,y\nq,2.5\n")
    (tmp_path / "a.csv").write_text("y,x\n1,p\n")
    (tmp_path / "notes.md").write_text("no data")
    for path in (tmp_path, tmp_path / "*.csv"):
        read = read_model({"kind": "file", "path": str(path)})
        assert read.frame.rows() == [(1.0, "p"), (2.5, "q")]
        assert "2 files" in read.source


@pytest.mark.parametrize(
    "other, message",
    [
        ("y,z\n1,2\n", "differ in columns: 'x', 'z'"),
        ("y,x\n1,2\n", "column 'x' is String in .*a.csv but Int64 in .*b.csv"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path: Path, other: str, message: str) -> None:
    (tmp_path / "a.csv").write_text("y,x\n1,p\n")
    (tmp_path / "b.csv").write_text(other)
    with pytest.raises(SourceError, match=message):
        read_model({"kind": "file", "path": str(tmp_path)})


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.parquet", parquet()[:-10], "not a whole Parquet file"),
        ("a.parquet", b"y,x\n1,2\n", "not a whole Parquet file"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty"),
        ("a.csv", b"y,x\n", "has no rows"),
        ("a.parquet", parquet(ROWS.clear()), "gave no rows"),
        ("a.csv.gz", gzip.compress(b"y,x\n1,a\n" * 99, mtime=0)[:-9], "not a whole gzip file"),
        ("a.json", b'[{"y": 1}', "is not JSON: .* in line 1"),
        ("a.json", b'{"rows": []}', r"must be a JSON list of objects \(it is an object with the keys rows\)"),
        ("a.json", b"[1, 2]", "record 1 is int"),
        ("a.jsonl", b'{"y": 1}\n{"y": ', "line 2: is not JSON"),
        ("a.xyz", b"y\n1\n", "its ending says no known format"),
        ("a.csv", b"y,x\n1,2\n1,2,3\n", "line 3: 3 fields where the header has 2"),
        ("a.csv", b"y,x\n1,2\n\n1\n", "line 4: 1 fields where the header has 2"),
        ("a.csv", b'y,x\n1,"2\n3,4\n', "quotation mark"),
        ("a.csv", b"y,y\n1,2\n", "line 1: the header names 'y' twice"),
        ("a.csv", b"y,\n1,2\n", "the header has no name for column 2"),
        ("a.csv", "y,x\n1,Descripción\n".encode("cp1252"), r"is not utf-8 text: byte \d+ is 0xf3"),
        ("a.csv", "y,x\n1,2\n".encode("utf-16-le"), "NUL characters"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_text(tmp_path, content, name)
    assert name in str(caught.value)


def test_a_missing_file_names_its_neighbor(tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text("y\n1\n")
    with pytest.raises(SourceError, match=r"does not exist; did you mean 'readings.csv'"):
        read_model({"kind": "file", "path": str(tmp_path / "reading.csv")})
    with pytest.raises(SourceError, match="no file matches"):
        read_model({"kind": "file", "path": str(tmp_path / "*.avro")})


@pytest.mark.parametrize(
    "content, file, name",
    [
        (codecs.BOM_UTF8 + b"y,x\n1,2\n", {}, "byte_order_mark_utf_8"),
        ("y,x\n1,2\n".encode("utf-16"), {}, "byte_order_mark_utf_16"),
        (b"y,x\r1,2\r", {}, "mac_line_end"),
        (b"y,x\n\n1,2\n\n", {}, "blank_line_skipped"),
        (b"y,x\n1,2,\n", {"ragged": "pad"}, "blank_fields_cut"),
        (b"y,x\n1,2,7\n", {"ragged": "pad"}, "long_line_cut"),
        (b"y,x\n1,2\n1\n", {"ragged": "drop"}, "ragged_line_dropped"),
        (b"title\n\ny,x\n1,2\n", {"skip_lines": 2}, None),
        (b"1,2\n", {"header": False, "names": ["y", "x"]}, None),
    ],
)
def test_mended_text_is_counted(
    tmp_path: Path, content: bytes, file: dict[str, Any], name: str | None
) -> None:
    read = read_text(tmp_path, content, file=file)
    assert read.frame.rows() == [(1, 2)]
    assert [repair.name for repair in read.repairs] == ([name] if name else [])


def test_short_lines_are_padded(tmp_path: Path) -> None:
    read = read_text(tmp_path, b"y,x,z\n1,2,3\n4\n", file={"ragged": "pad"})
    assert read.frame.rows() == [(1, 2, 3), (4, None, None)]
    assert counted(read) == {("short_line_padded", None): 1}


def test_a_footer_is_left_out_and_lines_are_still_named(tmp_path: Path) -> None:
    text = "y,x\n1,2\n\n3,4\nSumme,,\n\nSource: somebody\n"
    read = read_text(tmp_path, text, file={"skip_footer": 2})
    assert read.frame.rows() == [(1, 2), (3, 4)]
    assert counted(read)["footer_row_left_out", None] == 2
    with pytest.raises(SourceError, match="line 5: 3 fields where the header has 2"):
        read_text(tmp_path, text, file={"skip_footer": 1})
    with pytest.raises(SourceError, match="skip_footer belongs to CSV"):
        read_text(tmp_path, '[{"y": 1}]', "a.json", file={"skip_footer": 1})


def test_trim(tmp_path: Path) -> None:
    read = read_text(tmp_path, 'y, name ,\n 1, "a,b",\n2,  c,\n', file={"trim": True})
    assert read.frame.to_dict(as_series=False) == {"y": [1, 2], "name": ["a,b", "c"]}
    assert counted(read)["blank_column_dropped", None] == 1
    assert counted(read)["space_before_quote_skipped", None] == 1
    with pytest.raises(SourceError, match="column 2 has values but no name"):
        read_text(tmp_path, "y,\n1,2\n", file={"trim": True})


cells = st.text(st.sampled_from("ab ,\";'\n\r1.-é"), max_size=6).map(
    lambda text: "x" + text.replace("\r", "")
)


@given(
    rows=st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8),
    quoting=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=200, deadline=None)
def test_what_a_csv_writer_writes_is_read_back(rows: list[list[str]], quoting: bool, end: str) -> None:
    """Whether the quick path or the careful one is taken."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL, lineterminator=end).writerows(
        [["a", "b", "c"], *rows]
    )
    frame, repairs = read_delimited(
        buffer.getvalue().encode(), FileSource(kind="file", path="a.csv"), "file a.csv"
    )
    assert [list(row) for row in frame.rows()] == rows
    assert repairs == []


def test_a_local_parquet_file_is_cut_to_its_window_but_keeps_rows_without_time(tmp_path: Path) -> None:
    times = [AS_OF - timedelta(days=3), AS_OF - timedelta(hours=3), None, AS_OF + timedelta(days=1)]
    content = parquet(pl.DataFrame({"t": times, "y": [1, 2, 3, 4]}))
    rules = {"missing_timestamp": "drop_row"}
    read = read_text(tmp_path, content, "a.parquet", file={"window": "1d"}, timestamp="t", repairs=rules)
    assert read.frame["y"].to_list() == [2]
    assert counted(read) == {("row_without_timestamp_dropped", "t"): 1, ("after_as_of_left_out", "t"): 1}


def test_quoted_line_breaks_and_separators_survive(tmp_path: Path) -> None:
    read = read_text(tmp_path, 'y,x\n1,"a\nb, ""c"""\n2,d\n')
    assert read.frame["x"].to_list() == ['a\nb, "c"', "d"]


def test_one_word_among_numbers_is_refused_with_the_step_to_declare(tmp_path: Path) -> None:
    text = "y,x\n" + "1,2\n" * 5_000 + "1,word\n"
    with pytest.raises(SourceError, match=r"'x' holds 5,000 numbers and 1 other values: 'word'; declare"):
        read_text(tmp_path, text)
    rules: dict[str, Any] = {"cast": {"x": "number"}, "missing_text": ["word"]}
    assert read_text(tmp_path, text, repairs=rules).frame["x"].null_count() == 1
    with pytest.raises(SourceError, match=r"'x' holds 5,000 numbers; declare repairs.cast: {x: number}"):
        read_text(tmp_path, text, repairs={"missing_text": ["word"]})
    as_codes = read_text(tmp_path, text, repairs={"cast": {"x": "text"}})
    assert as_codes.frame.schema == {"y": pl.Int64, "x": pl.String}
    unused = read_text(
        tmp_path,
        text.replace("x", "x,z").replace("2", "2,3").replace("word", "word,3"),
        features={"inputs": ["z"]},
    )
    assert unused.frame["x"].dtype == pl.String, "a column that the model does not use may hold anything"


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_codes_with_leading_zeros_stay_text(tmp_path: Path, end: str, quote: str) -> None:
    """On the fast path and, with quotation marks, on the careful one."""
    rows = [f"{quote}{code}{quote},{n},-0{n}" for n, code in enumerate(["00123", "0123", "10000", "7"])]
    read = read_text(tmp_path, "\n".join(["zip,y,z", *rows]) + end)
    assert read.frame["zip"].to_list() == ["00123", "0123", "10000", "7"]
    assert read.frame["y"].dtype == pl.Int64
    assert counted(read)["leading_zeros_kept_as_text", "zip"] == 4
    assert counted(read)["leading_zeros_kept_as_text", "z"] == 4
    assert (("last_line_without_line_end", None) in counted(read)) == (not end)


def test_zeros_before_a_point_and_alone_are_numbers(tmp_path: Path) -> None:
    read = read_text(tmp_path, "y,x,z\n0,0.5,00.5\n0,0,1.5\n")
    assert read.frame.dtypes == [pl.Int64, pl.Float64, pl.Float64]


def test_a_late_leading_zero_counts(tmp_path: Path) -> None:
    text = "y,x\n" + "1,2\n" * 12_000 + "1,02\n"
    assert read_text(tmp_path, text).frame["x"].to_list()[-2:] == ["2", "02"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.json", b'[{"y": 1, "x": 1, "x": 2}]'),
        ("a.jsonl", b'{"y": 1}\n{"y": 1, "n": {"x": 1, "x": 2}}\n'),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(SourceError, match=f"{name}.*the key 'x' stands twice in one object"):
        read_text(tmp_path, content, name)


def test_two_values_for_one_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"record 1 has two values for 'a.b'"):
        read_text(tmp_path, b'[{"y": 1, "a.b": 1, "a": {"b": 2}}]', "a.json")


def test_line_separators_inside_a_json_string_end_no_line(tmp_path: Path) -> None:
    read = read_text(tmp_path, '{"y": 1, "x": "a\u2028b"}\n', "a.jsonl")
    assert read.frame["x"].to_list() == ["a\u2028b"]


def test_declared_encoding(tmp_path: Path) -> None:
    read = read_text(tmp_path, "y,x\n1,Descripción\n".encode("latin-1"), file={"encoding": "latin-1"})
    assert read.frame["x"].to_list() == ["Descripción"]
    with pytest.raises(SourceError, match=r"unknown source.encoding 'latin-one'"):
        read_text(tmp_path, "y\n1\n", file={"encoding": "latin-one"})


def test_mixed_json_values_become_text_that_shows(tmp_path: Path) -> None:
    rows = [
        {"y": 1, "x": 1, "n": {"a": 1, "b": {"c": 2}}},
        {"y": 2.5, "x": "two", "n": {"a": None}, "l": [1, 2]},
    ]
    frame = read_text(tmp_path, json.dumps(rows), "a.json").frame
    assert frame.to_dicts()[1] == {"y": 2.5, "x": "two", "n.a": None, "n.b.c": None, "l": "[1, 2]"}
    assert frame["x"].to_list() == ["1", "two"]
