"""A model's answers beside the truth, as plain arrays that metrics can read.

Comes in: a `Predictor` and feature rows. Goes out: `Scored` arrays, one entry per row, in the order of time where
there is one. Turning them into numbers is `metrics`' business, comparing two of them `comparison`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import Predictor
from mlops_assets.errors import DataError, EvidenceError
from mlops_assets.metrics import Floats, Scored
from mlops_assets.model_file import ModelSpec

UNKNOWN: Final = -1.0
"""Code of a class label that the model does not know."""


def in_order(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of time (then entity); unchanged where the model file names no timestamp."""
    keys = [key for key in (spec.timestamp, spec.entity) if key and key in frame.columns]
    return frame.sort(keys, maintain_order=True) if keys else frame


def score(
    spec: ModelSpec,
    predictor: Predictor,
    frame: pl.DataFrame,
    *,
    classes: tuple[str, ...] = (),
    naive: Floats | None = None,
    who: str = "the model",
) -> Scored:
    """Let a model answer for rows. Raises DataError without a target column, EvidenceError when it cannot answer."""
    target = truth_column(spec, frame)
    missing = [name for name in predictor.feature_names if name not in frame.columns]
    if missing:
        raise EvidenceError(
            f"{spec.name}: {who} cannot be scored, it needs {_listed(missing)}, which the model file no longer builds; "
            "bring these features back, or retire that version before the next challenger is judged"
        )
    if frame.is_empty():
        empty = np.empty(0)
        return Scored(empty, empty, None, naive, classes)
    try:
        answers = np.asarray(predictor.predict(frame))
        shares = predictor.probabilities(frame)
        bounds = predictor.bounds(frame, answers)
    except Exception as error:
        raise EvidenceError(
            f"{spec.name}: {who} failed while predicting: {type(error).__name__}: {error}"
        ) from error
    if answers.shape != (frame.height,):
        raise EvidenceError(
            f"{spec.name}: {who} gave answers of shape {answers.shape} for {frame.height} rows"
        )
    if spec.problem != "classification":
        # Intervals of another level, as of a champion trained before the model file changed, do not compare.
        asked = bounds if bounds is not None and bounds.level == spec.training.interval else None
        return Scored(numbers(target), numbers(pl.Series(answers)), None, naive, bounds=asked)
    known = classes or known_classes(spec, target, predictor)
    return Scored(
        codes(target, known),
        codes(pl.Series(answers), known),
        None if shares is None else _spread(np.asarray(shares, dtype=np.float64), predictor.classes, known),
        naive,
        known,
    )


def truth_column(spec: ModelSpec, frame: pl.DataFrame) -> pl.Series:
    """The target of a feature frame. Raises DataError when it is not there."""
    if spec.target not in frame.columns:
        raise DataError(f"{spec.name}: the target column {spec.target!r} is not among the features")
    return frame[spec.target]


def numbers(series: pl.Series) -> Floats:
    """A column as float64; nulls and what is no number become NaN."""
    cast = series.cast(pl.Float64, strict=False)
    return np.asarray(cast.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def labels(series: pl.Series) -> pl.Series:
    """Class labels as text, the same whether they were stored as whole numbers, floats, booleans or text."""
    if series.dtype.is_float():
        whole = series.drop_nulls().drop_nans()
        if (whole == whole.round()).all():
            return series.fill_nan(None).cast(pl.Int64, strict=False).cast(pl.String)
        return series.fill_nan(None).cast(pl.String)
    if series.dtype == pl.Object:
        return pl.Series([None if item is None else str(item) for item in series.to_list()], dtype=pl.String)
    return series.cast(pl.String)


def codes(series: pl.Series, classes: Sequence[str]) -> Floats:
    """Labels as positions in `classes`; unknown labels are UNKNOWN, missing ones NaN."""
    place = {_plain(name): float(index) for index, name in enumerate(classes)}
    named = labels(series)
    known = {label: place.get(_plain(label), UNKNOWN) for label in named.drop_nulls().unique().to_list()}
    found = named.replace_strict(known, default=None, return_dtype=pl.Float64)
    return np.asarray(found.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def known_classes(spec: ModelSpec, target: pl.Series, *predictors: Predictor) -> tuple[str, ...]:
    """Every class that the rows or the models know, sorted; the positive one last where the model file names it."""
    seen = {_plain(label): label for label in labels(target).drop_nulls().unique().to_list()}
    seen |= {_plain(label): label for predictor in predictors for label in predictor.classes}
    ordered = sorted(seen.values(), key=_natural)
    positive = spec.evaluation.positive
    if positive is not None:
        ordered.sort(key=lambda label: _plain(label) == _plain(positive))
    return tuple(ordered)


def _natural(label: str) -> tuple[bool, float, str]:
    try:
        return False, float(label), label
    except ValueError:
        return True, 0.0, label


def _plain(label: str) -> str:
    lowered = label.lower()
    if lowered in ("true", "false"):
        return lowered
    return label[:-2] if label.endswith(".0") and label[:-2].lstrip("-").isdigit() else label


def _spread(shares: Floats, own: tuple[str, ...], known: tuple[str, ...]) -> Floats:
    wide = np.zeros((shares.shape[0], len(known)))
    place = {_plain(name): index for index, name in enumerate(known)}
    for column, name in enumerate(own[: shares.shape[1]]):
        wide[:, place[_plain(name)]] = shares[:, column]
    return wide


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
