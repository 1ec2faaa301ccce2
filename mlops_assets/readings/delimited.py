"""Delimited text (CSV, TSV) as the world writes it: bytes in, a frame out, or a sentence about what is in the way.

What a text cannot be read without and nobody could mean otherwise (byte order mark, old Mac line ends, blank lines) is
mended and counted; all else is declared in the model file: encoding, separator, lines to skip, ragged lines, padding.
Values keep the type that the whole column agrees on; a column with one word among its numbers is text.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.spec.source import FileSource

MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FIELD_LIMIT: Final = 10_000_000

Row = list[str]


def decode(content: bytes, encoding: str | None, where: str) -> tuple[str, list[Repair]]:
    """Text of the bytes; without a declared encoding UTF-8, or what a byte order mark says (counted)."""
    marked = next((name for mark, name in MARKS if content.startswith(mark)), None)
    chosen = marked or "utf-8" if encoding is None else encoding
    try:
        text = content.decode(chosen)
    except LookupError:
        raise SourceError(
            f"{where}: unknown source.encoding {encoding!r}; write one such as latin-1, cp1252, big5 or utf-16"
        ) from None
    except UnicodeDecodeError as error:
        hint = (
            f"; it may be {guess}: declare source.encoding"
            if (guess := guess_encoding(content, chosen))
            else "; declare source.encoding"
        )
        raise SourceError(
            f"{where} is not {chosen} text: byte {error.start} is 0x{content[error.start]:02x}{hint}"
        ) from None
    if "\0" in text:
        raise SourceError(
            f"{where} holds NUL characters: it is no text, or UTF-16 without a byte order mark; "
            "for the latter declare source.encoding: utf-16-le"
        )
    noted = (
        [Repair(f"byte_order_mark_{'utf_8' if marked == 'utf-8-sig' else 'utf_16'}", None, 1)]
        if marked and encoding is None
        else []
    )
    return text.removeprefix("\ufeff"), noted


def guess_encoding(content: bytes, refused: str) -> str | None:
    """What the bytes may be, when they are not `refused`; None where nothing is likely."""
    try:
        from charset_normalizer import from_bytes  # comes with requests; only for a hint in a message
    except ImportError:
        return None
    best = from_bytes(content[: content.find(b"\n", 100_000) + 1 or 100_000]).best()
    return best.encoding.replace("_", "-") if best and best.encoding.replace("_", "-") != refused else None


def read_delimited(
    content: bytes, source: FileSource, where: str, text_columns: frozenset[str] = frozenset()
) -> tuple[pl.DataFrame, list[Repair]]:
    """The file as a frame. Raises SourceError for text that no declaration explains, with the line where it shows.

    `text_columns` keep their text: 1.613 may be a number with a thousands point, 007 a code.
    """
    text, noted = decode(content, source.encoding, where)
    if "\n" not in text and "\r" in text:
        noted.append(Repair("mac_line_end", None, text.count("\r")))
        text = text.replace("\r", "\n")
    separator = source.separator or ","
    stream = io.StringIO(text, newline="")
    for _ in range(source.skip_lines):
        stream.readline()
    names, body, read_lines = _header(stream, source, separator, where)
    if not body.strip("\r\n"):
        return pl.DataFrame(), noted
    if '"' not in body and not source.trim and _even(body, separator, len(names)):
        return _typed(body, names, separator, text_columns, None, where), noted
    rows, mended = _rows(body, len(names), read_lines, source, separator, where)
    if source.trim:
        names, rows, trimmed = _trim(names, rows, where)
        mended += trimmed
    clean = io.StringIO()
    csv.writer(clean, lineterminator="\n").writerows(rows)
    return _typed(clean.getvalue(), names, ",", text_columns, len(rows), where), noted + mended


def _header(stream: io.StringIO, source: FileSource, separator: str, where: str) -> tuple[Row, str, int]:
    """Column names, the text below them, and how many lines were used up."""
    start = stream.tell()
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=source.trim)
    try:
        first = next(row for row in reader if row)
    except StopIteration:
        raise SourceError(f"{where} has no line left after {source.skip_lines} skipped lines") from None
    except csv.Error as error:
        raise SourceError(f"{where}, line {source.skip_lines + reader.line_num}: {error}") from None
    if not source.header:
        stream.seek(start)
        names = source.names or [f"column_{number}" for number in range(1, len(first) + 1)]
        return list(names), stream.read(), source.skip_lines
    line = source.skip_lines + reader.line_num
    names = [name.strip() for name in first] if source.trim else first
    later = "; if the header comes later, declare source.skip_lines; if the first line is data, source.header: false"
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name.strip())
    if twice:
        raise SourceError(f"{where}, line {line}: the header names {twice[0]!r} twice{later}")
    blank = [place for place, name in enumerate(names, start=1) if not name.strip()]
    if blank and not source.trim:
        mend = "; source.trim: true drops columns that are blank throughout"
        raise SourceError(f"{where}, line {line}: the header has no name for column {blank[0]}{later}{mend}")
    return names, stream.read(), line


def _even(body: str, separator: str, width: int) -> bool:
    """True when every line of unquoted text has `width` fields, none is blank, and line ends are plain.

    Counted on the bytes, so that a large tidy file never passes through Python line by line. A file of one column
    is never called even here: its blank lines do not show in the count of separators.
    """
    if width == 1 or not separator.isascii():
        return False
    data = np.frombuffer(body.encode(), dtype=np.uint8)
    returns = np.flatnonzero(data == ord("\r"))
    if len(returns) and (returns[-1] == len(data) - 1 or (data[returns + 1] != ord("\n")).any()):
        return False
    ends = np.flatnonzero(data == ord("\n"))
    if not len(ends) or ends[-1] != len(data) - 1:
        ends = np.append(ends, len(data))
    separators = np.diff(np.searchsorted(np.flatnonzero(data == ord(separator)), ends), prepend=0)
    return bool((separators == width - 1).all())


def _rows(
    body: str, width: int, above: int, source: FileSource, separator: str, where: str
) -> tuple[list[Row], list[Repair]]:
    """Every record with exactly `width` fields; blank lines, short and long ones as declared, each counted."""
    rows: list[Row] = []
    count: Counter[str] = Counter()
    padded_quotes = len(re.findall(rf"{re.escape(separator)} +\"", body)) if source.trim else 0
    if padded_quotes:  # otherwise the quotation mark would count as a letter of the value
        count["space_before_quote_skipped"] = padded_quotes
    lines = io.StringIO(body, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=bool(padded_quotes))
    try:
        for row in reader:
            if not row:
                count["blank_line_skipped"] += 1
            elif len(row) == width:
                rows.append(row)
            elif source.ragged == "refuse":
                raise SourceError(
                    f"{where}, line {above + reader.line_num}: {len(row)} fields where the header has {width}; "
                    "declare source.ragged: pad or drop, another source.separator, "
                    "or source.skip_lines when a title stands above the header"
                )
            elif source.ragged == "drop":
                count["ragged_line_dropped"] += 1
            else:
                surplus = any(value.strip() for value in row[width:])
                count[
                    "short_line_padded"
                    if len(row) < width
                    else "long_line_cut"
                    if surplus
                    else "blank_fields_cut"
                ] += 1
                rows.append([*row[:width], *[""] * (width - len(row))])
    except csv.Error as error:
        raise SourceError(
            f"{where}, line {above + reader.line_num}: {error}; a quotation mark may be unbalanced"
        ) from None
    return rows, [Repair(name, None, number) for name, number in count.items()]


def _trim(names: Row, rows: list[Row], where: str) -> tuple[Row, list[Row], list[Repair]]:
    """Values without spaces around them, and without columns that have neither name nor value."""
    padded: Counter[str] = Counter()
    trimmed: list[Row] = []
    for row in rows:
        bare = [value.strip() for value in row]
        padded.update(name for name, old, new in zip(names, row, bare, strict=True) if old != new)
        trimmed.append(bare)
    used = [place for place, name in enumerate(names) if name or any(row[place] for row in trimmed)]
    nameless = [place for place in used if not names[place]]
    if nameless:
        raise SourceError(
            f"{where}: column {nameless[0] + 1} has values but no name in the header; name it in the file"
        )
    noted = [Repair("padding_stripped", name or None, number) for name, number in padded.items()]
    noted += [Repair("blank_column_dropped", None, len(names) - len(used))] if len(used) < len(names) else []
    return [names[place] for place in used], [[row[place] for place in used] for row in trimmed], noted


def _typed(
    body: str, names: Row, separator: str, text_columns: frozenset[str], expected: int | None, where: str
) -> pl.DataFrame:
    kinds = {name: pl.String for name in names if name in text_columns}
    try:
        frame = pl.read_csv(
            body.encode(),
            has_header=False,
            new_columns=names,
            separator=separator,
            infer_schema_length=None,
            schema_overrides=kinds,
        )
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{where} cannot be read as delimited text: {str(error).splitlines()[0]}") from None
    if frame.width != len(names) or (expected is not None and frame.height != expected):
        raise SourceError(
            f"{where}: its quotation marks are unbalanced: {expected} lines of {len(names)} fields gave {frame.shape}"
        )
    return frame
