"""The layout of a file nobody has described: its format, encoding, separator, header line, ragged lines.

Comes in: a path and the column to predict, whose name is the best clue to where the header is. Goes out: the `file`
source that reads it, with the rows. Only the start of a file is examined; the reader itself then reads the whole.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops_assets.drafting import LONGEST_NAME
from mlops_assets.drafting.profile.footer import footer_rows
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.formats.encoding import (
    BOMS,
    Content,
    first_misfit,
    guess_encoding,
    head,
    open_stream,
)
from mlops_assets.readings.formats.excel import sheet_rows
from mlops_assets.readings.request import Request
from mlops_assets.readings.sources.files import form_of, open_file, read_files

SEPARATORS: Final = (",", ";", "\t", "|", "^", "~", ":", " ")
LOOKED_AT: Final = 1_000_000
LAST_BYTES: Final = 100_000
"""Bytes at the end that are examined for a footer."""
HEADER_LINES: Final = 60
"""Lines at the top among which the header may be."""
ODD_LINES: Final = 0.01
"""Share of lines of another length up to which they are dropped, not padded."""
WESTERN: Final = frozenset({"cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "latin-1", "mac-iceland"})
"""Encodings that a guess cannot tell apart in a few accented letters; cp1252 is by far the most common."""

Rows = list[tuple[int, list[str]]]
"""Per record: physical lines up to its end, and its fields."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header line found: lines above it, lines up to its end, its names, and how well the rest agrees with it."""

    above: int
    until: int
    names: tuple[str, ...]
    below: tuple[tuple[str, ...], ...]
    agreement: float


def read_undescribed(path: str, target: str, request: Request) -> tuple[pl.DataFrame, FileSource]:
    """Read a file that nobody has described.

    Args:
        path: The file.
        target: The column to predict, whose name shows where the header is.
        request: The window.

    Returns:
        The rows, and the `source` section that reads them.

    Raises:
        SourceError: As the reader does.
    """
    plain = FileSource(kind="file", path=path)
    local = Path(path)
    if not local.is_file():
        return read_files(plain, request).frame, plain
    name, content = open_file(plain)
    start = head(content, LOOKED_AT)
    form = form_of(name) or _form_of_content(start)
    format_settings: dict[str, Any] = {} if form_of(local.name) else {"format": form}
    if form == "json" and _is_lines(start):
        format_settings = {"format": "jsonl"}
    if form == "xlsx":
        format_settings |= _sheet_heading(_all_of(content), plain, target)
    if form not in ("csv", "tsv"):
        source = FileSource.model_validate({**plain.model_dump(exclude_unset=True), **format_settings})
        return read_files(source, request).frame, source
    first_error: SourceError | None = None
    ragged_options: tuple[dict[str, Any], ...] = ({}, {"ragged": "pad"})
    attempts = list(_settings(content, target, form))
    del content  # the reader unpacks it again, and it may be large
    for settings in attempts:
        for ragged in ragged_options:
            source = FileSource.model_validate(
                {**plain.model_dump(exclude_unset=True), **format_settings, **settings, **ragged}
            )
            try:
                fetched = read_files(source, request)
            except SourceError as error:
                first_error = first_error or error
                continue
            if ragged:
                odd = sum(
                    r.count for r in fetched.repairs if r.name in ("short_line_padded", "long_line_cut")
                )
                if 0 < odd <= max(1, ODD_LINES * fetched.frame.height):
                    source = source.model_copy(update={"ragged": "drop"})
                    fetched = read_files(source, request)
            return fetched.frame, source
    assert first_error is not None
    raise first_error


def _form_of_content(content: bytes) -> str:
    if content.startswith(b"PAR1"):
        return "parquet"
    if content.startswith(b"Obj\x01"):
        return "avro"
    start = content[:100].lstrip()
    return "jsonl" if start.startswith(b"{") else "json" if start.startswith((b"[{", b"[\n")) else "csv"


