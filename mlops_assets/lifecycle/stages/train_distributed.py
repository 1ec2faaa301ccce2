"""A training in steps that may run on different machines: open it, fit each candidate, settle on the best.

The same functions as `train`, cut where Dagster's executors cut. What passes from step to step is small and goes
through the ledger; fitted models lie below the model root, which every worker reaches, and count only with the hashes
that the ledger holds. A step that is repeated does nothing twice.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from mlops_assets import features, stages, training
from mlops_assets.artifacts import Candidate, Split, TrainedModel, from_json, to_json
from mlops_assets.errors import TrainingError
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, own_record
from mlops_assets.lifecycle.predictor import BundlePredictor, calibrated
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.lifecycle.stages.candidates import Task, Trained, best_index, fit_candidates, tasks_of
from mlops_assets.lifecycle.stages.train import (
    TrainingResult,
    description,
    fit_again,
    keep_model,
    log_candidate,
    register_candidate,
    study_of,
    to_train_on,
)
from mlops_assets.model_file import ModelSpec

OPEN: Final = "trained_model/open"
PREPARATION: Final = "preparation.json"
FITS: Final = ".fits"
"""Folder below a model's, which is not named like a version."""


@dataclass(frozen=True, slots=True)
class OpenTraining:
    """Stored. A training that has begun: its MLflow run, when it began, and the rows all candidates are fitted on."""

    mlflow_run_id: str
    started_at: datetime
    features: FeaturesRecord
    split_digest: str
    spec_digest: str


@dataclass(frozen=True, slots=True)
class StoredFit:
    """Stored. A candidate that has ended, and the sha256 of each file it left: none unless it was trained."""

    mlflow_run_id: str
    candidate: Candidate
    files: dict[str, str]


def open_training(spec: ModelSpec, platform: Platform, run: Run) -> OpenTraining | None:
    """Open a distributed training: its MLflow run and its record.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The record; None when there is nothing to do.

    Raises:
        TrainingError: As `train_model`.
        DataError: When there are too few rows.
    """
    started = run.now()
    record = to_train_on(spec, platform, run)
    if record is None:
        return None
    frame = platform.datasets.read(record.table)
    split = features.split(spec, frame)
    tracked = platform.registry.begin(spec.name, run.parent)
    with platform.registry.ending(tracked, finish=False):
        tracked.describe(*description(spec, record, frame, run))
        opened = OpenTraining(tracked.run_id, started, record, split.digest, spec.digest())
        keep_record(platform, spec, OPEN, run, opened)
    run.progress(f"{len(tasks_of(spec))} candidates are to be trained on {split.train.height:,} rows")
    return opened


def fit_one(spec: ModelSpec, platform: Platform, run: Run, task: Task) -> Candidate:
    """Fit, measure, log and store one candidate. A failed fit is a result, not an exception.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        task: The candidate.

    Returns:
        The candidate with its metrics.

    Raises:
        TrainingError: When the training was not opened in this run, or the model file changed since.
    """
    opened = _opened(spec, platform, run)
    known = own_record(platform, spec, _key(task), run.id, StoredFit)
    if known is not None and known.mlflow_run_id == opened.mlflow_run_id:
        run.progress(f"{task.name}: fitted already")
        return known.candidate
    _, split = _rows(spec, platform, opened)
    preparation = features.fit_preparation(spec, split.train)
    study = study_of(spec, platform, opened.features)
    [fit] = fit_candidates(spec, split, preparation, _began(opened, run), run, study, (task,))
    tracked = platform.registry.reopen(spec.name, opened.mlflow_run_id)
    candidate = log_candidate(tracked, fit, task.name)
    files: dict[str, str] = {}
    if isinstance(fit, Trained):
        body = json.dumps(to_json(fit.predictor.preparation)).encode()
        left = {**fit.predictor.estimator.dump(), PREPARATION: body}
        files = training.store_fit(_folder(platform, spec, opened) / task.name, left)
    keep_record(platform, spec, _key(task), run, StoredFit(opened.mlflow_run_id, candidate, files))
    return candidate


