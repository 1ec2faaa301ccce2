"""Importance drift: whether a model leans on other features than it used to. An early warning, not a verdict.

Comes in: two SHAP rankings. Goes out: their rank correlation and the features that moved most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlops_assets.artifacts import Explanation
from mlops_assets.model_file import ModelSpec

AGREE: Final = 0.8
"""Rank correlation from which two rankings tell the same story."""
FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class ImportanceDrift:
    """Stored. Spearman's rank correlation over the features of either ranking, None when it says nothing (fewer than
    FEWEST features). moved: feature, rank before, rank after (from 1), the largest moves first."""

    model: str
    correlation: float | None
    changed: bool
    moved: tuple[tuple[str, int, int], ...]


def importance_drift(
    spec: ModelSpec, before: Explanation, after: Explanation, top: int = 5
) -> ImportanceDrift:
    """Compare two rankings. A feature that one lacks counts as unimportant there; ties share their mean rank."""
    names = sorted({name for name, _ in (*before.ranking, *after.ranking)})
    if len(names) < FEWEST:
        return ImportanceDrift(spec.name, None, False, ())
    one, other = (_ranks([dict(side.ranking).get(name, 0.0) for name in names]) for side in (before, after))
    correlation = _correlation(one, other)
    moved = sorted(
        (
            (name, round(a), round(b))
            for name, a, b in zip(names, one, other, strict=True)
            if round(a) != round(b)
        ),
        key=lambda move: (-abs(move[1] - move[2]), move[0]),
    )
    return ImportanceDrift(
        spec.name, correlation, correlation is None or correlation < AGREE, tuple(moved[:top])
    )


def _ranks(values: Sequence[float]) -> list[float]:
    """1 is the most important; equal values share the mean of their places."""
    array = -np.asarray(values)
    return [float((array < value).sum() + ((array == value).sum() + 1) / 2) for value in array]


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return None
    return float(np.corrcoef(one, other)[0, 1])
