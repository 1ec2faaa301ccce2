"""Repeated splits: k-fold, expanding and sliding windows, with purge and embargo.

Comes in: a feature table. Goes out: folds of row numbers, the same for the same rows whatever machine. The one split
that a challenger is judged by is `splitting`'s business.

purge is the time left out of training before a validation block (labels and windows reach over it), embargo the time
left out after one (what happened in it lingers): Lopez de Prado, Advances in Financial Machine Learning (2018), ch. 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.errors import DataError
from mlops_assets.features.splitting import purge as purge_of
from mlops_assets.features.splitting import strategy
from mlops_assets.model_file import ModelSpec

Rows = NDArray[np.int64]
NONE: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers, ascending, of one training and one validation part."""

    train: Rows
    validation: Rows


def k_fold(
    spec: ModelSpec, frame: pl.DataFrame, folds: int = 5, *, embargo: timedelta = NONE
) -> tuple[Fold, ...]:
    """Split into folds so that each row validates once.

    By time, blocks follow one another and training may lie on both sides, separated by the model file's gap
    (a forecast's horizon at least) and `embargo`; else by class, by group or at random, as the model file's
    split.

    Args:
        spec: The model file.
        frame: The feature table.
        folds: Number of folds, at least 2.
        embargo: Extra time left out after a validation block (Lopez de Prado 2018, chapter 7).

    Returns:
        Folds with the row indices of training and validation.

    Raises:
        DataError: When a fold would be empty, or the group column is missing.
    """
    scheme = strategy(spec)
    if scheme == "temporal":
        blocks = _blocks(spec, frame, folds, 0.0)
        return _checked(spec, (_around(spec, frame, begin, end, embargo) for begin, end in blocks))
    chance = np.random.default_rng(spec.split.seed)
    fold_of: Rows = np.empty(frame.height, dtype=np.int64)
    if scheme == "group":
        if spec.split.group is None or spec.split.group not in frame.columns:
            raise DataError(f"{spec.name}: k-fold by group needs the column named by split.group")
        names, member = np.unique(
            frame[spec.split.group].cast(pl.String).fill_null("").to_numpy(), return_inverse=True
        )
        fold_of = chance.permutation(len(names))[member] % folds
    else:
        labels = (
            frame[spec.target].cast(pl.String).fill_null("").to_numpy()
            if scheme == "stratified"
            else np.zeros(frame.height)
        )
        begun = 0
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            fold_of[rows] = (chance.permutation(len(rows)) + begun) % folds
            begun += len(rows)
    folds_ = (Fold(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(folds))
    return _checked(spec, folds_)


def expanding(
    spec: ModelSpec, frame: pl.DataFrame, folds: int = 5, *, first: float | None = None
) -> tuple[Fold, ...]:
    """Train on all rows before each validation block: January to March then April, January to April then May ...

    Args:
        spec: The model file.
        frame: The feature table.
        folds: Number of validation blocks.
        first: Share of the instants that the first fold trains on, between 0 and 1; None: one block's worth.

    Returns:
        Folds in the order of time.

    Raises:
        DataError: Without a timestamp, or when a fold would be empty.
    """
    blocks = _blocks(spec, frame, folds, 1 / (folds + 1) if first is None else first)
    return _checked(spec, (_before(spec, frame, None, begin, end) for begin, end in blocks))


def sliding(
    spec: ModelSpec, frame: pl.DataFrame, folds: int = 4, *, first: float | None = None
) -> tuple[Fold, ...]:
    """Train as `expanding`, but keep the length of the first fold's training part, so that older rows drop out.

    Args:
        spec: The model file.
        frame: The feature table.
        folds: Number of validation blocks.
        first: Share of the instants that the first fold trains on, between 0 and 1; None: one block's worth.

    Returns:
        Folds in the order of time.

    Raises:
        DataError: Without a timestamp, or when a fold would be empty.
    """
    times = _times(spec, frame)
    share = 1 / (folds + 1) if first is None else first
    blocks = list(_blocks(spec, frame, folds, share))
    instants = np.unique(times)
    length = int(np.searchsorted(instants, blocks[0][0]))
    starts = [instants[max(0, int(np.searchsorted(instants, begin)) - length)] for begin, _ in blocks]
    return _checked(
        spec,
        (
            _before(spec, frame, int(start), begin, end)
            for start, (begin, end) in zip(starts, blocks, strict=True)
        ),
    )


METHODS: Final[dict[str, Callable[[ModelSpec, pl.DataFrame, int], tuple[Fold, ...]]]] = {
    "k_fold": k_fold,
    "expanding": expanding,
    "sliding": sliding,
}


def folds_of(spec: ModelSpec, frame: pl.DataFrame) -> tuple[Fold, ...]:
    """Return the folds that `split.cross_validation` of the model file asks for; none where it asks for none.

    Args:
        spec: The model file.
        frame: The rows that training may look at.

    Returns:
        Folds with the row indices of training and validation.

    Raises:
        DataError: A fold would be empty.
    """
    settings = spec.split.cross_validation
    return METHODS[settings.method](spec, frame, settings.folds) if settings is not None else ()


def _times(spec: ModelSpec, frame: pl.DataFrame) -> Rows:
    if spec.timestamp is None:
        raise DataError(f"{spec.name}: folds by time need a 'timestamp' in the model file")
    times: Rows = frame[spec.timestamp].dt.epoch("us").to_numpy()
    return times


def _blocks(spec: ModelSpec, frame: pl.DataFrame, folds: int, first: float) -> Iterator[tuple[int, int]]:
    """Yield validation blocks as [begin, end) in microseconds, equal numbers of instants after the first share."""
    instants = np.unique(_times(spec, frame))
    if folds < 1 or not 0.0 <= first < 1.0 or len(instants) < folds + (first > 0):
        raise DataError(f"{spec.name}: {len(instants)} instants do not suffice for {folds} folds")
    edges: Rows = np.round(np.linspace(first * len(instants), len(instants), folds + 1)).astype(np.int64)
    for begin, end in pairwise([int(edge) for edge in edges]):
        yield int(instants[begin]), int(instants[end]) if end < len(instants) else int(instants[-1]) + 1


def _before(spec: ModelSpec, frame: pl.DataFrame, start: int | None, begin: int, end: int) -> Fold:
    times = _times(spec, frame)
    train = times < begin - purge_of(spec) // timedelta(microseconds=1)
    if start is not None:
        train &= times >= start
    return Fold(np.flatnonzero(train), np.flatnonzero((times >= begin) & (times < end)))


def _around(spec: ModelSpec, frame: pl.DataFrame, begin: int, end: int, embargo: timedelta) -> Fold:
    times = _times(spec, frame)
    gap = purge_of(spec) // timedelta(microseconds=1)
    after = max(embargo // timedelta(microseconds=1), gap)
    train = (times < begin - gap) | (times >= end + after)
    return Fold(np.flatnonzero(train), np.flatnonzero((times >= begin) & (times < end)))


def _checked(spec: ModelSpec, folds: Iterator[Fold]) -> tuple[Fold, ...]:
    folds_ = tuple(folds)
    for number, fold in enumerate(folds_, start=1):
        if not len(fold.train) or not len(fold.validation):
            part = "train" if not len(fold.train) else "validation"
            raise DataError(
                f"{spec.name}: the {part} part of fold {number} is empty; take fewer folds or a smaller gap"
            )
    return folds_
