"""Tidy delimited text, which polars reads from the file itself: whether it is tidy, and the frame it gives.

Tidy is text without quotation marks in which every line has as many fields as the header. The types are those that
the whole column agrees on; the first lines tell them, and where they might have told wrongly, all lines are asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import polars as pl

from mlops_assets.errors import SourceError
from mlops_assets.readings.formats.encoding import Text, head, opened, pieces

TOLD_FROM: Final = 10_000
"""Lines that tell the types."""
LONGEST_LINE: Final = 50_000_000
_SIGNS: Final = (b" ", b"\t", b"+")
"""Before a number these make it text for whoever looks at all lines, but not for whoever expects a number."""
_LIKE_ZLIB: Final = (b"x^", b"x\x01")
"""A text that begins so would be unpacked by polars: a line is put above it."""


@dataclass(frozen=True, slots=True)
class Top:
    """What lies above the data: bytes, line feeds in them, and lines as a person counts them."""

    size: int
    feeds: int
    lines: int


@dataclass(slots=True)
class Body:
    """The data as the scan found it. bare: no field begins with a sign that only some readers take for a number's."""

    blank: bool = True
    even: bool = True
    bare: bool = True
    lines: int = 0


def scanned(stream: BinaryIO, separator: str, width: int) -> Body:
    """One look at the data, piece by piece and never line by line; it ends where the text is found untidy.

    A file of one column is never called even: its blank lines do not show in the count of separators.
    """
    body = Body(even=width > 1 and separator.isascii())
    rest = b""
    for piece in pieces(stream):
        body.blank = body.blank and not piece.strip(b"\r\n")
        lines, feed, rest = (rest + piece).rpartition(b"\n") if body.even else (b"", b"", b"")
        body.even = body.even and len(rest) <= LONGEST_LINE
        if body.even and feed:
            _look(lines + feed, separator.encode(), width, body)
        if not body.even and not body.blank:
            return body
    if body.even and rest:
        _look(rest, separator.encode(), width, body)
    return body


def _look(lines: bytes, separator: bytes, width: int, body: Body) -> None:
    data = np.frombuffer(lines if lines.endswith(b"\n") else lines + b"\n", dtype=np.uint8)
    marks = data[(data == ord("\n")) | (data == ord(separator))] == ord("\n")
    body.even = (
        b'"' not in lines
        and lines.count(b"\r") == lines.count(b"\r\n")
        and len(marks) % width == 0
        and bool((marks.reshape(-1, width) == (np.arange(1, width + 1) == width)).all())
    )
    body.lines += len(marks) // width
    body.bare = body.bare and not any(
        lines.startswith(sign) or separator + sign in lines or b"\n" + sign in lines for sign in _SIGNS
    )


def typed(
    text: Text,
    top: Top,
    body: Body,
    names: list[str],
    separator: str,
    text_columns: frozenset[str],
    where: str,
) -> pl.DataFrame:
    """The frame. Lines that were added since the scan are left for the next reading."""
    frame = _quickly(text, top, names, separator, text_columns) if body.bare else None
    if frame is None or frame.shape[1:] != (len(names),):
        try:
            frame = _read(text, top, names, separator, text_columns, None)
        except pl.exceptions.PolarsError as error:
            raise SourceError(
                f"{where} cannot be read as delimited text: {str(error).splitlines()[0]}"
            ) from None
    if (
        frame.width != len(names)
        or frame.height < body.lines
        or (frame.height > body.lines and not body.even)
    ):
        raise SourceError(
            f"{where}: its quotation marks are unbalanced, or it changed while it was read: "
            f"{body.lines} lines of {len(names)} fields gave {frame.shape}"
        )
    return frame.head(body.lines)


def _quickly(
    text: Text, top: Top, names: list[str], separator: str, text_columns: frozenset[str]
) -> pl.DataFrame | None:
    """With types from the first lines; None where all lines may tell other ones.

    A later value of another type refuses the reading. Two things would not: a column blank in all of the first lines,
    and words such as nan, which are numbers only for whoever expects one.
    """
    try:
        frame = _read(text, top, names, separator, text_columns, TOLD_FROM)
    except pl.exceptions.PolarsError:
        return None
    if frame.height <= TOLD_FROM:
        return frame
    first = frame.head(TOLD_FROM)
    late = [name for name in frame.columns if first[name].null_count() == TOLD_FROM]
    if any(frame[name].null_count() < frame.height for name in late):
        return None
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    odd = frame.select((~pl.col(floats).is_finite()).any()).row(0) if floats else ()
    return None if any(odd) else frame


def _read(
    text: Text,
    top: Top,
    names: list[str],
    separator: str,
    text_columns: frozenset[str],
    told_from: int | None,
) -> pl.DataFrame:
    file: str | bytes
    file = str(text.content.absolute()) if isinstance(text.content, Path) else text.content
    odd = head(text.content, 2) in _LIKE_ZLIB
    if odd:
        with opened(text.content) as stream:
            file = b"\n" + stream.read()
    return pl.read_csv(
        file,
        has_header=False,
        new_columns=names,
        skip_lines=top.feeds + odd,
        separator=separator,
        infer_schema_length=told_from,
        schema_overrides={name: pl.String for name in names if name in text_columns},
        glob=False,
    )
