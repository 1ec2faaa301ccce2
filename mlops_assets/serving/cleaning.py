"""The declared cleaning steps that concern single values, for the records of a request: as training reads them.

Comes in: records. Goes out: records with missing words and sentinels as None, and numbers written 1.234,5 as numbers,
by the functions that clean a whole table. Steps about rows (duplicates, order, flags) have no meaning here, and names
are those after `rename`.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mlops_assets.errors import DataError, MlopsError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.types import numbers_in_text
from mlops_assets.serving.payload import Row, Value, shorten


def cleans_values(spec: RepairsSpec) -> bool:
    """Return whether a model file declares a step that concerns single values.

    Args:
        spec: The section `repairs`.

    Returns:
        False for most models, whose requests are then used as they are.
    """
    return bool(spec.missing_text or spec.sentinels or spec.decimal_comma or spec.thousands)


def clean_rows(spec: RepairsSpec, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the records as training would have read them.

    Args:
        spec: The section `repairs` of the model file.
        rows: Records of a request.

    Returns:
        New records where a step is declared, else the same.

    Raises:
        DataError: Text in a column of numbers is no number in the declared notation.
    """
    if not cleans_values(spec):
        return rows
    missing = {word.strip() for word in spec.missing_text}
    written = {*spec.decimal_comma, *spec.thousands}
    return [
        {name: _clean(spec, number, name, value, missing, written) for name, value in row.items()}
        for number, row in enumerate(rows, start=1)
    ]


def _clean(
    spec: RepairsSpec, number: int, name: str, value: Value, missing: set[str], written: set[str]
) -> Value:
    if isinstance(value, str) and value.strip() in missing:
        return None
    if isinstance(value, str) and name in written:
        value = _number(spec, number, name, value)
    if value is None or name not in spec.sentinels:
        return value
    return None if _is_sentinel(value, spec.sentinels[name]) else value


def _number(spec: RepairsSpec, number: int, name: str, text: str) -> float | None:
    """Read one number written with a decimal comma or thousands separators."""
    notation = "decimal_comma" if name in spec.decimal_comma else "thousands"
    column = spec.model_copy(update={"decimal_comma": (), "thousands": (), notation: (name,)})
    try:
        value = numbers_in_text(pl.DataFrame({name: [text]}), column, "the request")[0][name][0]
    except (MlopsError, UnicodeEncodeError):
        raise DataError(
            f"row {number}, column {name!r}: {shorten(text)} is not a number as repairs.{notation} reads it"
        ) from None
    return None if value is None else float(value)


def _is_sentinel(value: Value, sentinels: tuple[str | int | float, ...]) -> bool:
    if isinstance(value, str):
        return value.strip() in {str(each) for each in sentinels}
    return not isinstance(value, bool) and value in [each for each in sentinels if not isinstance(each, str)]
