"""JSON files: a list of objects, or one object per line."""

from __future__ import annotations

import json

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import FileSource
from mlops_assets.readings.formats.encoding import decode
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.formats.json_text import RepeatedKeyError, parse_json


def read_json(
    content: bytes, source: FileSource, where: str, _text: frozenset[str]
) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the objects of a JSON list as rows.

    Args:
        content: The file.
        source: What the model file declares: encoding and limits.
        where: The file, for error messages.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: It is no JSON list of objects, or an object names a key twice.
    """
    text, repairs = decode(content, source.encoding, where)
    try:
        body = parse_json(text)
    except json.JSONDecodeError as error:
        lines = "; a file with one object per line is format: jsonl" if error.msg == "Extra data" else ""
        raise SourceError(
            f"{where} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}{lines}"
        ) from None
    except RepeatedKeyError as error:
        raise SourceError(f"{where}: {error}") from None
    if not isinstance(body, list):
        keys = (
            f" (it is an object with the keys {', '.join(sorted(body)[:8])})"
            if isinstance(body, dict)
            else ""
        )
        raise SourceError(f"{where} must be a JSON list of objects{keys}")
    return to_frame(body, where, source.limits), repairs


def read_json_lines(
    content: bytes, source: FileSource, where: str, _text: frozenset[str]
) -> tuple[pl.DataFrame, list[Repair]]:
    """Return the objects of a file with one object per line as rows.

    Args:
        content: The file.
        source: What the model file declares: encoding and limits.
        where: The file, for error messages.

    Returns:
        The readings and the counts.

    Raises:
        SourceError: A line is no JSON object, or names a key twice.
    """
    text, repairs = decode(content, source.encoding, where)
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):  # strings may hold other line separators
        if line.strip():
            try:
                rows.append(parse_json(line))
            except json.JSONDecodeError as error:
                raise SourceError(
                    f"{where}, line {number}: is not JSON: {error.msg}; the file may have been cut off"
                ) from None
            except RepeatedKeyError as error:
                raise SourceError(f"{where}, line {number}: {error}") from None
    return to_frame(rows, where, source.limits), repairs
