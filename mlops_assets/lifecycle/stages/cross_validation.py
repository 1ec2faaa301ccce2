"""Cross-validation of candidates: each is fitted again per fold, and its metrics are averaged.

Comes in: the rows that a training may look at (train and validation; never test). Goes out: one mean per metric and
candidate, by which candidates are ranked in place of the one validation part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from mlops_assets import features
from mlops_assets.artifacts import Candidate, Metrics, Split
from mlops_assets.model_file import ModelSpec

FitFold = Callable[[Split], Sequence[Candidate]]
"""Fits every candidate on the train part and measures it on the validation part, always in the same order."""


def cross_validate(spec: ModelSpec, split: Split, fit_fold: FitFold) -> tuple[Metrics | None, ...]:
    """Return per candidate the mean of each metric over the folds; None where a fold was not fitted.

    Args:
        spec: A model file with `split.cross_validation`.
        split: The split of the training.
        fit_fold: Fits and measures all candidates of one fold.

    Returns:
        Value by metric per candidate, or None.

    Raises:
        DataError: A fold would be empty.
    """
    rows = pl.concat([split.train, split.validation], how="vertical_relaxed")
    per_fold = []
    for fold in features.folds_of(spec, rows):
        train, validation = rows[fold.train], rows[fold.validation]
        per_fold.append(fit_fold(Split(train, validation, split.test, split.strategy, split.digest)))
    return tuple(_mean(candidates) for candidates in zip(*per_fold, strict=True))


def _mean(candidates: Sequence[Candidate]) -> Metrics | None:
    if any(one.status != "trained" for one in candidates):
        return None
    measured = [one.metrics["validation"] for one in candidates]
    return {name: float(np.mean([fold[name] for fold in measured])) for name in measured[0]}
