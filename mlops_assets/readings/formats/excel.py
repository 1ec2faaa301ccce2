"""Excel workbooks (.xlsx): one sheet, its cells with the types they have, formulas with their last value."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.formats.size import OBJECT_COST, check_size, check_unpacked

Cells = list[list[Any]]


def read_workbook(
    content: bytes, source: FileSource, where: str, _text: frozenset[str]
) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the sheet as a frame.

    Args:
        content: The workbook.
        source: What the model file declares: sheet, header, lines to skip, limits.
        where: The file, for error messages.

    Returns:
        The rows, and how many blank ones were left out.

    Raises:
        SourceError: It is no workbook, has no such sheet or no rows, or exceeds a limit.
        MissingExtraError: openpyxl is not installed.
    """
    rows = sheet_rows(content, source, where)[source.skip_lines :]
    filled = [row for row in rows if any(cell is not None for cell in row)]
    blank = len(rows) - len(filled)
    filled = filled[: len(filled) - source.skip_footer] if source.skip_footer else filled
    if len(filled) <= source.header:
        raise SourceError(f"{where}: its sheet has no rows below {source.skip_lines} skipped ones")
    width = max(index for row in filled for index, cell in enumerate(row, start=1) if cell is not None)
    check_size(OBJECT_COST * len(filled), width, source.limits, where)
    names = _names(filled.pop(0) if source.header else None, source, width, where)
    frame = to_frame((dict(zip(names, row, strict=False)) for row in filled), where, source.limits)
    missing = [name for name in names if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, dtype=pl.Null).alias(name) for name in missing).select(names)
    counts = (("blank_line_skipped", blank), ("footer_row_left_out", source.skip_footer))
    return frame, [Repair(name, None, count) for name, count in counts if count]


def sheet_rows(content: bytes, source: FileSource, where: str) -> Cells:
    """Return every row of the sheet, top to bottom, blank ones included, each as wide as its last cell.

    Args:
        content: The workbook.
        source: What the model file declares: sheet and limits.
        where: The file, for error messages.

    Returns:
        Cells by row.

    Raises:
        SourceError: It is no workbook, has no such sheet, or exceeds a limit.
        MissingExtraError: openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise MissingExtraError("reading Excel workbooks", "excel") from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        check_unpacked(unpacked, source.limits, where)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001, damaged files raise zip, XML, key and value errors
        raise SourceError(
            f"{where} is not an .xlsx workbook ({type(error).__name__}): it was cut off, has a password, "
            "or is something else"
        ) from None
    if source.sheet is not None and source.sheet not in book.sheetnames:
        known = ", ".join(map(repr, book.sheetnames))
        raise SourceError(f"{where} has no sheet {source.sheet!r}; it has {known}")
    if not book.worksheets:
        raise SourceError(f"{where} has no sheet of cells; a sheet with a chart alone holds no rows")
    sheet = book[source.sheet] if source.sheet is not None else book.worksheets[0]
    sheet.reset_dimensions()  # otherwise one cell in the last corner makes 17 billion of them
    rows: Cells = []
    cells = 0
    for row in sheet.iter_rows(values_only=True):
        cells += len(row)
        check_size(OBJECT_COST * cells, 1, source.limits, where)
        rows.append(list(row))
    return rows


def _names(header: Sequence[Any] | None, source: FileSource, width: int, where: str) -> list[str]:
    if header is None:
        return list(source.names or (f"column_{number}" for number in range(1, width + 1)))
    names = ["" if cell is None else str(cell).strip() for cell in header[:width]]
    known: set[str] = set()
    for index, name in enumerate(names):
        if not name or name in known:
            what = f"names {name!r} twice" if name else f"has no name for column {index + 1}"
            raise SourceError(
                f"{where}: the header {what}; if it comes later declare source.skip_lines, "
                "else source.header: false and source.names"
            )
        known.add(name)
    return names
