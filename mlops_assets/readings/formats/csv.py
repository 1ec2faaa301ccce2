"""Delimited text (CSV, TSV) as the world writes it: bytes in, a frame out, or a sentence about what is wrong.

Defects with one possible meaning (byte order mark, old Mac line ends, blank lines) are repaired and counted; all else
is declared in the model file: encoding, separator, lines to skip, ragged lines, padding. A column has the type that
all its values agree on; one word among numbers makes it text, and so does a leading zero: 00123 is a code.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final, Protocol

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.formats.csv_fast_path import Body, Preamble, read_typed, scan
from mlops_assets.readings.formats.encoding import Content, Text, transcode
from mlops_assets.readings.formats.size import check_size

_FIELD_LIMIT: Final = 10_000_000

Row = list[str]
RepairCounts = Counter[tuple[str, str | None]]
"""Counts of repairs by name and column."""


class Records(Protocol):
    """What csv.reader gives: rows, and how many lines they took."""

    line_num: int

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        ...


class _WithoutFooter:
    """All records but the last ones that are not blank."""

    def __init__(self, reader: Records, footer: int) -> None:
        self._reader, self._footer, self.line_num = reader, footer, 0

    def __iter__(self) -> Iterator[Row]:
        """Yield a record once enough filled ones follow it."""
        waiting: deque[tuple[int, Row]] = deque()
        filled = 0
        for row in self._reader:
            waiting.append((self._reader.line_num, row))
            filled += any(row)
            while filled > self._footer:
                self.line_num, first = waiting.popleft()
                filled -= any(first)
                yield first


def read_delimited(
    content: Content, source: FileSource, where: str, text_columns: frozenset[str] = frozenset()
) -> tuple[pl.DataFrame, list[Repair]]:
    """Read delimited text.

    A rectangular file is scanned chunk by chunk and then left to polars; one that needs repairs is written again,
    line by line, and kept in memory once.

    Args:
        content: The file, or its bytes.
        source: What the model file declares: encoding, separator, header, ragged lines.
        where: The file, for error messages.
        text_columns: Columns that keep their text: 1.613 may be a number with a thousands point, 007 a code.

    Returns:
        The rows, and the repairs with their counts. A last line without a line end is one of them: a file that was
        cut off looks the same.

    Raises:
        SourceError: No declaration explains the text; the message names the line.
    """
    text, counts = transcode(content, source.encoding, where)
    del content  # where it had to be decoded, the text alone is kept
    separator = source.separator or ","
    names, preamble = _header(text, source, separator, where)
    if not text.ends_with_line_end():
        counts.append(Repair("last_line_without_line_end", None, 1))
    body = scan(text.open_stream(preamble.size), separator, len(names))
    if body.blank:
        return pl.DataFrame(), counts
    if body.is_rectangular and not source.trim and not source.skip_footer:
        frame, repaired = read_typed(text, preamble, body, names, separator, text_columns, where)
    else:
        frame, repaired = _read_repaired(text, preamble, names, source, text_columns, where)
    return frame, counts + repaired


def _header(text: Text, source: FileSource, separator: str, where: str) -> tuple[Row, Preamble]:
    """Column names, and what lies above the data."""
    size = line_feeds = 0

    def used() -> Iterator[str]:
        nonlocal size, line_feeds
        for line in lines:
            size += len(line.encode())
            line_feeds += line.count("\n")
            yield line

    csv.field_size_limit(_FIELD_LIMIT)
    with text.lines() as lines:
        stream = used()
        for _ in range(source.skip_lines):
            next(stream, None)
        start = Preamble(size, line_feeds, source.skip_lines)
        reader = csv.reader(stream, delimiter=separator, skipinitialspace=source.trim)
        try:
            first = next(row for row in reader if row)
        except StopIteration:
            raise SourceError(f"{where} has no line left after {source.skip_lines} skipped lines") from None
        except csv.Error as error:
            raise SourceError(f"{where}, line {source.skip_lines + reader.line_num}: {error}") from None
    check_size(1, len(first), source.limits, where)
    if not source.header:
        return list(source.names or [f"column_{number}" for number in range(1, len(first) + 1)]), start
    line = source.skip_lines + reader.line_num
    names = [name.strip() for name in first] if source.trim else first
    later = "; if the header comes later, declare source.skip_lines; if the first line is data, source.header: false"
    repeated = sorted(name for name, count in Counter(names).items() if count > 1 and name.strip())
    if repeated:
        raise SourceError(f"{where}, line {line}: the header names {repeated[0]!r} twice{later}")
    blank = [index for index, name in enumerate(names, start=1) if not name.strip()]
    if blank and not source.trim:
        hint = "; source.trim: true drops columns that are blank throughout"
        raise SourceError(f"{where}, line {line}: the header has no name for column {blank[0]}{later}{hint}")
    return names, Preamble(size, line_feeds, line)


def _read_repaired(
    text: Text, preamble: Preamble, names: Row, source: FileSource, text_columns: frozenset[str], where: str
) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the data written anew, line by line, every record with as many fields as there are names."""
    separator = source.separator or ","
    counts: RepairCounts = Counter()
    padded = _padded_quotes(text, preamble, separator) if source.trim else 0
    if padded:  # otherwise the quotation mark would count as a letter of the value
        counts["space_before_quote_skipped", None] = padded
    used = [bool(name) or not source.trim for name in names]
    body = Body(is_rectangular=False, has_plain_numbers=False, padded=set(range(len(names))))
    copy = io.BytesIO()
    with text.lines(preamble.size) as lines, io.TextIOWrapper(copy, encoding="utf-8", newline="") as out:
        reader: Records = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=bool(padded))
        if source.skip_footer:
            reader = _WithoutFooter(reader, source.skip_footer)
            counts["footer_row_left_out", None] = source.skip_footer
        rows = _rows(reader, len(names), preamble.lines, source.ragged, counts, where)
        write = csv.writer(out, lineterminator="\n").writerow
        for row in _trimmed(rows, names, used, counts) if source.trim else rows:
            write(row)
            body.lines += 1
        out.flush()
        made = Text(copy.getvalue())
    nameless = [index for index, name in enumerate(names, start=1) if used[index - 1] and not name]
    if nameless and source.trim:
        raise SourceError(
            f"{where}: column {nameless[0]} has values but no name in the header; name it in the file"
        )
    output_names = [
        name if kept else f"\0{index}" for index, (name, kept) in enumerate(zip(names, used, strict=True))
    ]
    frame, codes = read_typed(made, Preamble(0, 0, 0), body, output_names, ",", text_columns, where)
    repairs = [Repair(name, column, number) for (name, column), number in counts.items()] + codes
    if not all(used):
        repairs.append(Repair("blank_column_dropped", None, used.count(False)))
    return frame.select(name for name, kept in zip(output_names, used, strict=True) if kept), repairs


