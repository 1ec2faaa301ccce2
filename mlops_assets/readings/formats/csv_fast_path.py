"""The fast path of delimited text: a scan that decides whether polars can read the file itself, and that reading.

It can where no quotation mark occurs and every line has as many fields as the header. The types are those that the
whole column agrees on; they are inferred from the first lines, or from all lines where the first might mislead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.readings.formats.encoding import Text, chunks, head, open_stream

Bytes = NDArray[np.uint8]
Positions = NDArray[np.intp]

INFERENCE_ROWS: Final = 10_000
"""Lines from which types are inferred."""
LONGEST_LINE: Final = 50_000_000
_SIGNS: Final = (b" ", b"\t", b"+")
"""Before a number these make it text for whoever looks at all lines, but not for whoever expects a number."""
_LIKE_ZLIB: Final = (b"x^", b"x\x01")
"""A text that begins so would be decompressed by polars: a line is put above it."""


@dataclass(frozen=True, slots=True)
class Preamble:
    """The lines above the data: bytes, line feeds in them, and lines as a person counts them."""

    size: int
    line_feeds: int
    lines: int


@dataclass(slots=True)
class Body:
    """The data as the scan found it. bare: no field begins with a sign that only some readers take for a number's."""

    blank: bool = True
    is_rectangular: bool = True
    has_plain_numbers: bool = True
    lines: int = 0
    padded: set[int] = field(default_factory=set)
    """Columns (from 0) in which a field begins with a zero before another digit: a code, such as 00123."""


def scan(stream: BinaryIO, separator: str, width: int) -> Body:
    """Scan the data chunk by chunk, never line by line, up to the first line that is not rectangular.

    A file of one column is never called rectangular: its blank lines do not show in the count of separators.

    Args:
        stream: The data below the preamble; it is closed.
        separator: One character.
        width: Number of columns.

    Returns:
        Where the rectangular part ends, and what was counted in it.
    """
    body = Body(is_rectangular=width > 1 and separator.isascii())
    rest = b""
    for chunk in chunks(stream):
        body.blank = body.blank and not chunk.strip(b"\r\n")
        lines, feed, rest = (rest + chunk).rpartition(b"\n") if body.is_rectangular else (b"", b"", b"")
        body.is_rectangular = body.is_rectangular and len(rest) <= LONGEST_LINE
        if body.is_rectangular and feed:
            _scan_lines(lines + feed, separator.encode(), width, body)
        if not body.is_rectangular and not body.blank:
            return body
    if body.is_rectangular and rest:
        _scan_lines(rest, separator.encode(), width, body)
    return body


def _scan_lines(lines: bytes, separator: bytes, width: int, body: Body) -> None:
    data = np.frombuffer(lines if lines.endswith(b"\n") else lines + b"\n", dtype=np.uint8)
    ends = np.flatnonzero((data == ord("\n")) | (data == ord(separator)))
    marks = data[ends] == ord("\n")
    body.is_rectangular = (
        b'"' not in lines
        and lines.count(b"\r") == lines.count(b"\r\n")
        and len(marks) % width == 0
        and bool((marks.reshape(-1, width) == (np.arange(1, width + 1) == width)).all())
    )
    if body.is_rectangular:
        body.padded |= _padded_columns(data, ends, width)
    body.lines += len(marks) // width
    body.has_plain_numbers = body.has_plain_numbers and not any(
        lines.startswith(sign) or separator + sign in lines or b"\n" + sign in lines for sign in _SIGNS
    )


def _padded_columns(data: Bytes, ends: Positions, width: int) -> set[int]:
    """Columns with a field that begins with a zero and another digit, a sign before them aside."""
    starts = np.concatenate(([0], ends[:-1] + 1))
    starts = starts + np.isin(data[starts], (ord("-"), ord("+")))
    zero = np.flatnonzero(data[starts] == ord("0"))
    following = data[starts[zero] + 1]
    padded = zero[(following >= ord("0")) & (following <= ord("9"))]
    return set((np.unique(padded % width)).tolist())


