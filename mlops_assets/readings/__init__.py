"""Readings: fetched from their source and cleaned as the model file declares, into one frame.

Comes in: a `ModelSpec`, the instant a run looks from, the settings. Goes out: `Readings` (rows, counted repairs, the
source's description). Judging the rows belongs to `validation`, keeping versions of them to `datasets`.
One file per kind of source; `sources.SOURCES` lists them.
"""

from mlops_assets.readings.history import History
from mlops_assets.readings.reading import fetch_history, read, read_span
from mlops_assets.readings.sources.registry import SOURCES

__all__ = ["SOURCES", "History", "fetch_history", "read", "read_span"]
