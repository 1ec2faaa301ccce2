"""The probe: a tiny model that lives a small life through the real stores, MLflow and the prediction API, timed.

Comes in: the open platform and the address of the API. Goes out: a `ProbeRecord`, the only one that is kept. It
registers no version and moves no champion: what it fits is thrown away. It is run through Dagster's daemon and queue.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from mlops_assets import features
from mlops_assets.artifacts import from_json, to_json
from mlops_assets.errors import MlopsError, ServiceError
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages.candidates import Study
from mlops_assets.lifecycle.stages.train import fit_recipe
from mlops_assets.model_file import ModelSpec

NAME: Final = "mlops_probe"
RECORD: Final = f"{NAME}/probe"
ROWS: Final = 200
LARGEST_ERROR: Final = 0.5
"""Root mean square error of the fit; the noise of the readings is 0.1."""
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
MODEL: Final = {
    "name": NAME,
    "description": "Shows every hour that the platform works",
    "owners": ["team:platform"],
    "problem": "regression",
    "target": "y",
    "timestamp": "at",
    "source": {"kind": "file", "path": "readings.csv"},
    "training": {"algorithms": [{"ridge": {}}], "refit": False, "time_limit": "5m"},
    "evaluation": {"primary": "rmse"},
}
AskApi = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """Stored. The newest probe.

    Attributes:
        at: When it ended.
        seconds: Duration of each step that was carried out; `queue` is the time until the run began.
        problem: The step that failed and why; empty for a success.
        succeeded_at: When a probe last succeeded; None for never.
        mlflow_run_id: The MLflow run that probes log to; None after that step failed.
    """

    at: datetime
    seconds: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    succeeded_at: datetime | None = None
    mlflow_run_id: str | None = None


def probe(platform: Platform, run: Run, ask_api: AskApi | None, waited: float | None) -> ProbeRecord:
    """Carry out every step, keep the record, and send or close the alert.

    Args:
        platform: The open stores and settings.
        run: The run: id, actor, clock and progress callback.
        ask_api: Lets the API respond, or raises; None where its address is not known.
        waited: Seconds between the request of this run and its start; None for a run that a person launched.

    Returns:
        The record.
    """
    body = platform.ledger.get_record(RECORD)
    before = None if body is None else from_json(ProbeRecord, body)
    seconds: dict[str, float] = {} if waited is None else {"queue": waited}
    frame, problem, mlflow_run = _readings(), "", before.mlflow_run_id if before else None

    def tables() -> None:
        version = platform.datasets.write(NAME, "readings", frame, run.provenance)
        if not platform.datasets.read(version).equals(frame):
            raise ServiceError("the table does not have the rows that were written")

    def training() -> None:
        spec = ModelSpec.model_validate_json(json.dumps(MODEL))
        split = features.split(spec, frame)
        study = Study(platform.settings.home / "search" / f"{NAME}.journal", NAME)
        best = fit_recipe(spec, frame, split, run, study).best
        residual = best.predict(split.test) - split.test["y"].to_numpy()
        error = float(np.sqrt(np.mean(residual**2)))
        if not math.isfinite(error) or error > LARGEST_ERROR:
            raise ServiceError(f"the fit has an error of {error:.3g}, at most {LARGEST_ERROR} is right")

    def mlflow() -> None:
        nonlocal mlflow_run
        if mlflow_run is None:
            with platform.registry.training(NAME) as tracked:
                mlflow_run = tracked.run_id
        platform.registry.reopen(NAME, mlflow_run).metrics(seconds)

    steps: dict[str, AskApi] = {"tables": tables, "training": training, "mlflow": mlflow}
    for name, step in {**steps, **({"api": ask_api} if ask_api else {})}.items():
        began = time.perf_counter()
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever breaks is what a probe is for
            text = str(error) if isinstance(error, MlopsError) else f"{type(error).__name__}: {error}"
            problem = f"{name}: {text}"
            if name == "mlflow":
                mlflow_run = None  # it may be deleted: the next probe begins another
            break
        seconds[name] = time.perf_counter() - began
        run.progress(f"{name}: {seconds[name]:.2f} s")
    at = run.now()
    succeeded = at if not problem else before.succeeded_at if before else None
    record = ProbeRecord(at, seconds, problem, succeeded, mlflow_run)
    platform.ledger.put_record(RECORD, "newest", to_json(record), at)
    _alert(platform, record)
    return record


def _alert(platform: Platform, record: ProbeRecord) -> None:
    if record.problem:
        key = f"probe-failed/{record.at.isoformat()}"
        send_alert(platform, "probe_failed", record.problem, key=key, at=record.at, group="probe_failed")
    else:
        close_alert(platform, "probe_failed", None, record.at)


def _readings() -> pl.DataFrame:
    """Return the same rows every time: y = 3 x + z with little noise, a row every five minutes."""
    random = np.random.default_rng(7).standard_normal((ROWS, 3))
    times = [START + timedelta(minutes=5 * row) for row in range(ROWS)]
    return pl.DataFrame(
        {
            "at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "x": random[:, 0],
            "z": random[:, 1],
            "y": 3 * random[:, 0] + random[:, 1] + 0.1 * random[:, 2],
        }
    )
