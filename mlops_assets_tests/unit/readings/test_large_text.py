"""A text file is read without being held several times over, and its types are those of the whole column."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.formats import csv_fast_path
from mlops_assets.readings.formats.csv import read_delimited
from mlops_assets.readings.formats.encoding import first_misfit

PLAIN = FileSource(kind="file", path="t.csv")
MANY = csv_fast_path.INFERENCE_ROWS + 5
READ = """
import sys
from pathlib import Path
from mlops_assets.readings.formats.csv import read_delimited
from mlops_assets.model_file.source import FileSource
small, large = map(Path, sys.argv[1:])
source = FileSource(kind="file", path="t.csv")
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
read_delimited(small, source, "t")
before = peak()
read_delimited(large, source, "t")
print(peak() - before)
"""
"""Reads a small file, whose kind makes every library come up, then a large one: what the peak grew by, in KiB. The peak
that getrusage tells would begin at the parent's."""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak on Linux only")
@pytest.mark.parametrize("quoted, most", [(False, 2.5), (True, 3.0)])
def test_the_peak_of_memory_follows_the_file(tmp_path: Path, quoted: bool, most: float) -> None:
    rng = random.Random(3)
    mark = '"a, b"' if quoted else "ab"
    lines = [",".join([*(f"{rng.random():.15f}" for _ in range(12)), mark]) for _ in range(1_000)]
    head = ",".join(f"c{position}" for position in range(13))
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    small.write_text("\n".join([head, *lines]))
    large.write_text("\n".join([head, *(lines * 150)]))
    grown = subprocess.run(
        [sys.executable, "-c", READ, str(small), str(large)], capture_output=True, text=True, check=True
    )
    size = large.stat().st_size
    assert size > 30_000_000
    assert int(grown.stdout) * 1024 <= most * size


@pytest.mark.parametrize(
    "later, kind",
    [
        ("1.5", pl.Float64),
        ("word", pl.String),
        ("nan", pl.String),
        ("+5", pl.String),
        (" 5", pl.String),
        ("99999999999999999999", pl.Int128),
    ],
)
def test_a_late_value_changes_the_type_of_the_column(
    tmp_path: Path, later: str, kind: type[pl.DataType]
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n" + "1,2\n" * MANY + f"{later},2\n")
    frame, _ = read_delimited(file, PLAIN, "t")
    assert dict(frame.schema) == {"a": kind, "b": pl.Int64}
    assert frame.height == MANY + 1


def test_a_late_nan_among_fractions_is_a_word(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n" + "1.5,2\n" * MANY + "nan,2\n")
    assert read_delimited(file, PLAIN, "t")[0].schema["a"] == pl.String


def test_a_column_that_begins_blank_has_the_type_of_what_comes(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b,c\n" + ",2,\n" * MANY + "7,2,\n")
    frame, _ = read_delimited(file, PLAIN, "t")
    assert dict(frame.schema) == {"a": pl.Int64, "b": pl.Int64, "c": pl.String}


def test_lines_added_while_it_is_read_wait_for_the_next_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n3,4\n")
    original_scan = csv_fast_path.scan

    def scan_then_append(*arguments: object) -> csv_fast_path.Body:
        body = original_scan(*arguments)  # type: ignore[arg-type]
        with file.open("a") as end:
            end.write("5,6\n7")
        return body

    monkeypatch.setattr("mlops_assets.readings.formats.csv.scan", scan_then_append)
    assert read_delimited(file, PLAIN, "t")[0].rows() == [(1, 2), (3, 4)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1_000])
def test_chunks_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("mlops_assets.readings.formats.encoding.CHUNK_BYTES", size)
    for text, settings in (
        ("\ufeffgrösse,b\r\n1,é\r\n2,ü", {}),
        ("grösse,b\r1,é\r2,ü\r", {}),
        ("title\ngrösse;b\n1;é\n\n2;ü\n", {"separator": ";", "skip_lines": 1}),
        ('"grösse",b\n1,"é"\n2,"ü"\n', {}),
    ):
        source = FileSource.model_validate({"kind": "file", "path": "t.csv", **settings})
        for encoding in (None, "utf-8", "utf-16"):
            file = tmp_path / "t.csv"
            file.write_bytes(text.removeprefix("\ufeff" if encoding else "").encode(encoding or "utf-8"))
            frame, _ = read_delimited(file, source, "t")
            assert frame.to_dict(as_series=False) == {"grösse": [1, 2], "b": ["é", "ü"]}
    assert first_misfit("aé".encode() + b"\xff", "utf-8") == (3, 0xFF)
    assert first_misfit("aé".encode()[:-1], "utf-8") == (1, 0xC3)


def test_a_text_that_looks_compressed_is_not_decompressed(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("x^y\n1^2\n")
    assert read_delimited(file, PLAIN.model_copy(update={"separator": "^"}), "t")[0].rows() == [(1, 2)]


def test_what_is_no_text_says_at_which_byte(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"\xef\xbb\xbfa,b\n1,\xff\n")
    with pytest.raises(SourceError, match=re.escape("byte 9 is 0xff")):
        read_delimited(file, PLAIN, "t")
