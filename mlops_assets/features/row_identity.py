"""Which row is which, whatever table it stands in: fingerprints that growth, order and duplicates do not change.

Comes in: a feature table. Goes out: one 64-bit fingerprint per row, and a number in [0, 1) drawn from it with the
model file's seed, which `splitting` turns into a part. Also `SeenRows`: the rows a model was fitted, tuned or
calibrated on, stored with it, so that a later comparison can leave them out.

A fingerprint is BLAKE2b over the identity columns, numbers by their float64 bits: equal on every machine and release.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.features import columns
from mlops_assets.model_file import ModelSpec

Fingerprints = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class SeenRows:
    """The rows that shaped a model: `until` for a split by time, else the fingerprints of `identity`, ascending."""

    identity: tuple[str, ...]
    until: datetime | None
    fingerprints: Fingerprints

    def mask(self, spec: ModelSpec, frame: pl.DataFrame) -> NDArray[np.bool_] | None:
        """Return True for each row that shaped the model; None when this frame cannot tell.

        Args:
            spec: The model file in force, for the timestamp.
            frame: Feature rows.

        Returns:
            Booleans, shape (rows,), or None.
        """
        if self.until is not None:
            if spec.timestamp is None or spec.timestamp not in frame.columns:
                return None
            times = frame[spec.timestamp].dt.epoch("us").to_numpy()
            known: NDArray[np.bool_] = times <= int((self.until - _EPOCH).total_seconds() * 1_000_000)
            return known
        if not set(self.identity) <= set(frame.columns):
            return None
        return np.isin(fingerprints(frame, self.identity), self.fingerprints)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that a bundle stores."""
        packed = self.fingerprints.astype("<u8").tobytes()
        return {
            "identity": list(self.identity),
            "until": self.until.isoformat() if self.until else None,
            "fingerprints": base64.b64encode(packed).decode("ascii"),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> SeenRows:
        """Return the record that `to_json` wrote.

        Args:
            body: The JSON form.

        Returns:
            The record.
        """
        packed = np.frombuffer(base64.b64decode(body["fingerprints"]), dtype="<u8").astype(np.uint64)
        until = datetime.fromisoformat(body["until"]) if body["until"] else None
        return cls(tuple(body["identity"]), until, packed)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def identity_columns(spec: ModelSpec, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that say which row a row is.

    The group of a group split; else `split.key`; else timestamp and entity; else every column that is read and not
    computed, so that equal rows are one row.

    Args:
        spec: The model file.
        names: Columns of the feature table.

    Returns:
        Names of columns.
    """
    if spec.split.strategy == "group" and spec.split.group is not None:
        return (spec.split.group,)
    if spec.split.key:
        return spec.split.key
    if spec.timestamp is not None:
        return tuple(name for name in (spec.timestamp, spec.entity) if name is not None)
    computed = {*columns.computed_names(spec), *columns.computed_names(spec, "grid")}
    return tuple(sorted(name for name in names if name not in computed))


def fingerprints(frame: pl.DataFrame, identity: Sequence[str]) -> Fingerprints:
    """Return one 64-bit fingerprint per row, equal for rows that are equal in the identity columns.

    Args:
        frame: Any rows.
        identity: Names of columns in the frame.

    Returns:
        Uint64, shape (rows,).
    """
    texts = frame.select(
        pl.concat_str([_text(frame[name]) for name in identity], separator="\x1f").alias("text")
    )["text"]
    return np.fromiter(
        (
            int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
            for text in texts.to_list()
        ),
        dtype=np.uint64,
        count=frame.height,
    )


def draws(prints: Fingerprints, seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) per fingerprint, keyed by the seed (the finalizer of SplitMix64, Steele et al. 2014).

    Args:
        prints: As `fingerprints` gives them.
        seed: `split.seed`.

    Returns:
        Float64, shape (rows,).
    """
    key = int.from_bytes(hashlib.blake2b(f"split {seed}".encode(), digest_size=8).digest(), "little")
    mixed = prints ^ np.uint64(key)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    uniform: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
    return uniform


def _text(series: pl.Series) -> pl.Series:
    """Return a column as text that says the same for equal values: numbers by their bits, instants in microseconds."""
    if series.dtype.is_temporal():
        series = series.dt.epoch("us") if isinstance(series.dtype, pl.Datetime) else series.cast(pl.Int64)
        return series.cast(pl.String).fill_null("\x00")
    if series.dtype.is_numeric():
        floats = series.cast(pl.Float64).fill_null(float("nan")).to_numpy() + 0.0
        floats = np.where(np.isnan(floats), np.nan, floats)
        return pl.Series(series.name, floats.view(np.int64)).cast(pl.String)
    return series.cast(pl.String).fill_null("\x00")
