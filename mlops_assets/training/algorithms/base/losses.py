"""Losses by the name a model file uses.

They are translated to the library's own name, or written here where the library has none that is fit to use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import TrainingError
from mlops_assets.model_file.suggestion import near_and_all

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CustomObjective:
    """A loss that a boosting library is handed.

    Scores are what the trees add up to: (rows,), or (rows, classes).

    steps: from scores and targets to the gradient and a curvature above 0, of the scores' shape. mean: the loss
    itself,
    what early stopping looks at. start: the score that the first tree begins from.
    """

    name: str
    steps: Callable[[Floats, Floats], tuple[Floats, Floats]]
    mean: Callable[[Floats, Floats], float]
    start: float = 0.0


def named_loss(
    algorithm: str, loss: object, known: Mapping[str, str], default: str, problem: str = "this problem"
) -> str:
    """Return the library's name of a loss.

    Args:
        algorithm: Name of the algorithm.
        loss: Value of the key `loss`; None for the default.
        known: The library's name by our name.
        default: Our name of the default loss.
        problem: Text for the error message.

    Returns:
        The library's name.

    Raises:
        TrainingError: If the algorithm does not have it.
    """
    wanted = default if loss is None else str(loss)
    if wanted not in known:
        raise TrainingError(f"{algorithm}: no loss {wanted!r} for {problem}{near_and_all(wanted, known)}")
    return known[wanted]
