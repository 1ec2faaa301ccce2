"""The cost of solving least squares directly, and how much of it is too little to start a process for."""

from __future__ import annotations

from typing import Final

INLINE_OPERATIONS: Final = 2e9
"""Multiplications that take about a second on one slow core."""


def operations(rows: int, columns: int) -> float:
    """Return the multiplications of one factorization of a matrix.

    Args:
        rows: Number of rows of the matrix.
        columns: Number of its columns.

    Returns:
        Number of multiplications, rows * min(rows, columns) * columns.
    """
    return float(rows) * min(rows, columns) * columns
