"""The type of a cleaning step, and the check that a column which one names exists."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.model_file.suggestion import did_you_mean

Repaired = tuple[pl.DataFrame, list[Repair]]
Step = Callable[[pl.DataFrame, RepairsSpec, str], Repaired]


def need(frame: pl.DataFrame, column: str, named_as: str, where: str) -> None:
    """Check that the frame has a column.

    Args:
        frame: The rows.
        column: Name of the column.
        named_as: The key of the model file that names it.
        where: The source, for error messages.

    Raises:
        SourceError: It does not; the message proposes a similar name.
    """
    if column not in frame.columns:
        raise SourceError(
            f"{where} has no column {column!r} (named in {named_as}){did_you_mean(column, frame.columns)}"
        )
