"""Which rows train, which choose, which judge; the same rows every time for the same frame and model file.

Comes in: a feature table. Goes out: three frames and a digest that says which row fell where. Rows without a target
are in none of them. Repeated folds are `folds`' business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import PARTS, Split
from mlops_assets.errors import DataError
from mlops_assets.features.row_identity import SeenRows, draws, fingerprints, identity_columns
from mlops_assets.features.tolerance import overshoot
from mlops_assets.model_file import ModelSpec

Strategy = Literal["temporal", "random", "stratified", "group"]
PartCodes = NDArray[np.int8]
"""Per row the number of its part in PARTS, or OUT."""

OUT: Final = -1


def strategy(spec: ModelSpec) -> Strategy:
    """Return the model file's split strategy, or the default.

    The default is by time where there is a timestamp, by class for classes, at random for numbers.

    Args:
        spec: The model file.

    Returns:
        Name of the strategy.
    """
    if spec.split.strategy is not None:
        return spec.split.strategy
    if spec.timestamp is not None:
        return "temporal"
    return "stratified" if spec.problem == "classification" else "random"


def split(spec: ModelSpec, frame: pl.DataFrame, *, columns: Sequence[str] | None = None) -> Split:
    """Return the rows with a target in three parts, by the shares of `split:`.

    temporal: parts follow each other, one instant never straddles two, and `gap` (at least a forecast's horizon) is
    left out before each later part. random, stratified and group: a row (or group) always keeps its part. The part
    follows from a keyed hash of its identity (see `row_identity`) and from no other row, so growth, order and
    duplicates move nothing; shares hold on average. Only where chance leaves a part without rows, or without rows of a
    class, the row nearest to it moves.

    Args:
        spec: The model file.
        frame: The feature table; it may carry further columns.
        columns: Columns of the feature table itself, where the frame carries further ones.

    Returns:
        The three parts, with the strategy and a digest of the assignment.

    Raises:
        DataError: A part would be empty, or a class of the data is missing in the training part.
    """
    names = list(frame.columns if columns is None else columns)
    rows = labeled(spec, frame, names)
    if rows.is_empty():
        raise DataError(f"{spec.name}: no row has a value of the target {spec.target!r}")
    scheme = strategy(spec)
    codes = ASSIGNMENTS[scheme](spec, rows, names)
    parts = [rows.filter(pl.Series(codes == number)) for number in range(len(PARTS))]
    for name, part in zip(PARTS, parts, strict=True):
        if part.is_empty():
            raise DataError(
                f"{spec.name}: the {name} part is empty: {rows.height:,} rows with a target do not suffice for "
                f"the {scheme} split{' and its gap' if scheme == 'temporal' else ''}"
            )
    _classes_known(spec, rows, parts[0])
    train, validation, test = parts
    return Split(train, validation, test, scheme, _digest(spec, rows, codes, names))


def labeled(spec: ModelSpec, frame: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Return every row with a target, in an order that only their content decides.

    Args:
        spec: The model file.
        frame: The feature table.
        columns: Columns of the feature table itself, where the frame carries further ones.

    Returns:
        The rows, sorted.
    """
    return canonical(spec, with_target(spec, frame), list(frame.columns if columns is None else columns))


def seen_rows(spec: ModelSpec, parts: Split) -> SeenRows:
    """Return which rows shape a model that is trained on this split: fitted, tuned, stopped, encoded or calibrated.

    Args:
        spec: The model file.
        parts: The split; its test part is the only one that a training does not look at.

    Returns:
        Identities of the rows, or the instant up to which all rows count.
    """
    return rows_seen(spec, pl.concat([parts.train, parts.validation], how="vertical_relaxed"))


def rows_seen(spec: ModelSpec, shaped: pl.DataFrame) -> SeenRows:
    """Return which rows shape a model that learns from these.

    Args:
        spec: The model file.
        shaped: The rows.

    Returns:
        Identities of the rows, or the instant up to which all rows count.
    """
    identity = identity_columns(spec, shaped.columns)
    if strategy(spec) == "temporal" and spec.timestamp is not None:
        until = shaped[spec.timestamp].max()
        assert isinstance(until, datetime)
        return SeenRows(identity, until, np.empty(0, dtype=np.uint64))
    return SeenRows(identity, None, np.unique(fingerprints(shaped, identity)))


def with_target(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that have a target; NaN is missing.

    Args:
        spec: The model file.
        frame: The feature table.

    Returns:
        The subset of rows.

    Raises:
        DataError: When the target column is missing.
    """
    if spec.target not in frame.columns:
        raise DataError(f"{spec.name}: the target column {spec.target!r} is not among the features")
    target = pl.col(spec.target)
    known = (
        target.is_not_null() & target.is_not_nan()
        if frame.schema[spec.target].is_float()
        else target.is_not_null()
    )
    return frame.filter(known)


def canonical(spec: ModelSpec, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Return the rows in an order that only their content decides: time, then entity, then every other column.

    Args:
        spec: The model file.
        frame: Rows of the feature table.
        columns: The columns that count.

    Returns:
        The same rows.
    """
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None]
    if keys and not frame.select(keys).is_duplicated().any():
        return frame.sort(keys)
    return frame.sort([*keys, *sorted(set(columns) - set(keys))], nulls_last=True)


def purge(spec: ModelSpec) -> timedelta:
    """Return the time between parts: the gap of the model file, at least the horizon: no label lies in the next part.

    Args:
        spec: The model file.

    Returns:
        A duration, 0 or more.
    """
    return max(spec.split.gap or timedelta(0), spec.features.horizon or timedelta(0))


def _temporal(spec: ModelSpec, frame: pl.DataFrame, _columns: Sequence[str]) -> PartCodes:
    assert spec.timestamp is not None
    times = frame[spec.timestamp].dt.epoch("us").to_numpy()
    instants, first = np.unique(times, return_index=True)
    cuts = []
    for share in (spec.split.train, spec.split.train + spec.split.validation):
        position = int(np.searchsorted(first, round(share * frame.height)))
        cuts.append(instants[min(position, len(instants) - 1)])
    gap = (purge(spec) + overshoot(spec, frame)) // timedelta(microseconds=1)
    codes = np.full(frame.height, OUT, dtype=np.int8)
    codes[times < cuts[0] - gap] = 0
    codes[(times >= cuts[0]) & (times < cuts[1] - gap)] = 1
    codes[times >= cuts[1]] = 2
    return codes


def _random(spec: ModelSpec, frame: pl.DataFrame, columns: Sequence[str]) -> PartCodes:
    return _without_gaps(spec, _drawn(spec, frame, columns))


def _stratified(spec: ModelSpec, frame: pl.DataFrame, columns: Sequence[str]) -> PartCodes:
    """Each class by itself."""
    codes = np.full(frame.height, OUT, dtype=np.int8)
    labels = frame[spec.target].cast(pl.String).to_numpy()
    drawn = _drawn(spec, frame, columns)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        codes[rows] = _without_gaps(spec, drawn[rows])
    return codes


def _group(spec: ModelSpec, frame: pl.DataFrame, columns: Sequence[str]) -> PartCodes:
    """Whole groups: their identity is the group's value."""
    if spec.split.group is None or spec.split.group not in frame.columns:
        raise DataError(
            f"{spec.name}: the column {spec.split.group!r} to split by (split.group) is not in the data"
        )
    return _without_gaps(spec, _drawn(spec, frame, columns))


ASSIGNMENTS: Final = {"temporal": _temporal, "random": _random, "stratified": _stratified, "group": _group}


def _drawn(spec: ModelSpec, frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    identity = identity_columns(spec, columns)
    if absent := [name for name in identity if name not in frame.columns]:
        raise DataError(f"{spec.name}: the column {absent[0]!r} of split.key is not in the feature table")
    return draws(fingerprints(frame, identity), spec.split.seed)


def _without_gaps(spec: ModelSpec, drawn: NDArray[np.float64]) -> PartCodes:
    """Return the part of each draw.

    Where at least three different draws leave a part empty, the nearest one moves there.
    """
    edges = np.cumsum([spec.split.train, spec.split.validation])
    values, member = np.unique(drawn, return_inverse=True)
    codes = np.searchsorted(edges, values, side="right").astype(np.int8)
    middles = (edges[0] / 2, edges.mean(), (edges[1] + 1) / 2)
    for part in range(len(PARTS)) if len(values) >= len(PARTS) else ():
        if (codes == part).any():
            continue
        spare = np.bincount(codes, minlength=len(PARTS))[codes] > 1
        codes[np.argmin(np.where(spare, np.abs(values - middles[part]), np.inf))] = part
    return codes[member]


def _classes_known(spec: ModelSpec, frame: pl.DataFrame, train: pl.DataFrame) -> None:
    if spec.problem != "classification":
        return
    known = set(train[spec.target].unique().to_list())
    if unseen := sorted(str(label) for label in frame[spec.target].unique().to_list() if label not in known):
        raise DataError(
            f"{spec.name}: the training part holds no row of class {', '.join(unseen)}; "
            "add data, or choose another split"
        )


def _digest(spec: ModelSpec, frame: pl.DataFrame, codes: PartCodes, columns: Sequence[str]) -> str:
    """sha256 over each row's keys and target (every column where there are no keys) and its part."""
    keys = [name for name in (spec.timestamp, spec.entity, spec.target) if name is not None]
    named = keys if spec.timestamp is not None or spec.entity is not None else sorted(columns)
    hashed = hashlib.sha256(codes.tobytes())
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
