"""Predictions and true values of the same rows, as plain arrays that metrics read.

Comes in: a `Predictor` and feature rows. Goes out: `Scored` arrays, one entry per row, in the order of time if there is
a timestamp. `metrics` computes numbers from them, `comparison` compares two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import Predictor, class_labels, label_order
from mlops_assets.errors import DataError, EvidenceError
from mlops_assets.metrics import Floats, Scored
from mlops_assets.model_file import ModelSpec

UNKNOWN: Final = -1.0
"""Code of a class label that the model does not know."""


def in_order(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in the order of time (then entity); unchanged where the model file names no timestamp.

    Args:
        spec: The model file.
        frame: Rows with target and features.

    Returns:
        The same rows.
    """
    keys = [key for key in (spec.timestamp, spec.entity) if key and key in frame.columns]
    return frame.sort(keys, maintain_order=True) if keys else frame


def score(
    spec: ModelSpec,
    predictor: Predictor,
    frame: pl.DataFrame,
    *,
    classes: tuple[str, ...] = (),
    naive: Floats | None = None,
    model_name: str = "the model",
) -> Scored:
    """Predict rows and put the predictions next to the truth.

    Args:
        spec: The model file.
        predictor: The model.
        frame: Feature rows with the target.
        classes: Labels in the order of their codes; those that rows and model know if empty.
        naive: The naive forecast of the same rows.
        model_name: How errors name the model.

    Returns:
        Truth and predictions, in the order of `frame`.

    Raises:
        DataError: If the target column is missing.
        EvidenceError: If the model cannot predict these rows.
    """
    target = truth_column(spec, frame)
    missing = [name for name in predictor.feature_names if name not in frame.columns]
    if missing:
        raise EvidenceError(
            f"{spec.name}: {model_name} cannot be scored, it needs {_listed(missing)}, "
            "which the model file no longer builds; bring these features back, or retire that version "
            "before the next challenger is judged"
        )
    if frame.is_empty():
        empty = np.empty(0)
        return Scored(empty, empty, None, naive, classes)
    try:
        predictions = np.asarray(predictor.predict(frame))
        probabilities = predictor.probabilities(frame)
        bounds = predictor.bounds(frame, predictions)
    except Exception as error:
        raise EvidenceError(
            f"{spec.name}: {model_name} failed while predicting: {type(error).__name__}: {error}"
        ) from error
    if predictions.shape != (frame.height,):
        raise EvidenceError(
            f"{spec.name}: {model_name} gave predictions of shape {predictions.shape} for {frame.height} rows"
        )
    if spec.problem != "classification":
        # Intervals of another level, as of a champion trained before the model file changed, do not compare.
        of_level = bounds if bounds is not None and bounds.level == spec.training.interval else None
        return Scored(numbers(target), numbers(pl.Series(predictions)), None, naive, bounds=of_level)
    known = classes or known_classes(spec, target, predictor)
    return Scored(
        codes(target, known),
        codes(pl.Series(predictions), known),
        None
        if probabilities is None
        else _in_columns(np.asarray(probabilities, dtype=np.float64), predictor.classes, known),
        naive,
        known,
    )


def truth_column(spec: ModelSpec, frame: pl.DataFrame) -> pl.Series:
    """Return the target of a feature frame.

    Args:
        spec: The model file.
        frame: Rows with target and features.

    Returns:
        The target column.

    Raises:
        DataError: If the column is missing.
    """
    if spec.target not in frame.columns:
        raise DataError(f"{spec.name}: the target column {spec.target!r} is not among the features")
    return frame[spec.target]


def numbers(series: pl.Series) -> Floats:
    """Return a column as float64; nulls and text that is not a number become NaN.

    Args:
        series: A column.

    Returns:
        Shape (n,).
    """
    cast = series.cast(pl.Float64, strict=False)
    return np.asarray(cast.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def codes(series: pl.Series, classes: Sequence[str]) -> Floats:
    """Return labels as indices in `classes`; unknown labels are UNKNOWN, missing ones NaN.

    Args:
        series: Labels of any type.
        classes: Names of the classes, in the order of their codes.

    Returns:
        Float64, shape (n,).
    """
    code_of = {_plain(name): float(index) for index, name in enumerate(classes)}
    named = class_labels(series)
    known = {label: code_of.get(_plain(label), UNKNOWN) for label in named.drop_nulls().unique().to_list()}
    coded = named.replace_strict(known, default=None, return_dtype=pl.Float64)
    return np.asarray(coded.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def known_classes(spec: ModelSpec, target: pl.Series, *predictors: Predictor) -> tuple[str, ...]:
    """Return every class that the rows or the models know, sorted; the positive one last if the model file names it.

    Args:
        spec: The model file.
        target: The target of the rows.
        *predictors: Models whose classes count too.

    Returns:
        Names of the classes.
    """
    by_text = {_plain(label): label for label in class_labels(target).drop_nulls().unique().to_list()}
    by_text |= {_plain(label): label for predictor in predictors for label in predictor.classes}
    ordered = sorted(by_text.values(), key=label_order)
    positive = spec.evaluation.positive
    if positive is not None:
        ordered.sort(key=lambda label: _plain(label) == _plain(positive))
    return tuple(ordered)


def _plain(label: str) -> str:
    lowered = label.lower()
    if lowered in ("true", "false"):
        return lowered
    return label[:-2] if label.endswith(".0") and label[:-2].lstrip("-").isdigit() else label


def _in_columns(probabilities: Floats, own: tuple[str, ...], known: tuple[str, ...]) -> Floats:
    """Probabilities of the model's own classes in the columns of all known classes, 0 for the others."""
    wide = np.zeros((probabilities.shape[0], len(known)))
    index_of = {_plain(name): index for index, name in enumerate(known)}
    for column, name in enumerate(own[: probabilities.shape[1]]):
        wide[:, index_of[_plain(name)]] = probabilities[:, column]
    return wide


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
