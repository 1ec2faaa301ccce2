"""Truth and predictions of the same rows, as plain arrays that metrics read."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_assets.lazy_numpy import Floats, Indices, np


@dataclass(frozen=True, slots=True)
class Bounds:
    """Prediction interval: the truth lies between low and high with probability `level`.

    low and high have shape (rows,) and the unit of the target; both are NaN where there is no interval.
    """

    level: float
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Scored:
    """Truth, predictions (both shape (rows,)), class probabilities (rows, classes) or None, naive forecast or None.

    Classes are codes: the index in `classes`, or -1 for a label that the model does not know. A missing truth or
    prediction is NaN. bounds is the interval of the predictions, None without one of the level in the model file.
    """

    truth: Floats
    predicted: Floats
    probabilities: Floats | None
    naive: Floats | None
    classes: tuple[str, ...] = ()
    bounds: Bounds | None = None

    def subset(self, rows: Indices) -> Scored:
        """Return the same arrays for some rows.

        Args:
            rows: A mask or indices; an index may occur more than once.

        Returns:
            The subset, in the order of `rows`.
        """
        return Scored(
            self.truth[rows],
            self.predicted[rows],
            None if self.probabilities is None else self.probabilities[rows],
            None if self.naive is None else self.naive[rows],
            self.classes,
            None
            if self.bounds is None
            else Bounds(self.bounds.level, self.bounds.low[rows], self.bounds.high[rows]),
        )

    @property
    def has_predictions(self) -> bool:
        """Whether every row has a finite truth and a finite prediction, and there is a row."""
        if self.truth.size == 0 or self.truth.shape != self.predicted.shape:
            return False
        return bool(np.isfinite(self.truth).all() and np.isfinite(self.predicted).all())

    @property
    def has_probabilities(self) -> bool:
        """Whether every row has a finite truth and finite probabilities of at least two classes."""
        probabilities = self.probabilities
        if self.truth.size == 0 or probabilities is None or probabilities.ndim != 2:
            return False
        if probabilities.shape[0] != self.truth.size or probabilities.shape[1] < 2:
            return False
        return bool(np.isfinite(self.truth).all() and np.isfinite(probabilities).all())

    @property
    def has_interval(self) -> bool:
        """Whether every row has a truth and both bounds, and there is a row. Bounds may be infinite."""
        if self.truth.size == 0 or self.bounds is None:
            return False
        if not np.isfinite(self.truth).all():
            return False
        return not any(np.isnan(bound).any() for bound in (self.bounds.low, self.bounds.high))
