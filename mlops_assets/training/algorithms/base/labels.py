"""Targets as algorithms want them: class labels as text, numbers as finite float64."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import class_labels, label_order
from mlops_assets.errors import TrainingError

_FIX: Final = "drop these rows in 'repairs' (missing_target: drop_row)"


def as_labels(target: NDArray[Any] | pl.Series) -> pl.Series:
    """Return the labels of a target as text.

    Args:
        target: Class labels of any type.

    Returns:
        Text labels, without nulls.

    Raises:
        TrainingError: If one is missing.
    """
    labels = class_labels(
        target if isinstance(target, pl.Series) else pl.Series(target.tolist(), strict=False)
    )
    if missing := labels.null_count():
        raise TrainingError(f"the target has {missing} missing values; {_FIX}")
    return labels


def class_codes(labels: pl.Series, classes: tuple[str, ...], *, known_only: bool) -> NDArray[np.float64]:
    """Return the index of each label in `classes`.

    Args:
        labels: Labels as text.
        classes: The known classes.
        known_only: Raise for an unknown label; otherwise its code is -1.

    Returns:
        Float64, shape (rows,).
    """
    codes = [float(code) for code in range(len(classes))]
    unknown = {} if known_only else {"default": -1.0}
    encoded = labels.replace_strict(list(classes), codes, return_dtype=pl.Float64, **unknown)
    return encoded.to_numpy(writable=True)


def as_numbers(target: NDArray[Any] | pl.Series) -> NDArray[np.float64]:
    """Return the target as a float64 array of its own.

    Args:
        target: Numeric target.

    Returns:
        A copy, float64, all finite.

    Raises:
        TrainingError: If it holds text, missing or infinite values.
    """
    raw = target.to_numpy() if isinstance(target, pl.Series) else target
    try:
        numbers = np.array(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TrainingError(
            "the target holds values that are no numbers; is the problem a classification?"
        ) from error
    if refused := int((~np.isfinite(numbers)).sum()):
        raise TrainingError(f"the target has {refused} missing or infinite values; {_FIX}")
    return numbers


def in_natural_order(labels: pl.Series) -> tuple[str, ...]:
    """Return each label once: numbers by size, then text.

    Args:
        labels: Text labels.

    Returns:
        Labels without repetition.
    """
    return tuple(sorted(labels.unique().to_list(), key=label_order))
