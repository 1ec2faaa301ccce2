"""What a forecast without any learning would have said: the floor that every model must beat.

Regression: the mean of the training part. Classification: the majority class, with the training shares as
probabilities. Forecasting: the last value known of the same entity.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mlops_assets.artifacts import PARTS, Part, Split
from mlops_assets.evaluation.scoring import Floats, Scored, codes, in_order, numbers, truth_column
from mlops_assets.spec import ModelSpec
from mlops_assets.spec.features import now_column


def naive_numbers(spec: ModelSpec, split: Split) -> dict[Part, Floats]:
    """The naive forecast for every row of every part, in the order of `in_order`. Numbers only.

    For forecasting it is persistence: the target's value at the row's own instant, the last one known where that is
    missing (the rows' own targets lie `horizon` ahead and were not known then). A frame that does not carry that value
    is given the target of the row before. Where nothing was known, the mean of the training part.
    """
    mean = float(np.nanmean(numbers(truth_column(spec, split.train)))) if split.train.height else float("nan")
    if spec.problem != "forecasting" or spec.timestamp is None:
        return {part: np.full(split.part(part).height, mean) for part in PARTS}
    known = now_column(spec.target)
    carried = known in split.train.columns
    keys = [spec.timestamp, *([spec.entity] if spec.entity else []), known if carried else spec.target]
    parts = [in_order(spec, split.part(part)).select(keys) for part in PARTS]
    marked = [part.with_columns(part_=pl.lit(index)) for index, part in enumerate(parts)]
    rows = pl.concat(marked, how="vertical_relaxed").with_row_index("row_")
    value = pl.col(keys[-1]).cast(pl.Float64).fill_nan(None)
    before = value.forward_fill() if carried else value.shift(1)
    naive = (
        rows.sort([spec.timestamp, "row_"])
        .with_columns(naive_=before.over(spec.entity) if spec.entity else before)
        .with_columns(pl.col("naive_").fill_null(mean))
        .sort("row_")
    )
    return {
        part: naive.filter(pl.col("part_") == index)["naive_"].to_numpy() for index, part in enumerate(PARTS)
    }


def baseline(spec: ModelSpec, train: pl.DataFrame, scored: Scored) -> Scored:
    """The naive answers beside the truth of `scored`, whose `naive` must be set for numbers."""
    if spec.problem != "classification":
        naive = scored.naive if scored.naive is not None else np.full(scored.truth.size, float("nan"))
        return Scored(scored.truth, naive, None, scored.naive)
    seen = codes(truth_column(spec, train), scored.classes)
    counts = np.array([float((seen == code).sum()) for code in range(len(scored.classes))])
    shares = counts / counts.sum() if counts.sum() else np.full(counts.size, float("nan"))
    answer = float(np.argmax(counts)) if counts.sum() else float("nan")
    rows = scored.truth.size
    return Scored(scored.truth, np.full(rows, answer), np.tile(shares, (rows, 1)), None, scored.classes)
