"""Damaged, hostile and oversized files: one sentence that names the file, within bounded time and memory."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.readings.failures import reported_as_source_error
from mlops_assets_tests.unit.readings.reading_factory import read_text

CUTS = FLIPS = 60
ROWS = pl.DataFrame(
    {"y": range(40), "x": [row / 7 for row in range(40)], "k": [f"k{row % 3}" for row in range(40)]}
)


def written(form: str) -> bytes:
    """The table in a format."""
    buffer = io.BytesIO()
    if form == "parquet":
        ROWS.write_parquet(buffer)
    elif form == "arrow":
        ROWS.write_ipc(buffer)
    elif form == "avro":
        pytest.importorskip("fastavro")
        ROWS.write_avro(buffer)
    elif form == "xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [ROWS.columns, *ROWS.rows()]:
            book.active.append(row)
        book.save(buffer)
    elif form == "json":
        return ROWS.write_json().encode()
    elif form == "jsonl":
        return ROWS.write_ndjson().encode()
    elif form == "csv.gz":
        return gzip.compress(ROWS.write_csv().encode())
    elif form == "csv.zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", ROWS.write_csv())
    else:
        return ROWS.write_csv().encode()
    return buffer.getvalue()


@pytest.mark.parametrize(
    "form", ["csv", "csv.gz", "csv.zip", "parquet", "arrow", "avro", "xlsx", "json", "jsonl"]
)
def test_cuts_and_flipped_bytes_give_rows_or_a_sentence(tmp_path: Path, form: str) -> None:
    content, rng = written(form), random.Random(5)
    damaged = [content[: rng.randrange(len(content))] for _ in range(CUTS)]
    for _ in range(FLIPS):
        flipped = bytearray(content)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(flipped))
    for one in damaged:
        try:
            read_text(tmp_path, one, f"a.{form}", file={"limits": {"unpacked_mb": 10, "cells": 1_000_000}})
        except SourceError as error:
            assert f"a.{form}" in str(error)  # noqa: PT017, whether it raises depends on the damage
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.json", '[{"y": 1, "x": ' + "[" * 3_000 + "]" * 3_000 + "}]", "nested too deeply"),
        ("a.json", '[{"y": 1, "x": ' + '{"a":' * 60 + "1" + "}" * 60 + "}]", "source.limits.depth"),
        ("a.json", '[{"y": 1, "x": "\\ud800"}]', "surrogate"),
        ("a.json", '[{"y": 1, "\\ud800": 1}]', "surrogate"),
        ("a.json", f'[{{"y": 1, "x": 0.5}}, {{"y": 1, "x": {10**400}}}]', "too large"),
        ("a.jsonl", f'{{"y": {"1" * 5_000}}}', "4300 digits"),
        ("a.csv", ",".join(f"c{n}" for n in range(10_001)) + "\n" + "1," * 10_000 + "1\n", "limits.columns"),
        ("a.json", "[" + ",".join(f'{{"c{n}": 1}}' for n in range(10_001)) + "]", "limits.c"),
    ],
)
def test_what_no_reader_can_hold_is_a_sentence(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_text(tmp_path, content, name)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "name, limits, message",
    [
        ("a.csv.gz", {"unpacked_mb": 1}, "more than 1 MB once unpacked; raise source.limits.unpacked_mb"),
        ("a.csv.zip", {"unpacked_mb": 1}, "more than 1 MB once unpacked"),
        ("a.csv", {"cells": 1_000}, "too large: .* cells or more, where 1,000 are allowed"),
        ("a.parquet", {"cells": 1_000}, "source.limits.cells"),
        ("a.arrow", {"columns": 1}, "2 columns or more, where 1 are allowed"),
    ],
)
def test_limits_hold_and_say_which_key_raises_them(
    tmp_path: Path, name: str, limits: dict[str, int], message: str
) -> None:
    frame = pl.DataFrame({"y": [1.5] * 300_000, "x": 2})
    text, buffer = frame.write_csv().encode(), io.BytesIO()
    if name == "a.csv.zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text)
    elif name == "a.parquet":
        frame.write_parquet(buffer)
    elif name == "a.arrow":
        frame.write_ipc(buffer)
    else:
        buffer.write(gzip.compress(text) if name == "a.csv.gz" else text)
    with pytest.raises(SourceError, match=message):
        read_text(tmp_path, buffer.getvalue(), name, file={"limits": limits})
    assert read_text(tmp_path, buffer.getvalue(), name).frame.height == 300_000


def test_one_cell_in_the_last_corner_of_a_workbook(tmp_path: Path) -> None:
    """A few kilobytes that unpack to 17 billion cells for a reader that believes the sheet's dimensions."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [("y", "x"), (1, 2)]:
        book.active.append(row)
    book.active["XFD50000"] = 1
    buffer = io.BytesIO()
    book.save(buffer)
    with pytest.raises(SourceError, match="16,384 columns or more"):
        read_text(tmp_path, buffer.getvalue(), "a.xlsx")


def test_a_panic_of_polars_is_a_sentence_and_an_interrupt_passes() -> None:
    def failing(error: BaseException) -> Any:
        with reported_as_source_error("file a.arrow"):
            raise error

    with pytest.raises(SourceError, match=r"file a\.arrow cannot be read: boom"):
        failing(pl.exceptions.PanicException("boom\nstack"))
    with pytest.raises(SourceError, match="more memory"):
        failing(MemoryError())
    with pytest.raises(KeyboardInterrupt):
        failing(KeyboardInterrupt())
