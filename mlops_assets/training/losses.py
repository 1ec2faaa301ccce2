"""Losses by the name a model file uses, translated to the name a library has for them."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_assets.errors import TrainingError
from mlops_assets.spec.suggestion import did_you_mean


def named_loss(algorithm: str, loss: object, known: Mapping[str, str], default: str) -> str:
    """The library's name of a loss. Raises TrainingError for a loss it does not have."""
    wanted = default if loss is None else str(loss)
    if wanted not in known:
        raise TrainingError(f"{algorithm}: no loss {wanted!r} for this problem{did_you_mean(wanted, known)}")
    return known[wanted]
