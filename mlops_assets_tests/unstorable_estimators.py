"""An estimator that skops cannot store, for tests of what may be a pickle; model files name it by import path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin


class _Line:
    """A rule that skops is not told to trust."""

    def __init__(self, slope: float, level: float) -> None:
        self.slope, self.level = slope, level

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        return x[:, 0] * self.slope + self.level


class Unstorable(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A line through the first column."""

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> Self:
        """Least squares."""
        self.n_features_in_ = x.shape[1]
        slope, level = np.polyfit(x[:, 0], y, 1)
        self.rule_: Callable[[NDArray[Any]], NDArray[Any]] = _Line(float(slope), float(level))
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Where the line passes."""
        return self.rule_(np.asarray(x))


class Bomb:
    """What somebody hostile would put into a pickle: reading it writes `mark`."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (f"touch {self.mark}",)
