"""Naive predictions that need no learning, each for every row of every part, in the order of `in_order`.

Comes in: the model file and a split. Goes out: numbers, or classes with their shares. Which of them is the baseline is
`baseline`'s choice. None of them ever looks at a row's own target, nor at anything after the row's own instant.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from mlops_assets.artifacts import PARTS, Part, Split
from mlops_assets.evaluation.scoring import codes, in_order, numbers, truth_column
from mlops_assets.matching import MICROSECOND, below_half, season_reach, usual_step
from mlops_assets.metrics import Floats
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import now_column


class NaivePrediction(NamedTuple):
    """One part: numbers or class codes of shape (rows,); shares of shape (rows, classes), or None for numbers."""

    predicted: Floats
    shares: Floats | None = None


Naive = dict[Part, NaivePrediction]


def mean(spec: ModelSpec, split: Split) -> Naive:
    """Return the mean of the training part.

    Args:
        spec: The model file.
        split: Train, validation and test rows.

    Returns:
        Predictions by part.
    """
    middle = _mean(spec, split)
    return {part: NaivePrediction(np.full(split.part(part).height, middle)) for part in PARTS}


def median(spec: ModelSpec, split: Split) -> Naive:
    """Predict the median of the training part.

    Args:
        spec: The model file.
        split: Train, validation and test rows.

    Returns:
        Predictions by part.
    """
    values = numbers(truth_column(spec, split.train))
    middle = float(np.nanmedian(values)) if values.size else float("nan")
    return {part: NaivePrediction(np.full(split.part(part).height, middle)) for part in PARTS}


def last_value(spec: ModelSpec, split: Split) -> Naive:
    """Predict the target's value at the row's own instant, or the last known one where that is missing.

    The rows' own targets lie `horizon` ahead and were not known then. A table without the present value uses
    the target of the row before. Where nothing was known, the mean of the training part.

    Args:
        spec: The model file.
        split: Train, validation and test rows.

    Returns:
        Predictions by part.
    """
    return _parted(_persistence(spec, split), "last_")


def season_before(spec: ModelSpec, split: Split, season: timedelta) -> Naive:
    """Predict the value of the same entity a whole number of seasons before; else the last known one.

    A row at t forecasts t + horizon, by the newest value at t + horizon - k x season that was known at t, within
    `features.tolerance` of that instant.

    Args:
        spec: The model file.
        split: Train, validation and test rows.
        season: Length of the season.

    Returns:
        Predictions by part.
    """
    rows, keys = _persistence(spec, split), _keys(spec)
    at, ahead = keys[0], spec.features.horizon or timedelta(0)
    # A value stands in two places: as 'now' of its own row, and as the target of the row a horizon before.
    observed = [rows.select(*keys, season_=pl.col("now_"))] if "now_" in rows.columns else []
    observed.append(rows.select(pl.col(at) + ahead, *keys[1:], season_=pl.col("target_")))
    known = pl.concat(observed).drop_nulls("season_").unique(keys, keep="first", maintain_order=True)
    back = season_reach(season, spec.features.horizon) - ahead
    seasonal = _nearest(rows.select(*keys), known.sort(at), back, _tolerance(spec, rows))
    return _parted(rows.with_columns(season_=pl.coalesce(seasonal, rows["last_"])), "season_")


def _tolerance(spec: ModelSpec, rows: pl.DataFrame) -> timedelta:
    """Return `features.tolerance`, else just below half the usual step between rows of an entity."""
    if spec.features.tolerance is not None:
        return spec.features.tolerance
    keys = [name for name in (spec.entity, spec.timestamp) if name]
    ordered = rows.select(keys).sort(keys)
    starts = (
        np.flatnonzero(ordered[spec.entity].rle_id().diff().fill_null(1).to_numpy()) if spec.entity else [0]
    )
    times = ordered[keys[-1]].dt.epoch("us").to_numpy()
    step = usual_step(times, np.asarray([*starts, len(times)], dtype=np.int64))
    return below_half(step) * MICROSECOND


def _nearest(rows: pl.DataFrame, known: pl.DataFrame, back: timedelta, tolerance: timedelta) -> pl.Series:
    """Return for each row the value `back` before it: the nearest not after that instant, else the nearest after it.

    Args:
        rows: Timestamp, then entity where there is one.
        known: The same columns and `season_`, sorted by time.
        back: How far before the row the value lies.
        tolerance: How far from that instant.
    """
    at, *entity = rows.columns
    wanted = rows.with_row_index("row_").with_columns(pl.col(at) - back, own_=pl.col(at)).sort(at)
    known = known.with_columns(instant_=pl.col(at))
    if entity:
        wanted, known = (
            frame.with_columns(pl.col(entity).cast(pl.String).fill_null("")) for frame in (wanted, known)
        )
    values = []
    for strategy in ("backward", "forward"):
        joined = wanted.join_asof(
            known, on=at, by=entity or None, strategy=strategy, tolerance=tolerance, check_sortedness=False
        ).sort("row_")
        values.append(
            joined.select(pl.when(pl.col("instant_") <= pl.col("own_")).then(pl.col("season_"))).to_series()
        )
    return pl.select(pl.coalesce(values)).to_series()


def majority(spec: ModelSpec, split: Split, classes: tuple[str, ...]) -> Naive:
    """Predict the most frequent class of the training part, with the training proportions as probabilities.

    Args:
        spec: The model file.
        split: Train, validation and test rows.
        classes: Names of the classes, in the order of their codes.

    Returns:
        Predictions by part.
    """
    shares = _shares(codes(truth_column(spec, split.train), classes), len(classes))
    return {part: _most_probable(np.tile(shares, (split.part(part).height, 1))) for part in PARTS}


def previous_label(spec: ModelSpec, split: Split, classes: tuple[str, ...]) -> Naive:
    """Predict the most frequent successor of the entity's previous class: a Markov chain of first order.

    Transition probabilities are counted on the training part; one row with the overall proportions is added
    to each count, so that no class is impossible. The previous class is that of the last earlier instant, the
    same for all rows of one instant; a first row uses the overall proportions.

    Args:
        spec: The model file.
        split: Train, validation and test rows.
        classes: Names of the classes, in the order of their codes.

    Returns:
        Predictions by part.
    """
    rows = _stacked(spec, split, [*_keys(spec), spec.target])
    rows = rows.with_columns(code_=pl.Series(codes(rows[spec.target], classes)))
    rows = (
        rows.sort([_keys(spec)[0], "row_"])
        .with_columns(before_=_per_entity(spec, pl.col("code_").shift(1)))
        .with_columns(before_=pl.col("before_").first().over(_keys(spec)))
        .sort("row_")
    )
    size = len(classes)
    train = rows.filter((pl.col("part_") == 0) & pl.col("before_").is_not_null())
    counts = np.zeros((size, size))
    np.add.at(counts, (train["before_"].to_numpy().astype(int), train["code_"].to_numpy().astype(int)), 1)
    overall = _shares(codes(truth_column(spec, split.train), classes), size)
    conditional = (counts + overall) / (counts.sum(axis=1, keepdims=True) + 1)
    table = np.vstack([conditional, overall])
    state = rows["before_"].fill_null(size).to_numpy().astype(int)
    part = rows["part_"].to_numpy()
    return {name: _most_probable(table[state[part == index]]) for index, name in enumerate(PARTS)}


def _keys(spec: ModelSpec) -> list[str]:
    """Timestamp, then entity where there is one."""
    assert spec.timestamp is not None
    return [spec.timestamp, *([spec.entity] if spec.entity else [])]


def _per_entity(spec: ModelSpec, value: pl.Expr) -> pl.Expr:
    return value.over(spec.entity) if spec.entity else value


def _stacked(spec: ModelSpec, split: Split, columns: list[str]) -> pl.DataFrame:
    """Return the three parts one below the other, with `part_` and `row_` to separate them again."""
    parts = [in_order(spec, split.part(part)).select(columns) for part in PARTS]
    marked = [part.with_columns(part_=pl.lit(index)) for index, part in enumerate(parts)]
    return pl.concat(marked, how="vertical_relaxed").with_row_index("row_")


def _persistence(spec: ModelSpec, split: Split) -> pl.DataFrame:
    """Rows of all parts with `target_`, `now_` where the frame carries it, and `last_`, the last value known."""
    known = now_column(spec.target)
    sources = {"target_": spec.target, **({"now_": known} if known in split.train.columns else {})}
    rows = _stacked(spec, split, list(dict.fromkeys([*_keys(spec), *sources.values()])))
    rows = rows.with_columns(
        pl.col(name).cast(pl.Float64).fill_nan(None).alias(alias) for alias, name in sources.items()
    )
    before = pl.col("now_").forward_fill() if "now_" in sources else pl.col("target_").shift(1)
    return (
        rows.sort([_keys(spec)[0], "row_"])
        .with_columns(last_=_per_entity(spec, before))
        .with_columns(pl.col("last_").fill_null(_mean(spec, split)))
        .sort("row_")
    )


def _parted(rows: pl.DataFrame, column: str) -> Naive:
    return {
        part: NaivePrediction(rows.filter(pl.col("part_") == index)[column].to_numpy())
        for index, part in enumerate(PARTS)
    }


def _mean(spec: ModelSpec, split: Split) -> float:
    values = numbers(truth_column(spec, split.train))
    return float(np.nanmean(values)) if values.size else float("nan")


def _shares(observed: Floats, classes: int) -> Floats:
    counts = np.array([float((observed == code).sum()) for code in range(classes)])
    return counts / counts.sum() if counts.sum() else np.full(counts.size, float("nan"))


def _most_probable(shares: Floats) -> NaivePrediction:
    """Return the most probable class of each row; NaN where nothing is known."""
    known = np.isfinite(shares).all(axis=1)
    return NaivePrediction(np.where(known, np.nan_to_num(shares).argmax(axis=1), float("nan")), shares)
