"""How far one distribution has moved from another: PSI and KL divergence over shares, and the shares of a new column.

Comes in: two vectors of shares, or a column and the profile it is measured against. Goes out: one number. Which columns
to measure and what a number means is for `validation` (a batch) and `monitoring` (production) to say.

Two conventions decide the number, so they are fixed here:

- Bins. A numeric profile with edges e0 < ... < en has the bins (-inf, e0), [e0, e1), ..., [en, inf):
  closed on the left, open at both ends. A category profile has one bin per value, and one more for every other value.
- Empty bins. A share below `ZERO_FILL` counts as `ZERO_FILL`, on both sides, without scaling the rest again.

Missing values (null and NaN) belong to no bin; their share is watched on its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import ColumnProfile

ZERO_FILL: Final = 1e-4


def psi(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Population stability index, sum((a - e) * ln(a / e)), symmetric and never negative.

    Siddiqi, Credit Risk Scorecards (2006): below 0.1 stable, to 0.25 moderate, above significant.
    Raises ValueError when the vectors differ in length, hold something that is no share, or add up to nothing.
    """
    e, a = _filled(expected, actual)
    return float(np.sum((a - e) * np.log(a / e)))


def kl(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Kullback-Leibler divergence of actual from expected, sum(a * ln(a / e)), in nats.

    Raises ValueError as `psi` does.
    """
    e, a = _filled(expected, actual)
    return float(np.sum(a * np.log(a / e)))


def expected_shares(profile: ColumnProfile) -> tuple[float, ...]:
    """The profile's shares, in the bins that `shares` uses."""
    if profile.kind == "number":
        return profile.shares
    return (*profile.shares, max(0.0, 1.0 - math.fsum(profile.shares)))


def shares(profile: ColumnProfile, column: pl.Series) -> tuple[float, ...]:
    """Shares of the column's present values in the profile's bins, for categories with 'any other value' as the last.

    Raises ValueError when the column has no present value or is text where the profile has numbers.
    """
    counts = (
        _number_counts(profile, column) if profile.kind == "number" else _category_counts(profile, column)
    )
    present = int(counts.sum())
    if present == 0:
        raise ValueError(f"column {column.name!r} has no value to measure")
    return tuple((counts / present).tolist())


def _number_counts(profile: ColumnProfile, column: pl.Series) -> NDArray[np.int64]:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise ValueError(f"column {column.name!r} is {column.dtype}, its profile has numbers")
    values = column.drop_nulls().cast(pl.Float64).drop_nans().to_numpy()
    bins = np.searchsorted(np.asarray(profile.edges, dtype=np.float64), values, side="right")
    return np.bincount(bins, minlength=len(profile.edges) + 1).astype(np.int64)


def _category_counts(profile: ColumnProfile, column: pl.Series) -> NDArray[np.int64]:
    found = column.drop_nulls().cast(pl.String).value_counts(name="count")
    by_value = dict(zip(found[column.name].to_list(), found["count"].to_list(), strict=True))
    known = [by_value.pop(value, 0) for value in profile.values]
    return np.asarray([*known, sum(by_value.values())], dtype=np.int64)


def _filled(
    expected: Sequence[float], actual: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    e, a = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if e.shape != a.shape or e.ndim != 1:
        raise ValueError(
            f"{e.size} expected shares against {a.size} actual ones; both must use the same bins"
        )
    for side, name in ((e, "expected"), (a, "actual")):
        if not np.isfinite(side).all() or (side < 0).any() or not 0.999 <= side.sum() <= 1.001:
            raise ValueError(f"the {name} shares must be finite, not negative and add up to 1")
    return np.maximum(e, ZERO_FILL), np.maximum(a, ZERO_FILL)
