"""What every source of readings has: its kind, the size limits, the window."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mlops_assets.model_file.section import Section
from mlops_assets.model_file.values import Duration, Unit


class SourceParameters(Section):
    """The keys that every source has."""

    kind: str


class Limits(Section):
    """Sizes from which a source is refused: a small damaged or hostile file must not fill the memory."""

    unpacked_mb: Annotated[int, Field(ge=1, le=10_000_000), Unit("MB")] = 4_000
    """Megabytes that a compressed file (gzip, zip, a workbook) may hold."""
    columns: Annotated[int, Field(ge=1, le=1_000_000), Unit("columns")] = 10_000
    """Columns of the table."""
    cells: Annotated[int, Field(ge=1, le=100_000_000_000), Unit("cells")] = 500_000_000
    """Rows times columns; cells of a workbook, an Avro file or JSON records count ten times."""
    depth: Annotated[int, Field(ge=1, le=200), Unit("levels")] = 50
    """Objects within objects, in JSON, documents and messages."""


class Windowed(SourceParameters):
    """What every source may limit: how much history is read, and how large the table may be."""

    limits: Limits = Limits()
    """Sizes from which reading is refused; raise the one that the message names."""
    window: Duration | None = Field(None, examples=["30d"])
    """Only readings of this much time before the run's `as_of`; unset means all. Needs a `timestamp`."""
