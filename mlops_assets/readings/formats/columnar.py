"""Formats that carry their own types: Parquet, Arrow (Feather) and Avro."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.model_file.source_parameters import Limits
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.formats.size import OBJECT_COST, check_size
from mlops_assets.readings.request import Request

Parsed = tuple[pl.DataFrame, list[Repair]]

_NOT_PARQUET: Final = "is not a whole Parquet file: it was cut off, or is something else; write it again"
_FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises for a damaged file; a panic is a BaseException."""


def read_parquet(content: bytes, source: FileSource, where: str, _text: frozenset[str]) -> Parsed:
    """Return the rows of a Parquet file.

    Args:
        content: The file.
        source: What the model file declares: limits.
        where: The file, for error messages.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: It is no whole Parquet file, or exceeds a limit.
    """
    try:
        return _collected(pl.scan_parquet(io.BytesIO(content)), None, source.limits, where), []
    except _FAILURES:
        raise SourceError(f"{where} {_NOT_PARQUET}") from None


def read_parquet_of_window(path: Path, source: FileSource, request: Request, where: str) -> pl.DataFrame:
    """Return the rows of a local Parquet file without the row groups that lie before the window.

    Args:
        path: The file.
        source: What the model file declares: limits.
        request: The window.
        where: The file, for error messages.

    Returns:
        The readings.

    Raises:
        SourceError: It is no whole Parquet file, is empty, or exceeds a limit.
    """
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{where} is empty")
        rows = pl.scan_parquet(path)
        return _collected(rows, _window(rows.collect_schema(), request), source.limits, where)
    except _FAILURES:
        raise SourceError(f"{where} {_NOT_PARQUET}") from None


def _window(schema: pl.Schema, request: Request) -> pl.Expr | None:
    """Return the rows of the window and those without a time; None where the file cannot tell."""
    kind = schema.get(request.timestamp) if request.timestamp else None
    if request.start is None or request.timestamp is None or not isinstance(kind, pl.Datetime):
        return None
    time = pl.col(request.timestamp)
    if kind.time_zone is not None:
        return time.is_null() | (time > request.start)
    return time.is_null() | (time > request.start.replace(tzinfo=None)) if request.zone == "UTC" else None


def _collected(rows: pl.LazyFrame, window: pl.Expr | None, limits: Limits, where: str) -> pl.DataFrame:
    """Return the rows, once their number, which stands in the file's footer, is within the limits."""
    width = len(rows.collect_schema())
    check_size(1, width, limits, where)
    total = rows.select(pl.len()).collect().item()
    rows = rows if window is None else rows.filter(window)
    if window is not None and total * width > limits.cells:
        total = rows.select(pl.len()).collect().item()
    check_size(total, width, limits, where)
    return rows.collect()


def read_arrow(content: bytes, source: FileSource, where: str, _text: frozenset[str]) -> Parsed:
    """Return the rows of an Arrow (Feather) file.

    Args:
        content: The file.
        source: What the model file declares: limits.
        where: The file, for error messages.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: It is no whole Arrow file, or exceeds a limit.
    """
    try:
        frame = pl.read_ipc(io.BytesIO(content))
    except _FAILURES:
        raise SourceError(
            f"{where} is not a whole Arrow (Feather) file: it was cut off, or is something else"
        ) from None
    check_size(frame.height, frame.width, source.limits, where)
    return frame, []


def read_avro(content: bytes, source: FileSource, where: str, _text: frozenset[str]) -> Parsed:
    """Return the records of an Avro file as rows.

    Args:
        content: The file.
        source: What the model file declares: limits.
        where: The file, for error messages.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: It is no whole Avro file, or exceeds a limit.
        MissingExtraError: fastavro is not installed.
    """
    try:
        from fastavro import reader
    except ImportError:
        raise MissingExtraError("reading Avro files", "avro") from None
    try:
        records = list(_within(reader(io.BytesIO(content)), source.limits, where))
        return to_frame(records, where, source.limits), []
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001, damaged files raise struct, zlib, EOF, index and key errors
        raise SourceError(
            f"{where} is not a whole Avro file ({type(error).__name__}): it was cut off, or is something else"
        ) from None


def _within(records: Any, limits: Limits, where: str) -> Iterator[Any]:
    """Yield the records, as long as their values are within the limit: a small block may unpack to a huge one."""
    cells = 0
    for record in records:
        cells += len(record) if isinstance(record, dict) else 1
        check_size(OBJECT_COST * cells, 1, limits, where)
        yield record