def finish_training(spec: ModelSpec, platform: Platform, run: Run) -> TrainedModel:
    """Choose the best of all candidates and register it.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The challenger.

    Raises:
        TrainingError: When a candidate is not recorded or none can be used.
        BundleError: When the best candidate's files differ from what was stored.
    """
    opened = _opened(spec, platform, run)
    made = own_record(platform, spec, stages.TRAINED_MODEL, run.id, TrainedModel)
    if made is not None and made.mlflow_run_id == opened.mlflow_run_id:
        return made
    folder, tasks = _folder(platform, spec, opened), tasks_of(spec)
    tracked = platform.registry.reopen(spec.name, opened.mlflow_run_id)
    with platform.registry.ending(tracked):
        fits = [_stored(spec, platform, run, opened, task) for task in tasks]
        candidates = tuple(fit.candidate for fit in fits)
        best_position = best_index(spec, candidates)
        frame, split = _rows(spec, platform, opened)
        best = calibrated(
            spec, _predictor(folder / tasks[best_position].name, fits[best_position]), split.validation
        )
        began = _began(opened, run)
        again = fit_again(spec, frame, split, best, run, began)
        result = TrainingResult(
            opened.features, split, frame, candidates, best, again, time.monotonic() - began
        )
        model = register_candidate(spec, platform, run, tracked, result)
    keep_model(spec, platform, run, model)
    shutil.rmtree(folder, ignore_errors=True)
    return model


def sweep(model_root: Path, now: datetime, older_than: timedelta) -> int:
    """Remove the fits that a killed training left.

    Args:
        model_root: Folder that holds the bundles of all models.
        now: Present time, with a zone.
        older_than: Smallest age of a folder to remove.

    Returns:
        Number of trainings whose folders were removed.
    """
    removed = 0
    for folder in model_root.glob(f"*/{FITS}/*"):
        try:
            if now.timestamp() - folder.stat().st_mtime < older_than.total_seconds():
                continue
        except FileNotFoundError:
            continue  # its training has just ended
        shutil.rmtree(folder, ignore_errors=True)
        removed += 1
    return removed


def _opened(spec: ModelSpec, platform: Platform, run: Run) -> OpenTraining:
    opened = own_record(platform, spec, OPEN, run.id, OpenTraining)
    if opened is None:
        raise TrainingError(
            f"{spec.name}: no training was opened in this run; materialize trained_model whole"
        )
    if opened.spec_digest != spec.digest():
        raise TrainingError(f"{spec.name}: the model file changed while it was trained; train again")
    return opened


def _stored(spec: ModelSpec, platform: Platform, run: Run, opened: OpenTraining, task: Task) -> StoredFit:
    fit = own_record(platform, spec, _key(task), run.id, StoredFit)
    if fit is None or fit.mlflow_run_id != opened.mlflow_run_id:
        raise TrainingError(f"{spec.name}: the candidate {task.name} is not recorded; train again")
    return fit


def _rows(spec: ModelSpec, platform: Platform, opened: OpenTraining) -> tuple[pl.DataFrame, Split]:
    """Return the feature table, and its parts: the same that the training was opened with."""
    frame = platform.datasets.read(opened.features.table)
    split = features.split(spec, frame)
    if split.digest != opened.split_digest:
        raise TrainingError(
            f"{spec.name}: this worker splits the rows otherwise; do all run the same release?"
        )
    return frame, split


def _predictor(folder: Path, fit: StoredFit) -> BundlePredictor:
    files = training.read_fit(folder, fit.files)
    preparation = from_json(features.Preparation, json.loads(files.pop(PREPARATION)))
    return BundlePredictor(preparation, training.ALGORITHMS[fit.candidate.algorithm].load(files, keep=True))


def _began(opened: OpenTraining, run: Run) -> float:
    """When the training began, on this process's monotonic clock."""
    return time.monotonic() - (run.now() - opened.started_at).total_seconds()


def _key(task: Task) -> str:
    return f"{stages.TRAINED_MODEL}/{task.name}"


def _folder(platform: Platform, spec: ModelSpec, opened: OpenTraining) -> Path:
    return platform.settings.model_root / spec.name / FITS / opened.mlflow_run_id
