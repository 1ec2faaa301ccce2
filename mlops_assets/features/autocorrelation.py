"""Autocorrelation of consecutive rows: with it, a random split tests on neighbors of training rows.

Comes in: the model file and the feature table in the order of its source. Goes out: one sentence for the report, or
nothing. It is a warning and no gate: a file may be sorted for reasons that have nothing to do with time.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.features.splitting import strategy, with_target
from mlops_assets.model_file import ModelSpec

LIKE: Final = 0.5
"""Autocorrelation of neighboring targets above which they count as alike. For classes, which have none, the share of
equal neighbors takes its place, rescaled so that 0 is what chance gives and 1 is all (Cohen's kappa of the column with
itself one row on)."""
FEWEST_ROWS: Final = 50


def autocorrelation_warning(spec: ModelSpec, frame: pl.DataFrame) -> str | None:
    """Warn when the split is random and a row's target predicts the next row's target.

    Args:
        spec: The model file.
        frame: The feature table, in order of time.

    Returns:
        A sentence with the fix, or None.
    """
    if strategy(spec) not in ("random", "stratified"):
        return None
    target = with_target(spec, frame)[spec.target]
    if len(target) < FEWEST_ROWS:
        return None
    result = _classes(target) if spec.problem == "classification" else _numbers(target)
    if result is None:
        return None
    fix = "split by time" if spec.timestamp else "give a timestamp"
    return f"consecutive rows are autocorrelated ({result}): {fix}, a random split is optimistic"


def _classes(target: pl.Series) -> str | None:
    """None also where the table is sorted by class, one run of each: that says nothing about time."""
    labels = target.cast(pl.String)
    shares = labels.value_counts()["count"] / len(labels)
    chance = float((shares**2).sum())
    runs = labels.rle_id().n_unique()
    equal = 1.0 - (runs - 1) / (len(labels) - 1)
    if runs <= len(shares) or (equal - chance) <= LIKE * (1.0 - chance):
        return None
    return f"{equal:.0%} have the class of the row before, {chance:.0%} would by chance"


def _numbers(target: pl.Series) -> str | None:
    values = target.cast(pl.Float64)
    if values.is_sorted() or values.is_sorted(descending=True):
        return None
    pairs = pl.DataFrame({"this": values[1:], "before": values[:-1]})
    correlation = pairs.select(pl.corr("this", "before")).item()
    if correlation is None or not correlation > LIKE:
        return None
    return f"the target of neighbors correlates by {correlation:.2f}"
