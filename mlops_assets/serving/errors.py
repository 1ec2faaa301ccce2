"""Errors of a prediction that the fallback ladder steps down for; every other DataError is the caller's mistake."""

from __future__ import annotations

from mlops_assets.errors import DataError


class NoPredictionError(DataError):
    """The champion has no finite prediction for a row."""


class StaleHistoryError(DataError):
    """The newest reading before a row is older than the model file allows; `column` is the timestamp."""

    def __init__(self, message: str, column: str) -> None:
        super().__init__(message)
        self.column = column