def _padded_quotes(text: Text, preamble: Preamble, separator: str) -> int:
    pattern = re.compile(rf"{re.escape(separator)} +\"")
    with text.lines(preamble.size) as lines:
        return sum(len(pattern.findall(line)) for line in lines)


def _rows(
    reader: Records, width: int, above: int, ragged: str, counts: RepairCounts, where: str
) -> Iterator[Row]:
    """Every record with exactly `width` fields; blank lines, short and long ones as declared, each counted."""
    try:
        for row in reader:
            if not row:
                counts["blank_line_skipped", None] += 1
            elif len(row) == width:
                yield row
            elif ragged == "refuse":
                raise SourceError(
                    f"{where}, line {above + reader.line_num}: {len(row)} fields where the header has {width}; "
                    "declare source.ragged: pad or drop, another source.separator, "
                    "or source.skip_lines when a title stands above the header"
                )
            elif ragged == "drop":
                counts["ragged_line_dropped", None] += 1
            else:
                surplus = any(value.strip() for value in row[width:])
                how = "long_line_cut" if surplus else "blank_fields_cut"
                counts["short_line_padded" if len(row) < width else how, None] += 1
                yield [*row[:width], *[""] * (width - len(row))]
    except csv.Error as error:
        raise SourceError(
            f"{where}, line {above + reader.line_num}: {error}; a quotation mark may be unbalanced"
        ) from None


def _trimmed(rows: Iterator[Row], names: Row, used: list[bool], counts: RepairCounts) -> Iterator[Row]:
    """Values without spaces around them; `used` learns of columns that have no name but values."""
    unnamed = [index for index, kept in enumerate(used) if not kept]
    for row in rows:
        has_plain_numbers = [value.strip() for value in row]
        if has_plain_numbers != row:
            for name, old, new in zip(names, row, has_plain_numbers, strict=True):
                if old != new:
                    counts["padding_stripped", name or None] += 1
        for index in unnamed:
            used[index] = used[index] or bool(has_plain_numbers[index])
        yield has_plain_numbers
