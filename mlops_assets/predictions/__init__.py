"""Predictions: which rows still want one, and the champion's predictions for them, as a table.

Comes in: a `Predictor` and feature rows. Goes out: frames for the predictions table and the ledger. Judging predictions
against labels is `monitoring`'s and `evaluation`'s business.
"""

from mlops_assets.predictions.scoring import OCCURRENCE, pending, score, window_start, with_occurrence

__all__ = ["OCCURRENCE", "pending", "score", "window_start", "with_occurrence"]
