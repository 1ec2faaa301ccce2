"""Which rows train, which choose, which judge; the same rows every time for the same frame and model file.

Comes in: a feature table. Goes out: three frames and a digest that says which row fell where. Rows without a target
are in none of them. Repeated folds are `folds`' business.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import PARTS, Split
from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec

Strategy = Literal["temporal", "random", "stratified", "group"]
Places = NDArray[np.int8]
"""Per row the number of its part in PARTS, or OUT."""

OUT: Final = -1


def strategy(spec: ModelSpec) -> Strategy:
    """The model file's, else by time where there is a timestamp, by class for classes, at random for numbers."""
    if spec.split.strategy is not None:
        return spec.split.strategy
    if spec.timestamp is not None:
        return "temporal"
    return "stratified" if spec.problem == "classification" else "random"


def split(spec: ModelSpec, frame: pl.DataFrame) -> Split:
    """Rows with a target, in three parts by the shares of `split:`.

    temporal: parts follow each other, one instant never straddles two, and `gap` (at least a forecast's horizon) is
    left out before each later part. random, stratified and group do not depend on the order of rows.

    Raises DataError when a part would be empty, or a class of the data is missing in the training part.
    """
    labelled = canonical(spec, with_target(spec, frame))
    if labelled.is_empty():
        raise DataError(f"{spec.name}: no row has a value of the target {spec.target!r}")
    how = strategy(spec)
    places = PLACERS[how](spec, labelled)
    parts = [labelled.filter(pl.Series(places == number)) for number in range(len(PARTS))]
    for name, part in zip(PARTS, parts, strict=True):
        if part.is_empty():
            raise DataError(
                f"{spec.name}: the {name} part is empty: {labelled.height:,} rows with a target do not suffice for "
                f"the {how} split{' and its gap' if how == 'temporal' else ''}"
            )
    _classes_known(spec, labelled, parts[0])
    train, validation, test = parts
    return Split(train, validation, test, how, _digest(spec, labelled, places))


def with_target(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows whose target is there (NaN is not)."""
    if spec.target not in frame.columns:
        raise DataError(f"{spec.name}: the target column {spec.target!r} is not among the features")
    target = pl.col(spec.target)
    known = (
        target.is_not_null() & target.is_not_nan()
        if frame.schema[spec.target].is_float()
        else target.is_not_null()
    )
    return frame.filter(known)


def canonical(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in an order that only their content decides: time, then entity, then every other column."""
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None]
    if keys and not frame.select(keys).is_duplicated().any():
        return frame.sort(keys)
    return frame.sort([*keys, *sorted(set(frame.columns) - set(keys))], nulls_last=True)


def purge(spec: ModelSpec) -> timedelta:
    """Time between parts: the model file's gap, but no label of one part may lie inside the next."""
    return max(spec.split.gap or timedelta(0), spec.features.horizon or timedelta(0))


def _temporal(spec: ModelSpec, frame: pl.DataFrame) -> Places:
    assert spec.timestamp is not None
    times = frame[spec.timestamp].dt.epoch("us").to_numpy()
    instants, first = np.unique(times, return_index=True)
    cuts = []
    for share in (spec.split.train, spec.split.train + spec.split.validation):
        at = int(np.searchsorted(first, round(share * frame.height)))
        cuts.append(instants[min(at, len(instants) - 1)])
    gap = purge(spec) // timedelta(microseconds=1)
    places = np.full(frame.height, OUT, dtype=np.int8)
    places[times < cuts[0] - gap] = 0
    places[(times >= cuts[0]) & (times < cuts[1] - gap)] = 1
    places[times >= cuts[1]] = 2
    return places


def _random(spec: ModelSpec, frame: pl.DataFrame) -> Places:
    return _shuffled(spec, np.random.default_rng(spec.split.seed), frame.height)


def _stratified(spec: ModelSpec, frame: pl.DataFrame) -> Places:
    """Each class shared out by itself, classes in the order of their names."""
    places = np.full(frame.height, OUT, dtype=np.int8)
    labels = frame[spec.target].cast(pl.String).to_numpy()
    chance = np.random.default_rng(spec.split.seed)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places[rows] = _shuffled(spec, chance, len(rows))
    return places


def _group(spec: ModelSpec, frame: pl.DataFrame) -> Places:
    """Whole groups in random order; each goes to the part that lacks most rows; none stays empty."""
    column = spec.split.group
    if column is None or column not in frame.columns:
        raise DataError(f"{spec.name}: the column {column!r} to split by (split.group) is not in the data")
    groups = frame[column].cast(pl.String).fill_null("").to_numpy()
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    wanted = np.array([spec.split.train, spec.split.validation, spec.split.test]) * frame.height
    given = np.zeros(3)
    part = np.zeros(len(names), dtype=np.int8)
    order = np.random.default_rng(spec.split.seed).permutation(len(names)).tolist()
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = np.flatnonzero(given == 0)
        part[group] = empty[0] if 0 < len(empty) == left else int(np.argmax(wanted - given))
        given[part[group]] += sizes[group]
    return part[member]


PLACERS: Final = {"temporal": _temporal, "random": _random, "stratified": _stratified, "group": _group}


def _shuffled(spec: ModelSpec, chance: np.random.Generator, rows: int) -> Places:
    """`rows` places in random order; from three rows on, each part gets at least one."""
    shares = np.array([spec.split.train, spec.split.validation, spec.split.test])
    counts = np.diff(np.round(np.cumsum([0, *shares]) * rows)).astype(np.int64)
    while rows >= 3 and counts.min() == 0:
        counts[np.argmax(counts)] -= 1
        counts[np.argmin(counts)] += 1
    places = np.repeat(np.arange(3, dtype=np.int8), counts)
    return chance.permutation(np.resize(places, rows) if len(places) != rows else places)


def _classes_known(spec: ModelSpec, frame: pl.DataFrame, train: pl.DataFrame) -> None:
    if spec.problem != "classification":
        return
    seen = set(train[spec.target].unique().to_list())
    if unseen := sorted(str(label) for label in frame[spec.target].unique().to_list() if label not in seen):
        raise DataError(
            f"{spec.name}: the training part holds no row of class {', '.join(unseen)}; "
            "add data, or choose another split"
        )


def _digest(spec: ModelSpec, frame: pl.DataFrame, places: Places) -> str:
    """sha256 over each row's keys and target (every column where there are no keys) and its part."""
    keys = [name for name in (spec.timestamp, spec.entity, spec.target) if name is not None]
    named = keys if spec.timestamp is not None or spec.entity is not None else sorted(frame.columns)
    hashed = hashlib.sha256(places.tobytes())
    for name in named:
        column = frame[name]
        if column.dtype.is_temporal():
            column = column.cast(pl.Int64)
        hashed.update(name.encode())
        if column.dtype.is_numeric():
            hashed.update(column.cast(pl.Float64).fill_null(float("nan")).to_numpy().tobytes())
            hashed.update(column.is_null().to_numpy().tobytes())
        else:
            for text in column.cast(pl.String).to_list():
                hashed.update(b"\x00" if text is None else f"\x01{text}\x00".encode())
    return hashed.hexdigest()
