"""What leakage checks read and what they return."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Strength = Literal["proof", "strong", "suspicion"]
"""proof: a copy of the target. strong: no clean column looks like this by chance. suspicion: perhaps physics."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One leak, or what looks like one.

    Attributes:
        columns: The columns concerned.
        predicate: What was measured; its subject are the columns, where there are any.
        strength: A proof refuses; the others need a person. `mlops new` leaves proofs and strong findings out.
    """

    columns: tuple[str, ...]
    predicate: str
    strength: Strength

    @property
    def sentence(self) -> str:
        """The predicate with its subject."""
        if not self.columns:
            return self.predicate
        names = " and ".join(map(repr, self.columns))
        return f"column{'s' if len(self.columns) > 1 else ''} {names} {self.predicate}"


@dataclass(frozen=True, slots=True)
class LeakageTable:
    """Rows with their target.

    Attributes:
        frame: The rows.
        inputs: Columns that the model reads as they are in the readings.
        computed: Features made of other columns than the target; those of the target alone read earlier rows only.
        lagged: Those among them that read earlier rows only.
        target: The column to predict.
        is_classification: Whether the target is a class.
        timestamp: Column of the instants.
        entity: Column of the entities.
        horizon_steps: Rows of an entity between a row and the reading that is its target; 0 except for forecasts.
        parts: Part of each row (0 train, 1 validation, 2 test); None before the split.
        exchangeable: Whether the split assigns rows without regard to time and group.
    """

    frame: pl.DataFrame
    inputs: tuple[str, ...]
    target: str
    is_classification: bool
    timestamp: str | None = None
    entity: str | None = None
    horizon_steps: int = 0
    parts: NDArray[np.int8] | None = field(default=None, compare=False)
    exchangeable: bool = False
    computed: tuple[str, ...] = ()
    lagged: tuple[str, ...] = ()

    def newest(self, rows: int) -> LeakageTable:
        """Return a table of at most that many rows: the newest ones, else evenly drawn ones.

        Args:
            rows: The most rows.

        Returns:
            A table.
        """
        if self.frame.height <= rows:
            return self
        chosen: NDArray[np.int64] = np.arange(self.frame.height)[:: math.ceil(self.frame.height / rows)]
        if self.timestamp is not None:
            chosen = np.sort(self.frame[self.timestamp].arg_sort().to_numpy()[-rows:]).astype(np.int64)
        parts = None if self.parts is None else self.parts[chosen]
        return replace(self, frame=self.frame[chosen], parts=parts)
