"""From features to a challenger: split, prepare, fit every candidate, keep the best as a whole bundle with a version.

Goes out: a `TrainedModel`. Judging it is `evaluate`'s business; nothing here looks at the test part. Here one process
does it all; where there are workers, `steps` does the same with the same functions, a candidate at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mlops_assets import features, stages, training
from mlops_assets.artifacts import Candidate, Part, Profile, Split, TrainedModel, to_json
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, known_record, record_of
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.records import FeaturesRecord, PromotionRecord
from mlops_assets.lifecycle.recovery.bundles import free_number
from mlops_assets.lifecycle.stages.candidates import (
    MEASURED,
    Study,
    Trained,
    best_index,
    best_of,
    fit_candidates,
)
from mlops_assets.lifecycle.stages.refit import Refit, refit, wants_refit
from mlops_assets.model_file import ModelSpec
from mlops_assets.registry import Tracked

SAMPLE_ROWS = 20
PREDICTED_ROWS = 20_000
"""Training rows whose predictions are the reference of later ones."""


@dataclass(frozen=True, slots=True)
class Fits:
    """What a model file and a feature table became.

    Attributes:
        results: One per candidate: trained, or why not.
        best: The best candidate's predictor.
        again: The best one fitted again on all rows; None where the model file does not request it.
        seconds: How long it took.
    """

    results: tuple[Trained | Candidate, ...]
    best: BundlePredictor
    again: Refit | None
    seconds: float


Fit = Callable[[ModelSpec, pl.DataFrame, Split, Run, Study], Fits]


def fit_recipe(spec: ModelSpec, frame: pl.DataFrame, split: Split, run: Run, study: Study) -> Fits:
    """Fit every candidate, choose the best on the validation part, and fit it again on all rows.

    Args:
        spec: The model file.
        frame: The feature table.
        split: Its parts.
        run: The run: id, actor, clock, `as_of` and progress callback.
        study: Store of a search for parameters.

    Returns:
        All candidates and the winner.

    Raises:
        TrainingError: When no candidate was trained in time.
    """
    started = time.monotonic()
    preparation = features.fit_preparation(spec, split.train)
    results = fit_candidates(spec, split, preparation, started, run, study)
    best = best_of(spec, results).predictor
    again = fit_again(spec, frame, split, best, run, started)
    return Fits(tuple(results), best, again, time.monotonic() - started)


def fit_again(
    spec: ModelSpec, frame: pl.DataFrame, split: Split, best: BundlePredictor, run: Run, started: float
) -> Refit | None:
    """Fit the best candidate again on all rows, in what is left of the time limit.

    Args:
        spec: The model file.
        frame: The feature table.
        split: Its parts.
        best: The best candidate's predictor.
        run: The run, for its progress callback.
        started: The monotonic instant at which the training began.

    Returns:
        The refit; None where the model file does not request one.
    """
    run.progress(f"best candidate on the validation part: {best.algorithm}")
    if not wants_refit(spec):
        return None
    left = spec.training.time_limit.total_seconds() - (time.monotonic() - started)
    return refit(spec, frame, split, best, run.progress, left)


def train_model(spec: ModelSpec, platform: Platform, run: Run, fit: Fit = fit_recipe) -> TrainedModel | None:
    """Train every algorithm of the model file and register the best on the validation part as challenger.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        fit: Fits the candidates; a backtest passes one that shares equal trainings between policies.

    Returns:
        The challenger; None when `run.reuse` and nothing changed since a challenger was evaluated.

    Raises:
        TrainingError: When no candidate was trained in time.
        DataError: When there are too few rows.
    """
    record = to_train_on(spec, platform, run)
    if record is None:
        return None
    training.prefetch(spec)
    frame = platform.datasets.read(record.table)
    split = features.split(spec, frame)
    with platform.registry.training(spec.name, run.parent) as tracked:
        tracked.describe(*description(spec, record, frame, run))
        fits = fit(spec, frame, split, run, study_of(spec, platform, record))
        candidates = tuple(log_candidate(tracked, one) for one in fits.results)
        result = TrainingResult(record, split, frame, candidates, fits.best, fits.again, fits.seconds)
        model = register_candidate(spec, platform, run, tracked, result)
    return keep_model(spec, platform, run, model)


def to_train_on(spec: ModelSpec, platform: Platform, run: Run) -> FeaturesRecord | None:
    """Return the feature table to train on.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The record; None when `run.reuse` and nothing changed since a challenger was evaluated.

    Raises:
        TrainingError: When the model file cannot be trained here, as `training.check`.
    """
    record = record_of(platform, spec, stages.FEATURES, run.id, FeaturesRecord)
    if run.reuse and (known := _judged_already(spec, platform, record)) is not None:
        run.progress(f"nothing changed since version {known} was judged: not trained again")
        return None
    training.check(spec)
    return record


def study_of(spec: ModelSpec, platform: Platform, record: FeaturesRecord) -> Study:
    """Return where a search on these features is stored.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        record: The feature table.

    Returns:
        Journal file and the study's name, which changes with the model file and the data.
    """
    return Study(
        platform.settings.home / "search" / f"{spec.name}.journal",
        f"{spec.digest()[:12]}/{record.table.content_hash[:12]}",
    )


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Every candidate of one training has ended, and one is the best.

    Attributes:
        features: The feature table that it was trained on.
        split: The rows of training, validation and test.
        frame: The feature table.
        candidates: All candidates, with their MLflow runs.
        best: The best candidate's predictor.
        again: The best one fitted again on all rows; None where the model file does not request it.
        seconds: How long fitting took.
    """

    features: FeaturesRecord
    split: Split
    frame: pl.DataFrame
    candidates: tuple[Candidate, ...]
    best: BundlePredictor
    again: Refit | None
    seconds: float


