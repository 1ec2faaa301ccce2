"""Whether a fit went on learning its training rows too closely after it had stopped getting better on others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlops_assets.training.algorithms.base.algorithm import Progress

WORSE: Final = 0.05
"""Relative rise of the validation loss above its lowest that counts."""


def overfitted(history: Sequence[Progress]) -> bool | None:
    """Return whether the validation loss ended more than 5 % above its lowest while the training loss kept falling.

    It uses the first loss that was reported for both parts; None when there is none.

    Args:
        history: Losses at every step, oldest first.

    Returns:
        True or False; None when no loss was reported for both parts.
    """
    known = set.intersection(*(set(progress.values) for progress in history)) if history else set()
    losses = sorted(name.removeprefix("validation_") for name in known if name.startswith("validation_"))
    for loss in losses:
        if f"train_{loss}" not in known:
            continue
        pairs = [(one.values[f"validation_{loss}"], one.values[f"train_{loss}"]) for one in history]
        lowest, train_then = min(pairs)
        last, train_last = pairs[-1]
        return last > lowest + WORSE * abs(lowest) and train_last < train_then
    return None
