"""Readings: from where they are, repaired as the model file declares, into one frame.

Comes in: a `ModelSpec`, the instant a run looks from, the settings. Goes out: `Readings` (rows, counted repairs, the
source's description, the watermark). Judging the rows belongs to `validation`, keeping versions of them to `datasets`.
One file per kind of source; `reading.SOURCES` lists them.
"""

from mlops_assets.readings.reading import SOURCES, read

__all__ = ["SOURCES", "read"]