def register_candidate(
    spec: ModelSpec, platform: Platform, run: Run, tracked: Tracked, result: TrainingResult
) -> TrainedModel:
    """Store the best candidate as a bundle under a new version, verify it in a process, and register it in MLflow.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        tracked: The training's MLflow run.
        result: Features, split and candidates of the training.

    Returns:
        The challenger, not yet recorded in the ledger.

    Raises:
        BundleError: When the stored bundle cannot be loaded again.
    """
    started = time.monotonic()
    record, split, best, again = result.features, result.split, result.best, result.again
    served = again.served if again else best
    learned = again.rows if again and served is not best else split.train
    version = platform.ledger.new_version(
        spec.name,
        run.now(),
        mlflow_run_id=tracked.run_id,
        data_versions={table.table: to_json(table) for table in record.data},
        code_commit=run.code_commit,
        seed=spec.training.seed,
        at_least=free_number(platform.settings.model_root, spec.name),
    ).version
    folder = platform.settings.model_root / spec.name / str(version)
    judged_rows = features.seen_rows(spec, split)
    manifest = training.save_bundle(
        folder,
        algorithm=served.estimator,
        preparation=to_json(served.preparation),
        spec=spec.model_dump(mode="json"),
        profile=to_json(_profile(spec, learned, record.names, served)),
        sample=served.matrix(split.validation.head(SAMPLE_ROWS)),
        data=[to_json(table) for table in record.data],
        code_commit=run.code_commit,
        seed=spec.training.seed,
        interval=to_json(served.interval) if served.interval else None,
        seen_rows=(judged_rows if served is best else features.rows_seen(spec, learned)).to_json(),
        onnx=spec.training.onnx,
        judged=None if served is best else _judged_fit(best, split, judged_rows.to_json()),
        refit=to_json(again.check) if again else None,
    )
    if tracked.is_recorded:
        # Its own process looks at it first: what cannot be loaded again is never registered anywhere.
        training.verify(best.algorithm, folder, manifest, spec.training.pickled)
    model = TrainedModel(
        model=spec.name,
        version=version,
        algorithm=best.algorithm,
        bundle=str(folder),
        manifest_sha256=manifest,
        data=record.data,
        rows=result.frame.height,
        split_digest=split.digest,
        seconds=result.seconds + time.monotonic() - started,
        candidates=result.candidates,
        spec_digest=spec.digest(),
        code_commit=run.code_commit,
        seed=spec.training.seed,
        as_of=record.as_of,
        mlflow_run_id=tracked.run_id,
        refit=again.check if again else None,
    )
    tracked.register(model, _logged(result.candidates[best_index(spec, result.candidates)]))
    return model


def _target(spec: ModelSpec, learned: pl.DataFrame) -> pl.Series:
    """Return the target of the training rows: numbers, or the names of classes."""
    target = learned[spec.target]
    return target.cast(pl.String) if spec.problem == "classification" else target


