"""The table of a classifier's classes: rows, precision, recall and F1 of each.

Comes in: scored rows of both models. Goes out: `ClassRow` records for the report.
"""

from __future__ import annotations

import numpy as np

from mlops_assets.artifacts import ClassRow, Metrics
from mlops_assets.metrics import Scored
from mlops_assets.metrics.class_counts import class_counts, f1_scores, precisions, recalls


def class_rows(challenger: Scored, champion: Scored | None) -> tuple[ClassRow, ...]:
    """Compute precision, recall and F1 of every class.

    Args:
        challenger: Scored holdout rows of the challenger.
        champion: Scored predictions of the champion for the same rows, if there is one.

    Returns:
        One row per class, in the order of their codes; empty if the target is a number.
    """
    if not challenger.classes:
        return ()
    challenger_metrics = _metrics_per_class(challenger)
    champion_metrics = _metrics_per_class(champion) if champion else None
    return tuple(
        ClassRow(
            label=label,
            support=int((challenger.truth == code).sum()),
            challenger=challenger_metrics[code],
            champion=champion_metrics[code] if champion_metrics else None,
        )
        for code, label in enumerate(challenger.classes)
    )


def _metrics_per_class(scored: Scored) -> list[Metrics]:
    """Recall and F1 of a class without rows are NaN: there was nothing to find."""
    counts = class_counts(scored)
    has_rows = counts[0] + counts[2] > 0
    metrics = {
        "precision": precisions(*counts),
        "recall": np.where(has_rows, recalls(*counts), np.nan),
        "f1": np.where(has_rows, f1_scores(*counts), np.nan),
    }
    return [
        {name: float(values[code]) for name, values in metrics.items()} for code in range(len(scored.classes))
    ]
