"""What a table's rows are, as types that can be stored and as one hash.

Comes in: any frame. Goes out: the same rows in types that survive storage, and their content hash. The hash is taken
over bytes laid down here, not over a library's file format, so that it stays the same when libraries move on.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import polars as pl

from mlops_assets.errors import DataError

_HASH_ROWS: Final = 1 << 20  # rows hashed at a time: bounds memory, and is part of what the hash means

_WIDER: Final[dict[Any, pl.DataType]] = {
    pl.UInt8: pl.Int16(),
    pl.UInt16: pl.Int32(),
    pl.UInt32: pl.Int64(),
    pl.UInt64: pl.Int64(),
    pl.Int128: pl.Int64(),
    pl.Categorical: pl.String(),
    pl.Enum: pl.String(),
    pl.Time: pl.String(),
    pl.Null: pl.String(),
}
_KEPT: Final[dict[Any, str]] = {
    pl.Int8: "int8",
    pl.Int16: "int16",
    pl.Int32: "int32",
    pl.Int64: "int64",
    pl.Float32: "float32",
    pl.Float64: "float64",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Binary: "bytes",
    pl.Date: "date",
    pl.Datetime: "instant",
    pl.Decimal: "decimal",
}
"""Types a table keeps, under the names that enter the hash: ours, because polars may rename its own."""


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the same rows in types that Delta stores.

    Unsigned integers wider and signed, categories and clock times as text, instants in whole microseconds
    (UTC where they have a zone), a column without values as text.

    Args:
        frame: Any rows.

    Returns:
        The rows.

    Raises:
        DataError: With the column, for nested types and for integers beyond 64 bits.
    """
    casts: list[pl.Expr] = []
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime):
            casts.append(pl.col(name).cast(pl.Datetime("us", "UTC" if dtype.time_zone else None)))
        elif type(dtype) in _WIDER:
            casts.append(pl.col(name).cast(_WIDER[type(dtype)]))
        elif type(dtype) not in _KEPT:
            raise DataError(
                f"column {name!r} holds {dtype}, which a table cannot keep; turn it into plain columns or text first"
            )
    try:
        return frame.with_columns(casts) if casts else frame
    except pl.exceptions.InvalidOperationError as error:
        raise DataError(f"a column holds numbers beyond 64 bits: {str(error).splitlines()[0]}") from None


def content_hash(frame: pl.DataFrame) -> str:
    """Return the sha256 of the rows: column names, types, values and the order of both columns and rows.

    Equal for tables that `storable` makes equal, however their memory is chunked and whatever wrote them.
    Rows in another order are other content: sorting a million rows would cost more than a version does. Every
    NaN is the same NaN; null, NaN, 0.0 and -0.0 are four values.

    Args:
        frame: Any rows.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: As `storable`.
    """
    return content_hash_of(storable(frame).lazy())


def content_hash_of(rows: pl.LazyFrame) -> str:
    """Return `content_hash` of rows that are read part by part: memory for the whole table is not needed.

    Args:
        rows: Rows of a table, whose types are storable.

    Returns:
        64 hexadecimal digits.
    """
    sha = hashlib.sha256()
    for name, dtype in rows.collect_schema().items():
        sha.update(f"{len(name)}:{name}:{_type_name(dtype)};".encode())
    height = rows.select(pl.len()).collect().item()
    sha.update(f"{height} rows;".encode())
    for start in range(0, height, _HASH_ROWS):
        for column in rows.slice(start, _HASH_ROWS).collect().iter_columns():
            _add(sha, column)
    return sha.hexdigest()


def _type_name(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Datetime):
        return "instant" if dtype.time_zone else "clock time"
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision},{dtype.scale})"
    return _KEPT[type(dtype)]


def _add(sha: Any, column: pl.Series) -> None:
    """Which values are present (when some are not), lengths where they vary, then the values, little-endian."""
    nulls = column.null_count()
    sha.update(b"n" if nulls else b"p")
    if nulls:
        sha.update(np.packbits(column.is_null().to_numpy()).tobytes())
    if isinstance(column.dtype, pl.Decimal):
        column = column.cast(pl.String)
    if column.dtype == pl.Binary:
        present = column.fill_null(b"")
        sha.update(_little(present.bin.size().to_numpy()))
        sha.update(b"".join(present.to_list()))
    elif column.dtype == pl.String:
        present = column.fill_null("")
        sha.update(_little(present.str.len_bytes().to_numpy()))
        sha.update(str(present.str.join("").item()).encode())
    elif column.dtype == pl.Boolean:
        sha.update(np.packbits(column.fill_null(False).to_numpy()).tobytes())
    else:
        physical = column.to_physical()
        present = physical.fill_nan(float("nan")) if physical.dtype.is_float() else physical
        sha.update(_little(present.fill_null(0).to_numpy()))


def _little(values: Any) -> Any:
    """Return the array's own memory, in an order that every machine writes alike."""
    array = np.ascontiguousarray(values)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).data