def _is_lines(content: bytes) -> bool:
    """Whether a JSON file holds one object per line."""
    lines = [line.strip() for line in content[:LOOKED_AT].splitlines()[:2]]
    return len(lines) == 2 and all(line.startswith(b"{") and line.endswith(b"}") for line in lines)


def _sheet_heading(content: bytes, plain: FileSource, target: str) -> dict[str, Any]:
    """Rows above the row that names the target, and names where those of the sheet cannot be used."""
    rows = sheet_rows(content, plain, f"file {plain.path}")
    for index, row in enumerate(rows[:HEADER_LINES]):
        names = ["" if cell is None else str(cell).strip() for cell in row]
        if target in names:
            while names and not names[-1]:
                names.pop()
            texts = [["" if cell is None else str(cell) for cell in one] for one in rows[index + 1 :][-220:]]
            footer = footer_rows(texts)
            below = {"skip_footer": footer} if footer else {}
            if all(names) and len(set(names)) == len(names):
                return ({"skip_lines": index} if index else {}) | below
            return {"header": False, "skip_lines": index + 1, "names": _unique(tuple(names))} | below
    return {}


def _all_of(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _settings(content: Content, target: str, form: str) -> Iterator[dict[str, Any]]:
    """Yield settings worth a try, best first; at last the plain reading, for its message."""
    encoding = _encoding(content)
    encoding_setting = {"encoding": encoding} if encoding else {}
    sample = head(content, LOOKED_AT + 1)
    whole = len(sample) <= LOOKED_AT
    sample = sample[:LOOKED_AT]
    bom_encoding = next((name for mark, name in BOMS if sample.startswith(mark)), None)
    text = sample.decode(encoding or bom_encoding or "utf-8", errors="replace").removeprefix("\ufeff")
    usual = "\t" if form == "tsv" else ","
    candidates = []
    for index, separator in enumerate(SEPARATORS):
        rows = _records(text, separator, whole)
        header = _header(rows, target) or _no_header(rows, target)
        if header is not None:
            candidates.append((header.agreement, len(header.names) > 1, -index, separator, header))
    for _, _, _, separator, header in sorted(candidates, key=lambda one: one[:3], reverse=True)[:2]:
        chosen = {} if separator == usual else {"separator": separator}
        footer = footer_rows(_last_rows(content, encoding or bom_encoding or "utf-8", separator, header))
        below = {"skip_footer": footer} if footer else {}
        yield {**encoding_setting, **chosen, **_heading(header, separator), **below}
    yield encoding_setting


def _last_rows(content: Content, encoding: str, separator: str, header: Header) -> list[list[str]]:
    """Return the last rows below the header.

    None of a file whose bytes cannot be cut anywhere (UTF-16), unless it is short.
    """
    with open_stream(content) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - LAST_BYTES))
        text = stream.read().decode(encoding, errors="replace")
    if size > LAST_BYTES:
        text = "" if encoding.startswith("utf-16") else text.partition("\n")[2]
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        return [row for row in reader if size > LAST_BYTES or reader.line_num > header.until]
    except csv.Error:
        return []


def _encoding(content: Content) -> str | None:
    """None where the reader finds it by itself: UTF-8, or a byte order mark."""
    start = head(content)
    if any(start.startswith(mark) for mark, _ in BOMS):
        return None
    if first_misfit(content, "utf-8") is not None:
        guess = guess_encoding(start, "utf-8")
        western = guess is None or guess in WESTERN or guess.startswith("iso8859")
        return next(
            name for name in ("cp1252" if western else guess, guess, "latin-1") if _decodes(content, name)
        )
    if b"\0" in start[:1_000]:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    return None


def _decodes(content: Content, encoding: str | None) -> bool:
    try:
        return first_misfit(content, encoding or "utf-8") is None
    except LookupError:
        return False


