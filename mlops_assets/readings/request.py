"""What a reader is asked and what it answers, before repairs: the records inside this room.

Comes in: the model file's source section and a `Request`. Goes out: `Fetched`. A reader may leave rows out
when its peer can filter, but never has to: `reading` applies the exact limits afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """Rows wanted: start < timestamp <= as_of, both UTC; no start means from the beginning.

    timestamp: the column as the source names it (before `rename`), None when the model has none.
    zone: IANA zone of timestamps that carry none.
    """

    model: str
    timestamp: str | None
    start: datetime | None
    as_of: datetime
    zone: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows as the source has them. `repairs` holds what the format itself needed; `source` carries no secret."""

    frame: pl.DataFrame
    source: str
    repairs: tuple[Repair, ...] = ()


def examples(values: Iterable[object], limit: int = 3) -> str:
    """A few offending values for an error message, shortened."""
    shown = [repr(value) for _, value in zip(range(limit), values, strict=False)]
    return ", ".join(text if len(text) <= 40 else text[:37] + "..." for text in shown)
