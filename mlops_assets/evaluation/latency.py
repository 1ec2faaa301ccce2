"""How long one answer takes, preparation included. The only place in the room that looks at a clock."""

from __future__ import annotations

import time
from statistics import median
from typing import Final

import polars as pl

from mlops_assets.artifacts import Predictor

CALLS: Final = 25
ENOUGH_SECONDS: Final = 1.0


def latency_ms(predictor: Predictor, frame: pl.DataFrame, rows: int = 1) -> float | None:
    """Median milliseconds of one call with `rows` rows, after one call to warm up; None when there are fewer rows."""
    if frame.height < rows:
        return None
    sample = frame.head(rows)
    predictor.predict(sample)
    taken: list[float] = []
    while len(taken) < CALLS and sum(taken) < ENOUGH_SECONDS:
        started = time.perf_counter()
        predictor.predict(sample)
        taken.append(time.perf_counter() - started)
    return 1000.0 * median(taken)
