"""Predictions while an input fails, as rows of text for reports.

Comes in: `SensorFailure` records. Goes out: table cells, the worst failure first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from mlops_assets.artifacts import SensorFailure
from mlops_assets.metrics import METRICS
from mlops_assets.reports.numbers import number

FAILURE_HEAD: Final = ("input", "fails", "metric", "healthy", "failing", "naive baseline", "prediction API")


def failure_rows(failures: Sequence[SensorFailure]) -> list[tuple[str, ...]]:
    """Return the failures as table rows, the worst first.

    Args:
        failures: One per input and condition.

    Returns:
        Cells of `FAILURE_HEAD`.
    """
    return [
        (
            one.input,
            one.condition,
            one.metric,
            number(one.healthy),
            number(one.failing),
            number(one.naive),
            _behavior(one),
        )
        for one in sorted(failures, key=_badness, reverse=True)
    ]


def _badness(one: SensorFailure) -> float:
    if not math.isfinite(one.failing):
        return math.inf
    direction = METRICS[one.metric].direction
    return -one.failing if direction == "higher" else abs(one.failing)


def _behavior(one: SensorFailure) -> str:
    """Return what a caller gets."""
    caught = min(one.noticed + one.refused, one.rows)
    if not caught:
        return "predicts"
    action = f"steps down to {one.fallback}" if one.fallback else "predicts" if not one.refused else "refuses"
    share = f"{caught / one.rows:.0%} of the rows"
    return f"{action}: {share}" if one.fallback or one.refused else f"{action}; {share} could step down"
