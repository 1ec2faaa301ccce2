"""What a challenger predicts while one input sensor fails: each input in turn missing, frozen, shifted and late.

Comes in: the model file, the challenger, the split and, for models that look back, the readings. Goes out: the error
under each failure, that of the naive forecast on the same rows, and how many rows the prediction API would notice.
The features are built from the failing readings as the API builds them, so that lags and windows fail too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets import features
from mlops_assets.artifacts import Explanation, Predictor, SensorFailure, Split
from mlops_assets.errors import DataError, MlopsError
from mlops_assets.evaluation.baseline import baseline
from mlops_assets.evaluation.scoring import in_order, score
from mlops_assets.features.columns import clock_names, computed_names, source_names
from mlops_assets.features.kinds.kind import LookBack
from mlops_assets.features.serving import look_back
from mlops_assets.metrics import METRICS, Metric, Scored
from mlops_assets.model_file import ModelSpec
from mlops_assets.validation import SensorChecks

MOST_ROWS: Final = 500
"""The newest rows of the holdout that are predicted under each failure."""
MOST_INPUTS: Final = 20
"""Inputs that are made to fail: the most influential ones."""
SHIFT: Final = 3.0
"""Standard deviations of an input that a shifted sensor is off."""
LATE: Final = 10
"""Readings by which a late sensor is behind."""


@dataclass(frozen=True, slots=True)
class _Stand:
    """The rows that are predicted, and how their features are built."""

    rows: pl.DataFrame
    build: Callable[[pl.DataFrame], pl.DataFrame]


def needs_readings(spec: ModelSpec) -> bool:
    """Return whether features read earlier rows, so that the feature table alone does not say what they would be.

    Args:
        spec: The model file.

    Returns:
        False for features of the row itself.
    """
    return spec.timestamp is not None and look_back(spec) != LookBack()


def sensor_failures(
    spec: ModelSpec,
    predictor: Predictor,
    split: Split,
    explanation: Explanation | None,
    readings: pl.DataFrame | None = None,
) -> tuple[SensorFailure, ...]:
    """Let each input fail in turn, and measure the error on the newest rows of the holdout.

    Args:
        spec: The model file.
        predictor: The challenger's fit that has learned from no holdout row.
        split: The rows.
        explanation: The ranking, which says which inputs come first.
        readings: The validated readings, where `needs_readings`.

    Returns:
        One record per input and condition; empty where the rows cannot be built again or not be predicted.
    """
    newest = in_order(spec, split.test).tail(MOST_ROWS)
    try:
        stand = _stand(spec, newest, readings)
        healthy = stand.build(stand.rows)
        names = _inputs(spec, predictor, stand.rows, explanation)
        profile = features.profile(split.train, [name for name in names if name in split.train.columns])
        naive = baseline(spec, split, predictor.classes).parts["test"]
        reference = score(spec, predictor, healthy, classes=predictor.classes)
    except (MlopsError, pl.exceptions.PolarsError):
        return ()
    naive = naive.subset(np.arange(naive.truth.size)[-newest.height :])
    checks = SensorChecks.of(spec, profile, names, [name for name in names if _is_text(stand.rows, name)])
    failing = {
        (name, condition): rows
        for name in names
        for condition, rows in _failures(spec, stand.rows, name).items()
    }
    scored = _scored(spec, predictor, stand, list(failing.values()))
    primary = METRICS[spec.evaluation.primary]
    healthy_error, naive_error = primary.measure(reference), primary.measure(naive)
    records = []
    for ((name, condition), rows), one in zip(failing.items(), scored, strict=True):
        predicted = np.zeros(rows.height, dtype=bool) if isinstance(one, str) else np.isfinite(one.predicted)
        records.append(
            SensorFailure(
                input=name,
                condition=condition,
                rows=rows.height,
                metric=spec.evaluation.primary,
                healthy=healthy_error,
                failing=float("nan")
                if isinstance(one, str) or not predicted.any()
                else primary.measure(one.subset(predicted)),
                naive=naive_error,
                noticed=_noticed(checks, rows, name),
                refused=int((~predicted).sum()),
                fallback=spec.serving.fallback[0] if spec.serving.fallback else "",
                reason=one if isinstance(one, str) else "",
            )
        )
    return tuple(records)


def _stand(spec: ModelSpec, rows: pl.DataFrame, readings: pl.DataFrame | None) -> _Stand:
    """Return the readings of the rows; without look back they are columns of the feature table itself."""
    if not needs_readings(spec):
        computed = [name for name in computed_names(spec) if name in rows.columns]
        plain = rows.drop(computed)
        if not computed or spec.problem == "forecasting":
            return _Stand(rows, lambda failing: failing)
        return _Stand(plain, lambda failing: in_order(spec, features.build(spec, failing)))
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None]
    if readings is None:
        raise DataError(f"{spec.name}: its features look back, and there are no readings")
    at = str(spec.timestamp)
    readings = readings.with_columns(pl.col(at).cast(rows.schema[at]))
    own = rows.select(keys).join(readings, on=keys, how="left", maintain_order="left")
    if own.height != rows.height:
        raise DataError(f"{spec.name}: several readings have the same {' and '.join(keys)}")
    before = features.recent(spec, readings.filter(pl.col(at) < rows[at].min()))
    truth = rows[spec.target]
    return _Stand(
        own, lambda failing: features.online(spec, before, failing).with_columns(truth.alias(spec.target))
    )


def _inputs(
    spec: ModelSpec, predictor: Predictor, rows: pl.DataFrame, explanation: Explanation | None
) -> list[str]:
    """Return the columns of a reading that the model needs, the most influential first."""
    left_out = {spec.timestamp, spec.entity, *clock_names(spec)}
    if not needs_readings(spec):
        left_out.add(spec.target)  # in a feature table it is the truth
    named = dict.fromkeys([*source_names(spec), *predictor.feature_names])
    names = [name for name in named if name in rows.columns and name not in left_out]
    ranked = [name for name, _ in explanation.ranking] if explanation else []
    order = {
        name: next((rank for rank, one in enumerate(ranked) if one.startswith(name)), len(ranked))
        for name in names
    }
    return sorted(names, key=lambda name: order[name])[:MOST_INPUTS]


def _is_text(rows: pl.DataFrame, name: str) -> bool:
    return not (rows[name].dtype.is_numeric() or rows[name].dtype == pl.Boolean)


def _failures(spec: ModelSpec, rows: pl.DataFrame, name: str) -> Mapping[str, pl.DataFrame]:
    """Return the rows under each condition of one input."""
    column = pl.col(name)
    missing = {"missing": rows.with_columns(pl.lit(None, dtype=rows[name].dtype).alias(name))}
    if _is_text(rows, name):
        return missing
    first, late = column.first(), column.shift(LATE).backward_fill()
    if spec.entity is not None and spec.entity in rows.columns:
        first, late = first.over(spec.entity), late.over(spec.entity)
    failing = {
        **missing,
        "frozen": rows.with_columns(first),
        "shifted": rows.with_columns(column + SHIFT * column.std()),
    }
    return failing if spec.timestamp is None else {**failing, "late": rows.with_columns(late)}


def _scored(
    spec: ModelSpec, predictor: Predictor, stand: _Stand, failing: list[pl.DataFrame]
) -> list[Scored | str]:
    """Return the predictions under each failure, or why there are none; all at once: a call costs more than a row."""
    refused = (MlopsError, pl.exceptions.PolarsError)
    frames: list[pl.DataFrame] = []
    try:
        frames = [stand.build(rows) for rows in failing]
        together = score(spec, predictor, pl.concat(frames), classes=predictor.classes)
    except refused as error:
        if len(failing) == 1:
            return [str(error)]
        return [one for rows in failing for one in _scored(spec, predictor, stand, [rows])]
    ends = np.cumsum([frame.height for frame in frames])
    return [
        together.subset(np.arange(end - frame.height, end)) for frame, end in zip(frames, ends, strict=True)
    ]


def _error(metric: Metric, scored: Scored | str, predicted: NDArray[np.bool_]) -> float:
    """Return the metric on the rows that have a prediction, NaN where there is none."""
    return (
        float("nan")
        if isinstance(scored, str) or not predicted.any()
        else metric.measure(scored.subset(predicted))
    )


def _noticed(checks: SensorChecks, failing: pl.DataFrame, name: str) -> int:
    """Return in how many rows the checks of the prediction API notice the input."""
    wanted = [key for key in (name, checks.timestamp, checks.entity) if key in failing.columns]
    one = checks.only(name)
    rows: list[dict[str, Any]] = failing.select(wanted).to_dicts()
    return sum(bool(one.faults(row)) for row in rows)
