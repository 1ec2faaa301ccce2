"""Files that nobody has described: the source that reads them, found from their start and the target's name."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.drafting.profile import read_undescribed
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.request import Request
from mlops_assets.readings.sources.files import read_files
from mlops_assets.settings import Settings

ROWS = [(number / 4, f"k{number % 3}", number * 2) for number in range(60)]


def text(separator: str = ",", head: str = "x,kind,y", **letters: str) -> str:
    lines = [head.replace(",", separator), *(f"{x}{separator}{k}{separator}{y}" for x, k, y in ROWS)]
    return "\n".join(lines) + "\n"


def read_described(
    folder: Path, name: str, content: str | bytes, target: str = "y"
) -> tuple[pl.DataFrame, dict[str, Any]]:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    request = Request("m", None, None, datetime(2026, 1, 1, tzinfo=UTC), "UTC", Settings.from_environment({}))
    frame, source = read_undescribed(str(file), target, request)
    assert read_files(source, request).frame.equals(frame), "the source found reads the same"
    return frame, source.model_dump(exclude_defaults=True, exclude={"kind", "path"})


@pytest.mark.parametrize("separator", [";", "\t", "|", "^", "~", ":", " "])
def test_separators(tmp_path: Path, separator: str) -> None:
    frame, source_settings = read_described(tmp_path, "t.csv", text(separator))
    assert (frame.shape, source_settings) == ((60, 3), {"separator": separator})


@pytest.mark.parametrize(
    "name, content, settings",
    [
        ("t.csv", text(), {}),
        ("t.CSV", text(), {}),
        ("t.csv.gz", gzip.compress(text(";").encode(), mtime=0), {"separator": ";"}),
        ("t.dat", text(), {"format": "csv"}),
        ("t.csv", text().encode("utf-16"), {}),
        ("t.csv", text().replace("k0", "Köln").encode("cp1252"), {"encoding": "cp1252"}),
        ("t.csv", "Station 7\nmade 2026-01-01\n\n" + text(), {"skip_lines": 3}),
        ("t.csv", text().replace(",", ", "), {"trim": True}),
        ("t.csv", text().replace("\n", ",\n"), {"trim": True}),
        ("t.csv", text().replace("\n", ",\n").replace("y,", "y", 1), {"ragged": "pad"}),
        ("t.csv", text() + "END\n", {"skip_footer": 1}),
        ("t.csv", text().replace("\n0.25", "\nBREAK\n0.25"), {"ragged": "drop"}),
        ("t.csv", text() + "Summe;;1.234.567\n".replace(";", ","), {"skip_footer": 1}),
        ("t.csv", text() + "Total,k0,3540\n\nGrand total:,,7080\n\n", {"skip_footer": 2}),
        ("t.csv", text(";") + "\nQuelle: Amt 2026;;\n", {"separator": ";", "skip_footer": 1}),
        ("t.csv", text(";") + "Quelle: Amt 2026\n", {"separator": ";", "skip_footer": 1}),
    ],
)
def test_other_ways_of_writing(
    tmp_path: Path, name: str, content: str | bytes, settings: dict[str, Any]
) -> None:
    frame, source_settings = read_described(tmp_path, name, content)
    assert (frame.shape, frame["y"].to_list()) == ((60, 3), [y for _, _, y in ROWS])
    assert source_settings == settings


def test_names_that_cannot_be_used_are_replaced(tmp_path: Path) -> None:
    numbered = "".join(
        f"{line_number},{line}\n" for line_number, line in enumerate(text(head="x,x,y").splitlines())
    )
    _, source_settings = read_described(tmp_path, "t.csv", numbered.replace("0,x", ",x", 1))
    assert source_settings == {"header": False, "skip_lines": 1, "names": ("column_1", "x", "x_2", "y")}


def test_a_line_of_units_is_not_data(tmp_path: Path) -> None:
    frame, source_settings = read_described(tmp_path, "t.csv", text().replace("\n", "\nm,-,kg\n", 1))
    assert source_settings == {"header": False, "skip_lines": 2, "names": ("x", "kind", "y")}
    assert frame["y"].dtype == pl.Int64


def test_a_table_without_header(tmp_path: Path) -> None:
    frame, source_settings = read_described(
        tmp_path, "t.txt", text(" ").split("\n", 1)[1].replace("\n", "  \n"), "column_3"
    )
    assert source_settings == {"header": False, "separator": " "}
    assert frame.columns[:3] == ["column_1", "column_2", "column_3"]


def test_zip_archives_and_arrow_and_lines_of_json(tmp_path: Path) -> None:
    table = pl.DataFrame(ROWS, schema=["x", "kind", "y"], orient="row")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.csv", text(";"))
        archive.writestr("__MACOSX/._inside.csv", "x")
    assert read_described(tmp_path, "t.zip", packed.getvalue())[0].equals(table)
    assert read_described(tmp_path, "t.json", table.write_ndjson())[1] == {"format": "jsonl"}
    arrow = io.BytesIO()
    table.write_ipc(arrow)
    assert read_described(tmp_path, "t.feather", arrow.getvalue())[0].equals(table)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("second.csv", "a,b\n")
    with pytest.raises(SourceError, match=r"holds 2 files \(inside.csv, second.csv\)"):
        read_described(tmp_path, "t.zip", packed.getvalue())


def test_workbooks(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [
        ("Station 7",),
        (),
        ("when", "y", None),
        *((date(2026, 1, 1 + n), n * 2, None) for n in range(20)),
        (),
    ]:
        book.active.append(row)
    book.create_sheet("second").append(("a",))
    stream = io.BytesIO()
    book.save(stream)
    frame, source_settings = read_described(tmp_path, "t.xlsx", stream.getvalue())
    assert source_settings == {"skip_lines": 2}
    assert frame.schema == {"when": pl.Datetime("us"), "y": pl.Int64()}
    assert frame.height == 20
    request = Request("m", None, None, datetime(2026, 1, 1, tzinfo=UTC), "UTC", Settings.from_environment({}))
    with pytest.raises(SourceError, match="no sheet 'third'; it has 'Sheet', 'second'"):
        read_files(FileSource(kind="file", path=str(tmp_path / "t.xlsx"), sheet="third"), request)


def test_bytes_that_no_guess_explains_are_still_read(tmp_path: Path) -> None:
    odd = text().encode().replace(b"k0", b"K\xf6\x9d\x81")
    assert read_described(tmp_path, "t.csv", odd)[0].height == 60


def test_a_name_too_long_to_be_written_is_cut(tmp_path: Path) -> None:
    _, source_settings = read_described(
        tmp_path, "t.csv", text(head=f"x,{'k' * 200},y,").replace("\n", ",1\n").replace(",1", "", 1)
    )
    assert [len(name) for name in source_settings["names"]] == [1, 120, 1, 8]


def test_the_message_is_the_readers_where_nothing_helps(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is empty"):
        read_described(tmp_path, "t.csv", " ")


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        (text(), "Y", "no column 'Y'; did you mean 'y' in line 1?"),
        ("Report 2025;;\n" + text(";", "x,kind,turnover"), "turnovr", "did you mean 'turnover' in line 2?"),
        ("Station 7\nmade 2026\n\n" + text("\t", "x,kind,level"), "levle", "did you mean 'level' in line 4?"),
        ("Report\n" + text(";", "x,kind,turnover"), "nothing like it", "no column 'nothing like it'"),
    ],
)
def test_a_mistyped_target_names_the_column_that_is_meant_whatever_the_header(
    tmp_path: Path, content: str, target: str, message: str
) -> None:
    with pytest.raises(SourceError, match=r"t\.csv") as error:
        read_described(tmp_path, "t.csv", content, target)
    assert message in str(error.value)


def test_a_workbook_without_a_sheet_is_named(tmp_path: Path) -> None:
    """Two flipped bits of a workbook hid its only sheet: a list index was out of range."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["x", "y"])
    book.save(tmp_path / "a.xlsx")
    hidden = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "a.xlsx") as whole, zipfile.ZipFile(hidden, "w") as without:
        for member in whole.infolist():
            content = whole.read(member)
            if member.filename == "xl/workbook.xml":
                content = re.sub(rb"<sheet .*?/>", b"", content)
            without.writestr(member, content)
    with pytest.raises(SourceError, match=r"b\.xlsx.* has no sheet of cells"):
        read_described(tmp_path, "b.xlsx", hidden.getvalue())