def _records(text: str, separator: str, whole: bool) -> Rows:
    lines = io.StringIO(text if "\n" in text else text.replace("\r", "\n"), newline="")
    reader = csv.reader(lines, delimiter=separator)
    rows: Rows = []
    try:
        for fields in reader:
            rows.append((reader.line_num, fields))
            if len(rows) > 1_000:
                return rows
    except csv.Error:
        return rows
    return rows if whole else rows[:-1]


def _header(rows: Rows, target: str) -> Header | None:
    """Return the first row at the top that names the target."""
    for index, (until, fields) in enumerate(rows[:HEADER_LINES]):
        names = tuple(field.strip().strip('"') for field in fields)
        if target in (*names, *fields, *_unique(names)):
            below = tuple(tuple(row) for _, row in rows[index + 1 :] if row)
            above = rows[index - 1][0] if index else 0
            return Header(above, until, tuple(fields), below, _agreement(below, len(names)))
    return None


def _no_header(rows: Rows, target: str) -> Header | None:
    """For a target such as column_3: a table whose first line is data."""
    below = tuple(tuple(row) for _, row in rows if row)
    widths = Counter(map(len, below))
    width = widths.most_common(1)[0][0] if widths else 0
    if width < 2 or target not in [f"column_{number}" for number in range(1, width + 1)]:
        return None
    return Header(0, 0, (), below, _agreement(below, width))


def _agreement(below: tuple[tuple[str, ...], ...], width: int) -> float:
    """Share of lines as wide as the header; blank fields at the end aside."""
    if not below:
        return 0.0
    return sum(len(row) == width or (len(row) > width and not any(row[width:])) for row in below) / len(below)


def _heading(header: Header, separator: str) -> dict[str, Any]:
    """Return settings for the lines above the data.

    They say what to skip, and names where those of the file cannot be used.
    """
    if not header.names:
        padded = any(row[0] != row[0].strip() for row in header.below) and separator != " "
        return {"header": False} | ({"trim": True} if padded else {})
    stripped_names = tuple(name.strip().strip('"') for name in header.names)
    width = len(stripped_names)
    filled = [any(len(row) > index and row[index].strip() for row in header.below) for index in range(width)]
    nameless = [not name and used for name, used in zip(stripped_names, filled, strict=True)]
    units = _units(header)
    padded = separator != " " and (
        any(name != name.strip() for name in header.names)
        or not all(map(any, zip(stripped_names, filled, strict=True)))
        or any(field != field.strip() for row in header.below for field in row)
    )
    trim = {"trim": True} if padded and not units else {}
    encoding_setting = [name for name in stripped_names if name]
    if not any(nameless) and len(set(encoding_setting)) == len(encoding_setting) and not units:
        return ({"skip_lines": header.above} if header.above else {}) | trim
    below = header.until + units
    return {"header": False, "skip_lines": below, "names": _unique(stripped_names)} | trim


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, shortened to what a model file allows.

    Blank ones are numbered by column, repeated ones from 2.
    """
    unique: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for index, name in enumerate(names, start=1):
        base = name[: LONGEST_NAME - 8] or f"column_{index}"
        counts[base] += 1
        chosen = base if counts[base] == 1 else f"{base}_{counts[base]}"
        while chosen in unique:
            counts[base] += 1
            chosen = f"{base}_{counts[base]}"
        unique[chosen] = None
    return tuple(unique)


def _units(header: Header) -> int:
    """1 where the line below the header holds no number and the lines below it do: units, or a second header."""
    if len(header.below) < 6:
        return 0
    first, rest = header.below[0], header.below[1:50]
    numeric = [
        index
        for index in range(min(map(len, rest)))
        if all(_is_number(row[index]) for row in rest if row[index].strip()) and rest[0][index].strip()
    ]
    labels = [index for index in numeric if index < len(first) and not _is_number(first[index])]
    return int(
        len(numeric) >= 2 and len(labels) == len(numeric) and any(first[index].strip() for index in labels)
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
