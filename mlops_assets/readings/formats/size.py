"""Limits of size: a table, or the content of an archive, that is larger than the model file allows is refused."""

from __future__ import annotations

from typing import BinaryIO, Final

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source_parameters import Limits

OBJECT_COST: Final = 10
"""A value that is a Python object on its way (a cell of a workbook, a value of a record) counts as so many cells."""
_CHUNK: Final = 8_000_000
_MEGABYTE: Final = 1_000_000


def check_size(rows: int, columns: int, limits: Limits, where: str) -> None:
    """Refuse a table that is too large.

    Args:
        rows: Number of rows, as far as it is known.
        columns: Number of columns.
        limits: Sizes from which it is refused.
        where: The table, for the message.

    Raises:
        SourceError: With the limit and the key that raises it.
    """
    if columns > limits.columns:
        raise SourceError(
            f"{where} has {columns:,} columns or more, where {limits.columns:,} are allowed; "
            "raise source.limits.columns if that is right"
        )
    if rows * columns > limits.cells:
        raise SourceError(
            f"{where} is too large: {rows * columns:,} cells or more, where {limits.cells:,} are allowed; "
            "raise source.limits.cells if that is right"
        )


def check_unpacked(size: int, limits: Limits, where: str) -> None:
    """Refuse an archive whose content is too large.

    Args:
        size: Bytes of the content, as far as they are known.
        limits: Sizes from which it is refused.
        where: The archive, for the message.

    Raises:
        SourceError: With the limit and the key that raises it.
    """
    if size > limits.unpacked_mb * _MEGABYTE:
        raise SourceError(
            f"{where} holds more than {limits.unpacked_mb:,} MB once unpacked; "
            "raise source.limits.unpacked_mb if that is right"
        )


def read_limited(stream: BinaryIO, limits: Limits, where: str) -> bytes:
    """Return all bytes of a decompressing stream, or refuse it as soon as the limit is passed.

    Args:
        stream: The decompressed content.
        limits: Sizes from which it is refused.
        where: The archive, for the message.

    Returns:
        The content.

    Raises:
        SourceError: With the limit and the key that raises it.
    """
    parts: list[bytes] = []
    size = 0
    while part := stream.read(_CHUNK):
        size += len(part)
        check_unpacked(size, limits, where)
        parts.append(part)
    return b"".join(parts)
