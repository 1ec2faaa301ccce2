"""The records that pass between the modules of this package: what to read, and what was read, before cleaning.

Comes in: the model file's source section and a `Request`. Goes out: `Fetched`. A reader may leave rows out
when its peer can filter, but never has to: `reading` applies the exact limits afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """The rows to read: start < timestamp <= as_of, both UTC; no start means from the beginning.

    timestamp: the column as the source names it (before `rename`), None when the model has none.
    zone: IANA zone of timestamps that carry none. as_text: columns, as the source names them, that a text file must
    not read as numbers.
    """

    model: str
    timestamp: str | None
    start: datetime | None
    as_of: datetime
    zone: str
    settings: Settings
    as_text: frozenset[str] = frozenset()


def text_columns(rules: RepairsSpec, timestamp: str | None) -> frozenset[str]:
    """Return the columns whose cleaning needs the text unchanged: 1.613 with a decimal comma, 20260131 a day.

    Args:
        rules: The cleaning steps of the model file.
        timestamp: Name of the timestamp column after `rename`.

    Returns:
        Names as in the source.
    """
    wanted = {
        *rules.decimal_comma,
        *rules.thousands,
        *(name for name, kind in rules.cast.items() if kind == "text"),
    }
    if rules.timestamp_format is not None:
        wanted |= {name for name, kind in rules.cast.items() if kind == "timestamp"} | (
            {timestamp} if timestamp else set()
        )
    original = {new: old for old, new in rules.rename.items()}
    return frozenset(original.get(name, name) for name in wanted)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows as the source has them. `repairs` holds what the format itself needed; `source` carries no secret."""

    frame: pl.DataFrame
    source: str
    repairs: tuple[Repair, ...] = ()
    inferred: frozenset[str] = frozenset()
    """Text columns whose type was inferred from the values, not declared by the source."""


def text_names(frame: pl.DataFrame) -> frozenset[str]:
    """Return the names of the text columns.

    Args:
        frame: The readings.

    Returns:
        Names of columns.
    """
    return frozenset(name for name, kind in frame.schema.items() if kind == pl.String)


def examples(values: Iterable[object], limit: int = 3) -> str:
    """Return a few offending values for an error message, shortened.

    Args:
        values: The values.
        limit: How many are shown.

    Returns:
        Text, separated by commas.
    """
    shown = [repr(value) for _, value in zip(range(limit), values, strict=False)]
    return ", ".join(text if len(text) <= 40 else text[:37] + "..." for text in shown)
