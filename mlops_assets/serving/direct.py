"""A few rows straight to predictions, without a data frame, for models whose features are columns as they are.

Comes in: records. Goes out: the same predictions as by the general path (`features.online`, then the predictor), or
None where this path has any doubt: the general path then decides, and words the error. A polars frame of one row costs
a millisecond, this some ten microseconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, get_args

import numpy as np
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.features.columns import computed_names
from mlops_assets.features.encoding import Category, Group
from mlops_assets.features.kinds.kind import Role
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving.payload import Row
from mlops_assets.serving.table import LARGEST, Columns
from mlops_assets.training import Algorithm

Floats = NDArray[np.float64]
_NUMBERS: Final = frozenset({float, int, bool})
_SCALARS: Final = frozenset({str, int, bool})

MOST_ROWS: Final = 256
"""More rows at once take the general path, which then costs less per row."""
TOLERANCE: Final = 1e-9
"""Relative difference between the two paths that summing in another order explains."""
SLOW_SECONDS: Final = 0.002
"""A model that needs longer for a row is not run between other requests, but in a thread."""


@dataclass(frozen=True, slots=True)
class DirectPath:
    """Predicts a few rows of one champion.

    numbers: names of numeric columns, with fills, centres and widths as the preparation has them (NaN: no fill).
    plain: the same of each column as Python's numbers, which are faster for one row.
    needed: how many columns a row must have; allowed: all that it may have.
    lookups: one per further column of the matrix. unused: needed columns that enter no matrix. runtime: what predicts.
    one: predicts a row of plain numbers, where all columns are numbers that enter the matrix as they are.
    """

    estimator: Algorithm
    run: Callable[[Floats], Floats]
    runtime: str
    needed: int
    allowed: frozenset[str]
    numbers: tuple[str, ...]
    fills: Floats
    centres: Floats
    widths: Floats
    lookups: tuple[tuple[str, dict[str, float], float], ...]
    unused: tuple[str, ...]
    single: bool
    plain: tuple[tuple[float, float, float], ...]
    seconds_per_row: float = 0.0
    one: Callable[[Sequence[float]], float] | None = None

    @classmethod
    def of(
        cls, spec: ModelSpec, columns: Columns, predictor: BundlePredictor, sample: FeatureMatrix
    ) -> Self | None:
        """Return the path of a champion, or None for one whose features are computed from more than the row's columns.

        Args:
            spec: The model file.
            columns: The columns of a request.
            predictor: The loaded predictor.
            sample: Rows of the bundle's sample; the fast predictor is used only if it agrees with the native one there.

        Returns:
            The path, or None.
        """
        preparation = predictor.preparation
        computed = [
            name for role in get_args(Role) for name in computed_names(spec, role) if role != "fitted"
        ]
        if computed or spec.timestamp or spec.entity or preparation.past or preparation.timestamp:
            return None
        numbers = tuple(number.name for number in preparation.numbers)
        encodings: tuple[Category | Group, ...] = (*preparation.categories, *preparation.groups)
        lookups = tuple(lookup for one in encodings for lookup in _lookups(one))
        used = {*numbers, *(name for name, _, _ in lookups)}
        if not used <= set(columns.needed):
            return None
        run, runtime = _runtime(predictor.estimator, sample)
        unused = tuple(name for name in columns.needed if name not in used)
        as_they_are = all(one.centre == 0.0 and one.width == 1.0 for one in preparation.numbers)
        is_plain = as_they_are and not lookups and not unused and spec.features.precision != "float32"
        return cls(
            estimator=predictor.estimator,
            run=run,
            runtime=runtime,
            needed=len(columns.needed),
            allowed=columns.ignored.union(columns.needed),
            numbers=numbers,
            fills=np.array([np.nan if one.fill is None else one.fill for one in preparation.numbers]),
            centres=np.array([one.centre for one in preparation.numbers]),
            widths=np.array([one.width for one in preparation.numbers]),
            lookups=lookups,
            unused=unused,
            single=spec.features.precision == "float32",
            plain=tuple(
                (math.nan if one.fill is None else one.fill, one.centre, one.width)
                for one in preparation.numbers
            ),
            seconds_per_row=_seconds(run, sample),
            one=_one(predictor.estimator, run, sample) if is_plain else None,
        )

    @property
    def is_quick(self) -> bool:
        """Return whether a row takes so little time that other requests may wait for it."""
        return self.seconds_per_row < SLOW_SECONDS

    def predict(self, rows: Sequence[Row]) -> tuple[NDArray[Any], Floats | None] | None:
        """Return predictions (rows,) and probabilities (rows, classes) or None; None for rows of the general path.

        Args:
            rows: The records of a request.

        Returns:
            Predictions and probabilities, or None.
        """
        matrix = self._matrix(rows) if 0 < len(rows) <= MOST_ROWS else None
        if matrix is None:
            return None
        raw = self.run(matrix)
        finite = math.isfinite(raw[0]) if raw.shape == (1,) else np.isfinite(raw).all()
        if not finite:
            return None
        return self.estimator.from_raw(raw), raw if self.estimator.classes else None

    def predict_one(self, row: Row) -> float | None:
        """Return the prediction of a row of plain numbers, as `predict` does, without an array; None for others.

        Args:
            row: The only record of a request.

        Returns:
            A finite number in the target's unit, or None.
        """
        if self.one is None or not (len(row) == self.needed or row.keys() <= self.allowed):
            return None
        try:
            values: list[Any] = list(map(row.__getitem__, self.numbers))
            # a sum is finite only if all are, and NaN compares with nothing
            if not _NUMBERS.issuperset(map(type, values)) or not math.isfinite(sum(values)):
                return None
            if min(values) < -LARGEST or max(values) > LARGEST:
                return None
            prediction = self.one(values)
        except (KeyError, OverflowError):  # a name that is not there, an integer beyond the floats
            return None
        return prediction if math.isfinite(prediction) else None

    def _matrix(self, rows: Sequence[Row]) -> Floats | None:
        """Return the matrix of the algorithm, or None where a value is not exactly what its column has."""
        if len(rows) == 1 and not self.single:
            return self._single_row(rows[0])
        width = len(self.numbers)
        matrix = np.empty((len(rows), width + len(self.lookups)))
        for index, row in enumerate(rows):
            known = len(row) == self.needed or row.keys() <= self.allowed
            values = self._values(row) if known else None
            if values is None:
                return None
            try:
                matrix[index] = values
            except OverflowError:  # an integer beyond the floats
                return None
        numbers = matrix[:, :width]
        with np.errstate(invalid="ignore"):
            if (np.abs(numbers) > LARGEST).any():
                return None
        if self.single:
            numbers = numbers.astype(np.float32).astype(np.float64)
        matrix[:, :width] = (np.where(np.isnan(numbers), self.fills, numbers) - self.centres) / self.widths
        return matrix if self.estimator.handles_missing or not np.isnan(matrix).any() else None

    def _single_row(self, row: Row) -> Floats | None:
        """Return `_matrix` of one row, by the same arithmetic without an array for each step."""
        known = len(row) == self.needed or row.keys() <= self.allowed
        values = self._values(row) if known else None
        if values is None:
            return None
        missing = False
        for index, (fill, centre, width) in enumerate(self.plain):
            value = values[index]
            if value != value:
                value = fill
                missing = missing or fill != fill
            elif not -LARGEST <= value <= LARGEST:
                return None
            values[index] = (value - centre) / width
        if missing and not self.estimator.handles_missing:
            return None
        return np.array((values,), dtype=np.float64)

    def _values(self, row: Row) -> list[float] | None:
        """Return the numbers of a row as they were sent, NaN for null, then the numbers of its texts."""
        values: list[Any] = [row.get(name, self) for name in self.numbers]
        for position, value in enumerate(values):
            if value is None:
                values[position] = math.nan
            elif type(value) not in _NUMBERS or value != value:
                return None  # text, NaN, or a name that is not there
        for name, known, otherwise in self.lookups:
            text = row.get(name)
            if type(text) is not str:
                return None
            values.append(known.get(text, otherwise))
        if any(type(row.get(name, self)) not in _SCALARS for name in self.unused):
            return None
        return values


def _lookups(one: Category | Group) -> list[tuple[str, dict[str, float], float]]:
    """Return, for each column of the matrix, the text column, the number of each known text, and of all others."""
    if isinstance(one, Group):
        return [(one.by, dict(zip(one.values, one.numbers, strict=True)), one.otherwise)]
    if one.how == "one_hot":
        return [(one.name, {value: 1.0}, 0.0) for value in one.values]
    return [(one.name, dict(zip(one.values, one.numbers, strict=True)), one.otherwise)]


def _runtime(estimator: Algorithm, sample: FeatureMatrix) -> tuple[Callable[[Floats], Floats], str]:
    """Return the fast predictor where it agrees with the library's own on every sample row, else that one."""

    def native(values: Floats) -> Floats:
        return estimator.raw(FeatureMatrix(estimator.feature_names, values))

    try:
        fast = estimator.few_rows()
        if fast is not None and len(sample.values):
            expected = estimator.raw(sample)
            one_by_one = np.concatenate([fast(row[None, :]) for row in sample.values])
            for predictions in (fast(sample.values), one_by_one):
                if not np.allclose(predictions, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
                    return native, "native: the fast predictor differs on the sample"
            return fast, "fast"
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return native, f"native: {type(error).__name__}"
    return native, "native"


def _one(
    estimator: Algorithm, run: Callable[[Floats], Floats], sample: FeatureMatrix
) -> Callable[[Sequence[float]], float] | None:
    """Return the function for one row of numbers, if it gives the same bits as the one for matrices on the sample."""
    one: Callable[[Sequence[float]], float] | None = getattr(run, "one", None)
    if one is None or estimator.classes or estimator.target_transform != "none":
        return None
    rows = sample.values[np.isfinite(sample.values).all(axis=1)]
    return one if all(one(row.tolist()) == run(row[None, :])[0] for row in rows) else None


def _seconds(run: Callable[[Floats], Floats], sample: FeatureMatrix) -> float:
    """Return how long one row takes, the best of three: the first call is never the usual one."""
    if not len(sample.values):
        return SLOW_SECONDS
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run(sample.values[:1])
        times.append(time.perf_counter() - began)
    return min(times)
