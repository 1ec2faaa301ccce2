"""The layout of a file nobody has described: its format, encoding, separator, header line, ragged lines.

Comes in: a path and the column to predict, whose name is the best clue to where the header is. Goes out: the `file`
source that reads it, with the rows. Only the start of a file is examined; the reader itself then reads the whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops_assets.drafting.profile.footer import footer_rows
from mlops_assets.drafting.profile.header_line import (
    HEADER_LINES,
    Header,
    Rows,
    header_of,
    header_settings,
    headerless,
    unique_names,
)
from mlops_assets.drafting.profile.text_encoding import guess_text_encoding
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.failures import reported_as_source_error
from mlops_assets.readings.formats.encoding import (
    BOMS,
    Content,
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
CLOSE: Final = 0.6
"""Similarity from which a name may be a mistyped one."""
ODD_LINES: Final = 0.01
"""Share of lines of another length up to which they are dropped, not padded."""


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
    with reported_as_source_error(f"file {path}"):
        try:
            frame, source = _read(path, target, request)
        except SourceError as error:
            if nearest := _nearest_name(path, target):
                raise SourceError(f"file {path} has no column {target!r}; {nearest}") from error
            raise
        if target not in frame.columns:
            nearest = _nearest_name(path, target)
            raise SourceError(
                f"file {path} has no column {target!r}"
                + (f"; {nearest}" if nearest else did_you_mean(target, frame.columns))
            )
        return frame, source


def _nearest_name(path: str, target: str) -> str:
    """Return where a name much like the target's stands among the first lines of a text file; else empty text.

    Without the target's name the header is a guess, and the names of a wrong header are no help.
    """
    local = Path(path)
    if not local.is_file():
        return ""
    name, content = open_file(FileSource(kind="file", path=path))
    start = head(content, LOOKED_AT)
    if (form_of(name) or _form_of_content(start)) not in ("csv", "tsv"):
        return ""
    text = start.decode(guess_text_encoding(content) or "utf-8", errors="replace").removeprefix("\ufeff")
    lines: dict[str, int] = {}
    for separator in SEPARATORS:
        for until, fields in _records(text, separator, whole=True)[:HEADER_LINES]:
            for field in fields:
                lines.setdefault(field.strip().strip('"'), until)
    if target in lines:
        return ""
    alike = [one for one in lines if one.casefold() == target.casefold()]
    alike = alike or get_close_matches(target, lines, n=1, cutoff=CLOSE)
    return f"did you mean {alike[0]!r} in line {lines[alike[0]]}?" if alike else ""


def _read(path: str, target: str, request: Request) -> tuple[pl.DataFrame, FileSource]:
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
            return {"header": False, "skip_lines": index + 1, "names": unique_names(tuple(names))} | below
    return {}


def _all_of(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _settings(content: Content, target: str, form: str) -> Iterator[dict[str, Any]]:
    """Yield settings worth a try, best first; at last the plain reading, for its message."""
    encoding = guess_text_encoding(content)
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
        header = header_of(rows, target) or headerless(rows, target)
        if header is not None:
            candidates.append((header.agreement, len(header.names) > 1, -index, separator, header))
    for _, _, _, separator, header in sorted(candidates, key=lambda one: one[:3], reverse=True)[:2]:
        chosen = {} if separator == usual else {"separator": separator}
        footer = footer_rows(_last_rows(content, encoding or bom_encoding or "utf-8", separator, header))
        below = {"skip_footer": footer} if footer else {}
        yield {**encoding_setting, **chosen, **header_settings(header, separator), **below}
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
