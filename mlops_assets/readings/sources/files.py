"""Readings from files: one, a folder, or a glob pattern, local or s3://; one small function per format.

Comes in: a `file` source. Goes out: the rows of all files, stacked by column name. Nothing is guessed beyond the
ending of the name and a byte order mark; what a text file needs (separator, encoding, lines to skip) is declared.
The bytes of each format are read in `readings.formats`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from mlops_assets import live_progress
from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.failures import reported_as_source_error
from mlops_assets.readings.formats.columnar import (
    read_arrow,
    read_avro,
    read_parquet,
    read_parquet_of_window,
)
from mlops_assets.readings.formats.compression import is_packed, unpacked
from mlops_assets.readings.formats.csv import read_delimited
from mlops_assets.readings.formats.encoding import Content, head
from mlops_assets.readings.formats.excel import read_workbook
from mlops_assets.readings.formats.json_files import read_json, read_json_lines
from mlops_assets.readings.formats.size import check_size
from mlops_assets.readings.request import Fetched, Request, text_names
from mlops_assets.readings.sources import object_store

Parsed = tuple[pl.DataFrame, list[Repair]]
Format = Callable[[bytes, FileSource, str, frozenset[str]], Parsed]
"""(content, source, where, columns that must stay text) -> rows, and the repairs that the format needed."""

FORMATS: Final[dict[str, Format]] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "xlsx": read_workbook,
    "json": read_json,
    "jsonl": read_json_lines,
    "avro": read_avro,
}
_TYPED: Final = ("parquet", "arrow", "avro")
"""Formats that declare the types of their columns."""
_ENDINGS: Final = {
    **{name: name for name in FORMATS},
    "ndjson": "jsonl",
    "pq": "parquet",
    "txt": "csv",
    "feather": "arrow",
    "ipc": "arrow",
    "xlsm": "xlsx",
}


def read_files(source: FileSource, request: Request) -> Fetched:
    """Read every file that the path names, stacked by column name.

    Args:
        source: The path, and how the files are written.
        request: The window, and the columns that must stay text.

    Returns:
        The rows, and the repairs that the formats needed.

    Raises:
        SourceError: A file is missing, damaged, too large or different from the others; the message names it.
        MissingExtraError: The library of a format is not installed.
    """
    prefix = f"model {request.model!r}: "
    frames: list[tuple[str, pl.DataFrame]] = []
    repairs: list[Repair] = []
    inferred: set[str] = set()
    for name, content in _contents(source, request, prefix):
        where = f"{prefix}file {name}"
        with reported_as_source_error(where):
            form, frame, format_repairs = _read_file(name, content, source, request, where)
            if not frame.width or (not frame.height and form != "parquet"):
                raise SourceError(
                    f"{where} has no rows; if its first line is data, declare source.header: false"
                )
            check_size(frame.height, frame.width, source.limits, where)
        repairs += format_repairs
        inferred |= frozenset() if form in _TYPED else text_names(frame) - request.as_text
        frames.append((name, frame))
        live_progress.show(
            f"{sum(one.height for _, one in frames):,} rows from {len(frames)} files, newest {name}"
        )
    stacked = _stack(frames, prefix)
    several = f" ({len(frames)} files)" if len(frames) > 1 else ""
    return Fetched(stacked, f"file {source.path}{several}", _summed(repairs), frozenset(inferred))


def _read_file(
    name: str, content: bytes | Path, source: FileSource, request: Request, where: str
) -> tuple[str, pl.DataFrame, list[Repair]]:
    """Format, rows and repairs of one file."""
    member, unpacked_bytes = (
        unpacked(name, _bytes(content, where), where, source.limits) if is_packed(name) else (name, None)
    )
    form = source.format or _form(member, where)
    if source.skip_footer and form not in ("csv", "tsv", "xlsx"):
        raise SourceError(f"{where}: source.skip_footer belongs to CSV, TSV and Excel files, not to {form}")
    if form == "tsv" and source.separator is None:
        source = source.model_copy(update={"separator": "\t"})
    local = content if isinstance(content, Path) and content.is_file() and unpacked_bytes is None else None
    if local is not None and form == "parquet":
        return form, read_parquet_of_window(local, source, request, where), []
    if local is not None and form in ("csv", "tsv"):
        return form, *_delimited_of_file(local, source, request, where)
    unpacked_bytes = _bytes(content, where) if unpacked_bytes is None else unpacked_bytes
    if not unpacked_bytes.strip():
        raise SourceError(f"{where} is empty")
    return form, *FORMATS[form](unpacked_bytes, source, where, request.as_text)


def _contents(source: FileSource, request: Request, prefix: str) -> Iterator[tuple[str, bytes | Path]]:
    if object_store.is_remote(source.path):
        yield from object_store.contents(source.path, tuple(_ENDINGS), request.settings.environ, prefix)
    else:
        yield from ((str(path), path) for path in _paths(source, prefix))


def _bytes(content: bytes | Path, where: str) -> bytes:
    try:
        return content.read_bytes() if isinstance(content, Path) else content
    except OSError as error:
        raise SourceError(f"{where} cannot be read: {error.strerror}") from None


def _delimited_of_file(path: Path, source: FileSource, request: Request, where: str) -> Parsed:
    """Return a local file, which is not taken into memory as it is."""
    try:
        if not head(path).strip() and not path.read_bytes().strip():
            raise SourceError(f"{where} is empty")
        return read_delimited(path, source, where, request.as_text)
    except OSError as error:
        raise SourceError(f"{where} cannot be read: {error.strerror}") from None


def _paths(source: FileSource, prefix: str) -> list[Path]:
    requested_path = Path(source.path)
    if requested_path.is_dir():
        matches = sorted(
            path
            for path in requested_path.iterdir()
            if path.is_file() and _ending(path.name) in _ENDINGS and not path.name.startswith(".")
        )
        kinds = {_ENDINGS[_ending(path.name)] for path in matches}
        if len(kinds) > 1 and source.format is None:
            raise SourceError(
                f"{prefix}folder {requested_path} holds files of several formats ({', '.join(sorted(kinds))}); "
                f"write a pattern such as {requested_path}/*.csv"
            )
        problem = f"folder {requested_path} holds no file of a known format ({', '.join(sorted(FORMATS))})"
    elif any(sign in source.path for sign in "*?["):
        root = Path(requested_path.anchor) if requested_path.is_absolute() else Path()
        pattern = (
            str(requested_path.relative_to(requested_path.anchor))
            if requested_path.is_absolute()
            else source.path
        )
        matches = sorted(path for path in root.glob(pattern) if path.is_file())
        problem = f"no file matches {source.path}"
    else:
        matches = [requested_path] if requested_path.exists() else []
        near = (
            sorted(path.name for path in requested_path.parent.iterdir())
            if requested_path.parent.is_dir()
            else []
        )
        problem = f"file {requested_path} does not exist{_near(requested_path.name, near)}"
    if not matches:
        raise SourceError(f"{prefix}{problem} (looked from {Path.cwd()})")
    return matches


def _near(name: str, names: list[str]) -> str:
    from mlops_assets.model_file.suggestion import did_you_mean

    return did_you_mean(name, names) if len(names) <= 1_000 else ""


def _ending(name: str) -> str:
    parts = name.lower().removesuffix(".gz").removesuffix(".zip").rsplit(".", 1)
    return parts[1] if len(parts) == 2 else ""


def form_of(name: str) -> str | None:
    """Return the format of a file from its ending.

    Args:
        name: Name of the file.

    Returns:
        Name of the format, or None for an unknown ending.
    """
    return _ENDINGS.get(_ending(name))


def open_file(source: FileSource) -> tuple[str, Content]:
    """Return the name of a local file and the file itself; of an archive, its content.

    Args:
        source: The path, and the limits.

    Returns:
        Name, and the path or the unpacked bytes.

    Raises:
        SourceError: The file cannot be read or exceeds a limit.
    """
    path = Path(source.path)
    where = f"file {path}"
    if is_packed(path.name):
        with reported_as_source_error(where):
            return unpacked(path.name, _bytes(path, where), where, source.limits)
    try:
        head(path, 1)
    except OSError as error:
        raise SourceError(f"{where} cannot be read: {error.strerror}") from None
    return path.name, path


def _form(name: str, where: str) -> str:
    form = form_of(name)
    if form is None:
        old = "; save an .xls workbook as .xlsx or CSV" if _ending(name) == "xls" else ""
        raise SourceError(
            f"{where}: its ending says no known format; declare source.format: one of {', '.join(FORMATS)}{old}"
        )
    return form


def _stack(frames: list[tuple[str, pl.DataFrame]], prefix: str) -> pl.DataFrame:
    """Under each other; numbers may widen, but columns must be the same and text never meets numbers."""
    first_name, first = frames[0]
    for name, frame in frames[1:]:
        odd = sorted(set(first.columns) ^ set(frame.columns))
        if odd:
            raise SourceError(
                f"{prefix}files {first_name} and {name} differ in columns: "
                f"{', '.join(map(repr, odd[:6]))}; give them the same columns"
            )
        for column, kind in first.schema.items():
            other = frame.schema[column]
            free = kind == other or pl.Null in (kind, other) or (kind.is_numeric() and other.is_numeric())
            if not free:
                raise SourceError(
                    f"{prefix}column {column!r} is {kind} in {first_name} but {other} in {name}; correct the file"
                )
    return (
        first
        if len(frames) == 1
        else pl.concat([frame.select(first.columns) for _, frame in frames], how="vertical_relaxed")
    )


def _summed(repairs: list[Repair]) -> tuple[Repair, ...]:
    total: dict[tuple[str, str | None], int] = {}
    for repair in repairs:
        total[repair.name, repair.column] = total.get((repair.name, repair.column), 0) + repair.count
    return tuple(Repair(name, column, count) for (name, column), count in total.items())