def _profile(
    spec: ModelSpec, rows: pl.DataFrame, names: Sequence[str], predictor: BundlePredictor
) -> Profile:
    """Return what drift is measured against: inputs and predictions, with what windows of them do by themselves."""
    window = spec.monitoring.window
    reference = features.profile(rows, names, target=_target(spec, rows))
    reference = features.with_nulls(reference, rows, spec.timestamp, window)
    chosen = np.random.default_rng(0).permutation(rows.height)[:PREDICTED_ROWS]
    sample = rows[np.sort(chosen).tolist()]
    values = predictor.predict(sample)
    predicted = pl.Series("prediction", [str(one) for one in values] if predictor.classes else values)
    frame = sample.select(predicted, *([spec.timestamp] if spec.timestamp else []))
    predictions = features.with_nulls(features.profile(frame, ["prediction"]), frame, spec.timestamp, window)
    return replace(reference, prediction=predictions.columns["prediction"])


def _judged_fit(best: BundlePredictor, split: Split, seen_rows: dict[str, Any]) -> training.JudgedFit:
    """Return the judged fit as the bundle stores it next to the refit."""
    return training.JudgedFit(
        algorithm=best.estimator,
        preparation=to_json(best.preparation),
        sample=best.matrix(split.validation.head(SAMPLE_ROWS)),
        seen_rows=seen_rows,
        interval=to_json(best.interval) if best.interval else None,
    )


def keep_model(spec: ModelSpec, platform: Platform, run: Run, model: TrainedModel) -> TrainedModel:
    """Record the challenger for later stages: the last step of a training.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        model: The registered challenger.

    Returns:
        The same record.
    """
    platform.ledger.record_bundle(
        spec.name, model.version, bundle_path=model.bundle, manifest_sha256=model.manifest_sha256
    )
    keep_record(platform, spec, stages.TRAINED_MODEL, run, model)
    return model


def log_candidate(tracked: Tracked, fit: Trained | Candidate, task: str | None = None) -> Candidate:
    """Log a candidate to MLflow, with the losses at every step.

    Args:
        tracked: The training's MLflow run.
        fit: The result of one candidate.
        task: Name of the task, so that a repeated call reuses its run; None for a new run.

    Returns:
        The candidate with the id of its MLflow run.
    """
    if isinstance(fit, Candidate):
        return replace(fit, mlflow_run_id=tracked.candidate(fit, task=task))
    steps = [(progress.step, progress.values) for progress in fit.history]
    tags = {} if fit.overfitted is None else {"overfitted": fit.overfitted}
    return replace(fit.candidate, mlflow_run_id=tracked.candidate(fit.candidate, steps, tags, task))


def description(
    spec: ModelSpec, record: FeaturesRecord, frame: pl.DataFrame, run: Run
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the parameters and tags of a training for MLflow.

    Args:
        spec: The model file.
        record: The feature table's record.
        frame: The feature table.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Parameters, then tags.
    """
    times = frame[spec.timestamp].sort() if spec.timestamp else None
    params: dict[str, object] = {
        "model_type": spec.problem,
        "training_date": record.as_of.date().isoformat(),
        "training_rows": frame.height,
        "features": len(record.names),
        "seed": spec.training.seed,
    }
    tags: dict[str, object] = {
        "spec_digest": spec.digest(),
        "code_commit": run.code_commit,
        "dagster.run_id": run.id,
        **{f"data.{table.table}": f"{table.version}@{table.content_hash[:16]}" for table in record.data},
    }
    if times is not None and len(times):
        params["training_days"] = (times[-1] - times[0]).days + 1
        tags |= {"data_start": times[0].isoformat(), "data_end": times[-1].isoformat()}
    return params, tags


def _logged(candidate: Candidate) -> dict[str, float]:
    """Metrics under the names of the logging standard: `rmse_val`, `mae_val`, `rmse_train`, `r2_score`."""
    short: dict[Part, str] = {"train": "train", "validation": "val"}
    named = {
        f"{name}_{short[part]}": value for part in MEASURED for name, value in candidate.metrics[part].items()
    }
    if "r2_val" in named:
        named["r2_score"] = named["r2_val"]
    return named


def _judged_already(spec: ModelSpec, platform: Platform, record: FeaturesRecord) -> int | None:
    """Return the latest challenger if it came from these features and this model file and was decided.

    It was promoted, kept, or waits for an approval.
    """
    known = known_record(platform, spec, stages.TRAINED_MODEL, TrainedModel)
    same = known is not None and record.table.content_hash in {table.content_hash for table in known.data}
    if known is None or not same or known.spec_digest != spec.digest():
        return None
    settled = any(
        entry.version == known.version and entry.action in ("promoted", "kept")
        for entry in platform.ledger.history(spec.name, None)
    )
    last = known_record(platform, spec, stages.PRODUCTION_MODEL, PromotionRecord)
    waits = last is not None and last.version == known.version and last.decision.outcome == "keep"
    return known.version if settled or waits else None
