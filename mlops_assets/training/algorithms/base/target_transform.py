"""The scale that a target is learned on: its own units, or the logarithm of 1 + target.

Comes in: targets or predictions as float64. Goes out: the same on the other scale. A new scale is a line in
both dicts and in `model_file.training.TargetTransform`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import TrainingError
from mlops_assets.model_file.training import TargetTransform

Floats = NDArray[np.float64]


def _unchanged(values: Floats) -> Floats:
    return values


TRANSFORMS: Final[dict[TargetTransform, Callable[[Floats], Floats]]] = {"none": _unchanged, "log1p": np.log1p}
INVERSES: Final[dict[TargetTransform, Callable[[Floats], Floats]]] = {"none": _unchanged, "log1p": np.expm1}


def transform_target(transform: TargetTransform, target: Floats, what: str = "the target") -> Floats:
    """Return values on the scale that is learned; NaN stays.

    Args:
        transform: Name of the scale.
        target: Values in the target's units.
        what: How messages name the values.

    Returns:
        The values, the same shape.

    Raises:
        TrainingError: If a value has no logarithm.
    """
    if transform == "log1p" and (refused := int((target <= -1.0).sum())):
        raise TrainingError(
            f"{what} has {refused} of {target.size} values of -1 or less, which have no log1p; keep such rows out with "
            "'min' under validation.columns, or take 'target_transform: none'"
        )
    return TRANSFORMS[transform](target)


def invert_target(transform: TargetTransform, values: Floats) -> Floats:
    """Return values in the target's units.

    What is too large for a float becomes infinite, which no gate and no batch of predictions accepts.

    Args:
        transform: Name of the transform that training applied.
        values: Predictions on the transformed scale.

    Returns:
        Predictions in the target's unit, the same shape.
    """
    if transform == "none":
        return values
    with np.errstate(over="ignore"):
        return INVERSES[transform](values)
