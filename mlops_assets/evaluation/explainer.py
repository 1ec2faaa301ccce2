"""What explains a model, whichever method computes its SHAP values, and how much memory it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from mlops_assets.metrics import Floats

MIN_ROWS: Final = 10
"""Rows that are explained however little time there is."""
MAX_ROWS: Final = 2_000
MAX_VALUES: Final = 20_000_000
"""SHAP values (rows x outputs x features) computed in one call: 160 MB."""

ShapArrays: TypeAlias = tuple[Floats, Floats]
"""SHAP values (rows, outputs, features) and the prediction before any feature (rows, outputs)."""


@dataclass(frozen=True, slots=True)
class Explainer:
    """How a model is explained.

    Attributes:
        method: Its name in reports.
        explain: From rows (rows, features) to their SHAP values.
        first_rows: Rows of the first call.
        max_rows: Rows of any call, so that its values fit into memory.
    """

    method: str
    explain: Callable[[Floats], ShapArrays]
    first_rows: int = MIN_ROWS
    max_rows: int = MAX_ROWS


def rows_in_memory(outputs: int, features: int, max_rows: int = MAX_ROWS) -> int:
    """Return how many rows one call may explain.

    Args:
        outputs: Numbers that the model predicts per row; the number of classes for a classifier.
        features: Columns that get a value.
        max_rows: Upper limit, whatever memory allows.

    Returns:
        At least 1.
    """
    return max(1, min(max_rows, MAX_VALUES // max(1, outputs * (features + 1))))
