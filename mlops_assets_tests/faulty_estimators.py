"""Estimators that go wrong, for tests: they are named by import path in model files, as a user's own would be."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin


class SometimesNaN(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts from the first column, and NaN where it is above 5: good on most rows, silent about the others."""

    def fit(self, x: NDArray[Any], _y: NDArray[Any]) -> Self:
        """Nothing to learn."""
        self.n_features_in_ = x.shape[1]
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Three times the first column, or NaN."""
        return np.where(x[:, 0] > 5.0, np.nan, 3.0 * x[:, 0])


class Slow(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Takes its time to learn that every answer is 0."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds

    def fit(self, x: NDArray[Any], _y: NDArray[Any]) -> Self:
        """Wait."""
        time.sleep(self.seconds)
        self.n_features_in_ = x.shape[1]
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Zeros."""
        return np.zeros(len(x))


class Breaks(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Cannot be fitted."""

    def fit(self, x: NDArray[Any], y: NDArray[Any]) -> Self:
        """Raises."""
        raise ValueError("out of order")

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Never reached."""
        raise NotImplementedError


class HarmsLoader(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts zeros where it was fitted, and harms every other process that loads it."""

    def __init__(self, harm: str = "") -> None:
        self.harm = harm

    def fit(self, x: NDArray[Any], _y: NDArray[Any]) -> Self:
        """Remember the process."""
        self.n_features_in_, self.process = x.shape[1], os.getpid()
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Zeros, or a crash, an endless loop or ever more memory."""
        if os.getpid() != self.process:
            if self.harm == "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            pages = []
            while self.harm in ("loop", "memory"):
                if self.harm == "memory":
                    pages.append(bytearray(64 * 1024**2))
        return np.zeros(len(x))
