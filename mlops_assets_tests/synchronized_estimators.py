"""Estimators that tell a test where and when they are fitted, and that wait, die or fail as it wishes."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlops_assets_tests.waiting import patience

PATIENCE = 300.0


class Synchronized:
    """Predicts the mean. Fitting it waits until every one of `guests` is being fitted too, or for a file `go`.

    It leaves a file of its name with the process that asked for the fit: the step's.
    """

    def __init__(self, folder: str = "", name: str = "", guests: Any = ()) -> None:
        self.folder, self.name, self.guests = folder, name, guests

    def fit(self, _: NDArray[Any], y: NDArray[Any]) -> Self:
        """Wait, then learn the mean."""
        self.meet()
        self.mean_ = float(np.mean(y))
        return self

    def meet(self) -> None:
        """Say that this one is being fitted, and by whom; wait for the others."""
        here = Path(self.folder)
        (here / f"{self.name}.draft").write_text(str(os.getppid()))
        (here / f"{self.name}.draft").rename(here / self.name)
        wait_for(*(here / guest for guest in self.guests))

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The mean."""
        return np.full(len(rows), self.mean_)


class Breaking(Synchronized):
    """Cannot be fitted."""

    def fit(self, _: NDArray[Any], y: NDArray[Any]) -> Self:
        """Meet, then raise."""
        if self.name:
            self.meet()
        raise RuntimeError(f"cannot learn from {len(y)} rows")


def wait_for(*files: Path) -> None:
    """Until all are there."""
    end = time.monotonic() + patience(PATIENCE)
    while not all(file.exists() for file in files):
        if time.monotonic() > end:
            raise TimeoutError(f"nobody wrote {[str(file) for file in files if not file.exists()]}")
        threading.Event().wait(0.02)
