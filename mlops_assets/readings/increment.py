"""Reading only what is new, and exactly that: no row skipped, none doubled, whatever crashed before.

The watermark is not kept anywhere: it is the newest timestamp of the rows already stored. Storing rows is one atomic
commit (`datasets`), so rows and watermark cannot disagree. Rows that arrive late, up to `late`, are still read:
reading starts that much before the watermark and leaves out rows that are stored already.

A run of the lifecycle reads its whole window instead (docs/readings.md says why); this is for whoever keeps a table of
readings up to date from a source that only ever adds rows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from mlops_assets.artifacts import Readings, Repair
from mlops_assets.errors import SourceError
from mlops_assets.model_file import ModelSpec
from mlops_assets.readings.reading import read
from mlops_assets.settings import Settings


def read_new(
    spec: ModelSpec,
    stored: pl.DataFrame,
    *,
    as_of: datetime,
    settings: Settings,
    late: timedelta = timedelta(hours=1),
) -> Readings:
    """Read the rows of the source that are not stored yet, by timestamp and entity (whole rows without an entity).

    Args:
        spec: The model file.
        stored: The rows stored so far; with none this is a plain `read`.
        as_of: The instant to look from.
        settings: Addresses and secrets.
        late: How late a row may arrive.

    Raises:
        SourceError: As `read` does, when the columns have changed, or without a timestamp in the model file.
    """
    if spec.timestamp is None:
        raise SourceError(
            f"model {spec.name!r}: reading only what is new needs a 'timestamp' in the model file"
        )
    newest = stored[spec.timestamp].max() if stored.height else None
    if not isinstance(newest, datetime):
        return read(spec, as_of=as_of, settings=settings)
    readings = read(spec, as_of=as_of, settings=settings, since=newest - late - timedelta(microseconds=1))
    if not readings.frame.width:
        return replace(readings, frame=stored.clear(), watermark=newest)
    changed = sorted(set(readings.frame.columns) ^ set(stored.columns))
    if changed and readings.frame.height:
        raise SourceError(
            f"model {spec.name!r}: {readings.source} has other columns than the rows stored: "
            f"{', '.join(changed[:6])}; read the whole window anew"
        )
    keys = [spec.timestamp, spec.entity] if spec.entity else readings.frame.columns
    recent = stored.filter(pl.col(spec.timestamp) >= newest - late)
    fresh = readings.frame.join(
        recent.select(keys), on=keys, how="anti", maintain_order="left", nulls_equal=True
    )
    known = readings.frame.height - fresh.height
    noted = (*readings.repairs, *([Repair("stored_already_left_out", None, known)] if known else []))
    return replace(readings, frame=fresh, repairs=noted, watermark=max(newest, readings.watermark or newest))