def read_typed(
    text: Text,
    preamble: Preamble,
    body: Body,
    names: list[str],
    separator: str,
    text_columns: frozenset[str],
    where: str,
) -> tuple[pl.DataFrame, list[Repair]]:
    """Read the scanned text with a type per column.

    Args:
        text: The file in UTF-8.
        preamble: What lies above the data.
        body: What the scan found out about the data.
        names: Column names, left to right.
        separator: One character.
        text_columns: Columns that keep their text.
        where: The file, for error messages.

    Returns:
        The rows of the scan (lines added since then are left for the next reading), and the columns of codes that
        were kept as text although they look like numbers, with the number of their values.

    Raises:
        SourceError: polars cannot read the text, or the file changed while it was read.
    """
    inferred = body.has_plain_numbers
    frame = _read_with_inferred_types(text, preamble, names, separator, text_columns) if inferred else None
    if frame is None or frame.shape[1:] != (len(names),):
        frame = _read_or_refuse(text, preamble, names, separator, text_columns, where)
    codes = _codes(text, preamble, body, frame, separator, where)
    if (
        frame.width != len(names)
        or frame.height < body.lines
        or (frame.height > body.lines and not body.is_rectangular)
        or any(len(column) < body.lines for column in codes)
    ):
        raise SourceError(
            f"{where}: its quotation marks are unbalanced, or it changed while it was read: "
            f"{body.lines} lines of {len(names)} fields gave {frame.shape}"
        )
    codes = [column.head(body.lines) for column in codes]
    repairs = [Repair("leading_zeros_kept_as_text", column.name, column.count()) for column in codes]
    return frame.head(body.lines).with_columns(codes), repairs


def _codes(
    text: Text, preamble: Preamble, body: Body, frame: pl.DataFrame, separator: str, where: str
) -> list[pl.Series]:
    """Columns of whole numbers in which one begins with a zero, as the text they are: 00123 is not 0123."""
    padded = [frame.columns[index] for index in sorted(body.padded) if frame.dtypes[index].is_integer()]
    if not padded:
        return []
    names = frozenset(padded)
    raw = _read_or_refuse(text, preamble, frame.columns, separator, names, where)
    return [raw[name] for name in padded if raw[name].str.contains(r"^[-+]?0\d").any()]


def _read_or_refuse(
    text: Text,
    preamble: Preamble,
    names: list[str],
    separator: str,
    text_columns: frozenset[str],
    where: str,
) -> pl.DataFrame:
    try:
        return _read(text, preamble, names, separator, text_columns, None)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{where} cannot be read as delimited text: {str(error).splitlines()[0]}") from None


def _read_with_inferred_types(
    text: Text, preamble: Preamble, names: list[str], separator: str, text_columns: frozenset[str]
) -> pl.DataFrame | None:
    """With types from the first lines; None where all lines may tell other ones.

    A later value of another type refuses the reading. Two things would not: a column blank in all of the first lines,
    and words such as nan, which are numbers only for whoever expects one.
    """
    try:
        frame = _read(text, preamble, names, separator, text_columns, INFERENCE_ROWS)
    except pl.exceptions.PolarsError:
        return None
    if frame.height <= INFERENCE_ROWS:
        return frame
    first = frame.head(INFERENCE_ROWS)
    late_columns = [name for name in frame.columns if first[name].null_count() == INFERENCE_ROWS]
    if any(frame[name].null_count() < frame.height for name in late_columns):
        return None
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    like_zlib = frame.select((~pl.col(floats).is_finite()).any()).row(0) if floats else ()
    return None if any(like_zlib) else frame


def _read(
    text: Text,
    preamble: Preamble,
    names: list[str],
    separator: str,
    text_columns: frozenset[str],
    inference_rows: int | None,
) -> pl.DataFrame:
    file: str | bytes
    file = str(text.content.absolute()) if isinstance(text.content, Path) else text.content
    like_zlib = head(text.content, 2) in _LIKE_ZLIB
    if like_zlib:
        with open_stream(text.content) as stream:
            file = b"\n" + stream.read()
    return pl.read_csv(
        file,
        has_header=False,
        new_columns=names,
        skip_lines=preamble.line_feeds + like_zlib,
        separator=separator,
        infer_schema_length=inference_rows,
        schema_overrides={name: pl.String for name in names if name in text_columns},
        glob=False,
    )
