"""A request's body: JSON in, records out. Nothing of a body is accepted that JSON does not define unambiguously."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from mlops_assets.errors import DataError

MAX_ROWS: Final = 10_000
LONGEST_INTEGER: Final = 40
"""Digits of an integer that is kept exactly; a longer one is larger than any value that is accepted."""

_NESTED: Final = frozenset({list, dict})

Value = str | int | float | bool | None
Row = dict[str, Value]


def decode(body: bytes, columns: Sequence[str]) -> list[Row]:
    """Return the records of `{"readings": [{...}]}` or of `{"features": [[...]], "columns": [...]}`.

    Args:
        body: The request's body.
        columns: Names of a matrix's columns when the body does not name them.

    Returns:
        One record per row.

    Raises:
        DataError: The body is not such a document; the message names row and column where there is one.
    """
    document = parse(body)
    if type(document) is dict and len(document) == 1 and "readings" in document:
        return records(document["readings"], "readings")
    shapes = 'send {"readings": [{...}]} or {"features": [[...]]}'
    if not isinstance(document, dict) or ("readings" in document) == ("features" in document):
        raise DataError(shapes)
    if unknown := sorted(set(document) - {"readings", "features", "columns"}):
        raise DataError(f"unknown key {unknown[0]!r}; {shapes}")
    if "readings" in document:
        if "columns" in document:
            raise DataError("'columns' belongs to 'features', not to 'readings'")
        return records(document["readings"], "readings")
    return matrix(document["features"], "features", document.get("columns"), columns)


def records(rows: Any, key: str) -> list[Row]:
    """Return the records of a list of objects.

    Args:
        rows: The value in the document.
        key: Its key, for messages.

    Returns:
        One record per row.

    Raises:
        DataError: It is not such a list; the message names row and column.
    """
    return [_record(number, row) for number, row in enumerate(_rows(rows, key), start=1)]


def matrix(rows: Any, key: str, names: Any, columns: Sequence[str]) -> list[Row]:
    """Return the records of a list of lists.

    Args:
        rows: The value in the document.
        key: Its key, for messages.
        names: The columns that the document names, or None.
        columns: Their names where the document names none.

    Returns:
        One record per row.

    Raises:
        DataError: It is not such a list; the message names row and column.
    """
    listed = _names(names, columns)
    return [_matrix_row(number, row, listed) for number, row in enumerate(_rows(rows, key), start=1)]


def by_column(values: Mapping[str, Any], key: str) -> list[Row]:
    """Return the records of an object with a list of values for each column.

    Args:
        values: The object.
        key: Its key, for messages.

    Returns:
        One record per row.

    Raises:
        DataError: A value is not a list, or the lists differ in length.
    """
    for name, column in values.items():
        if not isinstance(column, list):
            raise DataError(f"{key!r}, column {shorten(name)}: a list of values is expected")
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise DataError(
            f"{key!r}: column {shorten(shortest)} has {lengths[shortest]} values, "
            f"column {shorten(longest)} {lengths[longest]}"
        )
    columns = [[_flat(value) for value in column] for column in values.values()]
    return matrix([list(row) for row in zip(*columns, strict=True)], key, list(values), ())


def _flat(value: Any) -> Any:
    """Return the only value of a list of one: a column of shape [rows, 1]."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def parse(body: bytes) -> Any:
    """Return the document of a body.

    Args:
        body: Body of the request.

    Returns:
        JSON values.

    Raises:
        DataError: The body is not UTF-8, not JSON, nested too deeply, or an object has a key twice.
    """
    document = _parse_unambiguous(body)
    if document is not None:
        return document
    try:
        return json.loads(body, object_pairs_hook=_unique, parse_int=_integer)
    except RecursionError:
        raise DataError("the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise DataError("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None


def _parse_unambiguous(body: bytes) -> Any:
    """Return the document of a body without anything unusual, five times as fast as the strict parser; else None.

    The fast parser keeps the last of two equal keys. An object has a colon per key, and text only adds some: as many
    colons as keys mean that no key occurs twice.
    """
    if b"\\" in body:
        return None
    try:
        document = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return None
    colons = body.count(b":")
    if type(document) is dict and len(document) == 1:  # most requests: one list of one record of plain values
        (rows,) = document.values()
        if type(rows) is list and len(rows) == 1 and type(rows[0]) is dict and colons == 1 + len(rows[0]):
            return document
    return document if colons == _keys(document) else None


def _keys(document: Any) -> int:
    if isinstance(document, dict):
        return len(document) + sum(_keys(value) for value in document.values() if type(value) in (dict, list))
    if isinstance(document, list):
        return sum(_keys(value) for value in document if type(value) in (dict, list))
    return 0


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the key {shorten(repeated)} occurs twice in one object")
    return members


def _integer(digits: str) -> int | float:
    if len(digits) <= LONGEST_INTEGER:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def _rows(rows: Any, key: str) -> list[Any]:
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{key!r} must be a list with at least one row")
    if len(rows) > MAX_ROWS:
        raise DataError(f"{key!r} has {len(rows):,} rows; send at most {MAX_ROWS:,} at a time")
    return rows


def _names(names: Any, columns: Sequence[str]) -> list[str]:
    if names is None:
        return list(columns)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("'columns' must be a list of names")
    if len(set(names)) < len(names):
        raise DataError("'columns' names a column twice")
    return names


def _record(number: int, row: Any) -> Row:
    if not isinstance(row, dict):
        raise DataError(f"row {number}: a reading is an object with a value per column")
    if not _NESTED.isdisjoint(map(type, row.values())):
        for name, value in row.items():
            _scalar(number, name, value)
    return row


def _matrix_row(number: int, row: Any, names: Sequence[str]) -> Row:
    if not isinstance(row, list) or len(row) != len(names):
        count = f"{len(row)} values" if isinstance(row, list) else "no list"
        raise DataError(
            f"row {number}: {count}, expected {len(names)}: {shorten(', '.join(names), quote=False)}"
        )
    return {name: _scalar(number, name, value) for name, value in zip(names, row, strict=True)}


def _scalar(number: int, name: str, value: Any) -> Value:
    if isinstance(value, list | dict):
        raise DataError(f"row {number}, column {shorten(name)}: a list or an object is not a value")
    scalar: Value = value
    return scalar


def shorten(value: object, limit: int = 80, *, quote: bool = True) -> str:
    """Return a value as a message shows it: quoted, at most `limit` characters, printable.

    Args:
        value: Any value.
        limit: Largest number of characters.
        quote: Show the value as Python writes it.

    Returns:
        One line of text.
    """
    text = repr(value) if quote else str(value)
    text = text.encode("utf-8", errors="replace").decode()
    return text if len(text) <= limit else f"{text[:limit]}..."
