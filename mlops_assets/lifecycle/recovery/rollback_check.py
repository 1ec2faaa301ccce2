"""Rollback readiness check: could a rollback happen now? Tried on the version it would go to, before anyone needs it.

Comes in: a model. Goes out: a `RollbackCheck` with its duration, kept in the ledger; a failure raises an alert.
Nothing is moved. Needs the ledger, the bundle and the last validated readings; neither Dagster nor MLflow.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from mlops_assets import features, stages
from mlops_assets.artifacts import from_json, to_json
from mlops_assets.errors import DataError, MlopsError
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec

RECORD: Final = "rollback_check"
ROWS: Final = 100
EVERY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RollbackCheck:
    """Stored. version is the rollback target, None when there is none. problem: why it could not take over, in words.

    load_seconds: bundle checked, loaded, sample replayed. answer_seconds: features of `rows` recent readings built and
    predicted with it.
    """

    model: str
    version: int | None
    ready: bool
    problem: str | None
    rows: int
    load_seconds: float
    answer_seconds: float
    at: datetime

    @property
    def sentence(self) -> str:
        """One sentence."""
        if self.version is None:
            return f"{self.model}: {self.problem}"
        if not self.ready:
            return f"{self.model}: version {self.version} could NOT take over: {self.problem}"
        return (
            f"{self.model}: version {self.version} could take over: loaded and its sample replayed in "
            f"{self.load_seconds:.2f} s, {self.rows:,} recent readings predicted in {self.answer_seconds:.2f} s"
        )


def check_rollback(platform: Platform, model: str, run: Run) -> RollbackCheck:
    """Load and replay the version that a rollback would choose, and store the result.

    A damaged target gives a result that is not ready, not an error.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The result.

    Raises:
        ServiceError: When the ledger does not respond.
    """
    version = platform.ledger.rollback_target(model)
    made = (
        RollbackCheck(
            model,
            None,
            False,
            "no earlier version served, there is nothing to roll back to",
            0,
            0,
            0,
            run.now(),
        )
        if version is None
        else _try(platform, model, version, run)
    )
    platform.ledger.put_record(_name(model), run.id, to_json(made), run.now())
    return made


def last_check(platform: Platform, model: str) -> RollbackCheck | None:
    """Return the newest check of a model.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        The check, or None.
    """
    body = platform.ledger.get_record(_name(model))
    return None if body is None else from_json(RollbackCheck, body)


def is_due(platform: Platform, model: str, now: datetime) -> bool:
    """Return whether a new check is needed.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        now: Present time, with a zone.

    Returns:
        True when the last check is a day old, or a rollback would choose another version now.
    """
    last = last_check(platform, model)
    return last is None or now - last.at >= EVERY or last.version != platform.ledger.rollback_target(model)


def alert(platform: Platform, made: RollbackCheck, run: Run, spec: ModelSpec | None) -> bool:
    """Send an alert for a target that is not ready, once per version and day; close it when it is ready.

    Args:
        platform: The open stores and settings.
        made: Result of the check.
        run: The run: id, actor, clock, `as_of` and progress callback.
        spec: The model file, for its recipients; None for the platform's.

    Returns:
        True for the first alert.
    """
    if made.version is None:
        return False
    if made.ready:
        close_alert(platform, "rollback_not_ready", made.model, run.now())
        return False
    return send_alert(
        platform,
        "rollback_not_ready",
        f"{made.sentence}; name another version with 'mlops rollback {made.model} --to'",
        key=f"rollback-check-{made.model}-{made.version}-{made.at:%Y-%m-%d}",
        spec=spec,
        model=made.model,
        at=run.now(),
    )


def _try(platform: Platform, model: str, version: int, run: Run) -> RollbackCheck:
    began = time.perf_counter()
    loaded = predict_seconds = 0.0
    rows, problem = 0, None
    try:
        predictor, bundle = load_version(platform, model, version)
        loaded = time.perf_counter() - began
        spec = spec_of_bundle(bundle)
        table = platform.datasets.latest(model, stages.VALIDATED_DATA)
        if table is None:
            raise DataError("there are no validated readings to predict")
        readings = platform.datasets.read(table)
        began = time.perf_counter()
        newest = _newest(spec, readings)
        before = readings.join(newest, on=_keys(spec), how="anti") if _keys(spec) else readings.clear()
        built = features.online(spec, features.recent(spec, before), newest)
        predictions = np.asarray(predictor.predict(built))
        predict_seconds, rows = time.perf_counter() - began, len(predictions)
        problem = _unusable(predictions, rows, newest.height)
    except MlopsError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a damaged model raises, the check must report it
        problem = f"{type(error).__name__}: {error}"
    return RollbackCheck(model, version, problem is None, problem, rows, loaded, predict_seconds, run.now())


def _newest(spec: ModelSpec, readings: pl.DataFrame) -> pl.DataFrame:
    ordered = readings.sort(spec.timestamp) if spec.timestamp else readings
    return ordered.tail(ROWS)


def _keys(spec: ModelSpec) -> list[str]:
    return [name for name in (spec.entity, spec.timestamp) if name is not None] if spec.timestamp else []


def _unusable(predictions: np.ndarray[Any, Any], rows: int, newest: int) -> str | None:
    if rows != newest or rows == 0:
        return f"it predicted {rows} of {newest} readings"
    if predictions.dtype.kind == "f" and not np.isfinite(predictions).all():
        return f"{int((~np.isfinite(predictions)).sum())} of {rows} predictions are not finite"
    return None


def _name(model: str) -> str:
    return f"{model}/{RECORD}"
