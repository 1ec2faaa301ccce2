"""From features to a challenger: split, prepare, fit every candidate, keep the best as a whole bundle with a version.

Goes out: a `TrainedModel`. Judging it is `evaluate`'s business; nothing here looks at the test part.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets import evaluation, features, stages, training
from mlops_assets.artifacts import Candidate, Part, Split, TrainedModel, to_json
from mlops_assets.errors import TrainingError
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, known_record, record_of
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.records import FeaturesRecord, PromotionRecord
from mlops_assets.spec import ModelSpec
from mlops_assets.spec.evaluation import METRIC_CATALOGUE

SAMPLE_ROWS = 20
MEASURED: tuple[Part, ...] = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Trained:
    """A candidate that can predict."""

    candidate: Candidate
    predictor: BundlePredictor
    history: tuple[training.Progress, ...] = ()
    overfitted: bool | None = None
    """Whether it learnt its rows by heart; None where its history does not tell."""


def train_model(spec: ModelSpec, platform: Platform, run: Run) -> TrainedModel | None:
    """Train every algorithm of the model file and register the best on the validation part as challenger.

    None when `run.reuse` and nothing changed since a challenger that was judged already. Raises TrainingError when no
    candidate was trained in time, DataError when the rows do not suffice.
    """
    started = time.monotonic()
    record = record_of(platform, spec, stages.FEATURES, run.id, FeaturesRecord)
    if run.reuse and (known := _judged_already(spec, platform, record)) is not None:
        run.progress(f"nothing changed since version {known} was judged: not trained again")
        return None
    training.warm_up(spec)
    frame = platform.datasets.read(record.table)
    split = features.split(spec, frame)
    preparation = features.fit_preparation(spec, split.train)
    with platform.registry.training(spec.name, run.parent) as tracked:
        tracked.describe(*_description(spec, record, frame, run))
        study = Study(
            platform.settings.home / "search" / f"{spec.name}.journal",
            f"{spec.digest()[:12]}/{record.table.content_hash[:12]}",
        )
        fits = fit_candidates(spec, split, preparation, started, run, study)
        candidates = tuple(_tracked(tracked, fit) for fit in fits)
        best = best_of(spec, fits)
        run.progress(f"best candidate on the validation part: {best.candidate.algorithm}")
        version = platform.ledger.new_version(
            spec.name,
            run.now(),
            mlflow_run_id=tracked.run_id,
            data_versions={table.table: to_json(table) for table in record.data},
            code_commit=run.code_commit,
            seed=spec.training.seed,
        ).version
        folder = platform.settings.model_root / spec.name / str(version)
        manifest = training.save_bundle(
            folder,
            algorithm=best.predictor.estimator,
            preparation=to_json(best.predictor.preparation),
            spec=spec.model_dump(mode="json"),
            profile=to_json(features.profile(split.train, record.names)),
            sample=best.predictor.matrix(split.validation.head(SAMPLE_ROWS)),
            data=[to_json(table) for table in record.data],
            code_commit=run.code_commit,
            seed=spec.training.seed,
        )
        # Its own process looks at it first: what cannot be loaded again is never registered anywhere.
        training.verify(best.candidate.algorithm, folder, manifest)
        model = TrainedModel(
            model=spec.name,
            version=version,
            algorithm=best.candidate.algorithm,
            bundle=str(folder),
            manifest_sha256=manifest,
            data=record.data,
            rows=frame.height,
            split_digest=split.digest,
            seconds=time.monotonic() - started,
            candidates=candidates,
            spec_digest=spec.digest(),
            code_commit=run.code_commit,
            seed=spec.training.seed,
            as_of=record.as_of,
            mlflow_run_id=tracked.run_id,
        )
        tracked.register(model, _logged(best.candidate))
    platform.ledger.record_bundle(spec.name, version, bundle_path=str(folder), manifest_sha256=manifest)
    keep_record(platform, spec, stages.TRAINED_MODEL, run, model)
    return model


def _tracked(tracked: Any, fit: Trained | Candidate) -> Candidate:
    """The candidate with the MLflow run it was logged to, losses at every step included."""
    if isinstance(fit, Candidate):
        return replace(fit, mlflow_run_id=tracked.candidate(fit))
    steps = [(progress.step, progress.values) for progress in fit.history]
    tags = {} if fit.overfitted is None else {"overfitted": fit.overfitted}
    return replace(fit.candidate, mlflow_run_id=tracked.candidate(fit.candidate, steps, tags))


def _description(
    spec: ModelSpec, record: FeaturesRecord, frame: pl.DataFrame, run: Run
) -> tuple[dict[str, object], dict[str, object]]:
    """What MLflow is told of a training before it starts: params, then tags."""
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
    """The latest challenger when it came from these features and this model file, and was promoted, kept, or asks for a
    person's answer."""
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


@dataclass(frozen=True, slots=True)
class Study:
    """Where a search for parameters is remembered, so that one that was interrupted goes on."""

    journal: Path
    name: str


def fit_candidates(
    spec: ModelSpec,
    split: Split,
    preparation: features.Preparation,
    started: float,
    run: Run,
    study: Study | None = None,
) -> list[Trained | Candidate]:
    """Fit and measure every algorithm of the model file within what is left of its time limit; then, where the file
    asks for a search, the best parameters found in what is left of it. Algorithms that read the past get a preparation
    of their own, kept by their predictor."""
    asked = [*spec.training.algorithms, *(spec.training.search.spaces if spec.training.search else ())]
    reading = any(training.ALGORITHMS[getattr(one, "name", one)].reads_past for one in asked)
    preparations = {False: preparation}
    if reading:
        preparations[True] = features.fit_preparation(spec, split.train, past=True)
    seen = {past: [made.apply(split.part(part)) for part in MEASURED] for past, made in preparations.items()}
    (train, validation), past = seen[False], (seen[True][0], seen[True][1]) if reading else None
    y_train, y_validation = (split.part(part)[spec.target] for part in MEASURED)
    names = ", ".join(choice.name for choice in spec.training.algorithms)
    run.progress(f"training {names} on {split.train.height:,} rows x {len(train.names)} columns")

    def left() -> float:
        return spec.training.time_limit.total_seconds() - (time.monotonic() - started)

    fitted = training.fit_all(
        spec, train, y_train, validation, y_validation, deadline_seconds=left(), past=past
    )
    found = [_measured(spec, split, preparations, one, run) for one in fitted]
    searched = training.search(
        spec,
        train,
        y_train,
        validation,
        y_validation,
        score=lambda model: _loss(spec, split, BundlePredictor(preparations[model.reads_past], model)),
        deadline_seconds=left(),
        past=past,
        journal=study.journal if study else None,
        study=study.name if study else "search",
        on_trial=lambda trial: run.progress(_tried(spec, trial)),
    )
    return found + [_measured(spec, split, preparations, one.best, run) for one in searched if one.best]


def _tried(spec: ModelSpec, trial: training.Trial) -> str:
    params = ", ".join(f"{name}={value}" for name, value in sorted(trial.choice.params.items()))
    reached = trial.status if trial.score is None else f"{spec.evaluation.primary} {abs(trial.score):.4g}"
    return f"search: {trial.choice.name} ({params}): {reached}, {trial.seconds:.1f} s"


def _loss(spec: ModelSpec, split: Split, predictor: BundlePredictor) -> float:
    """The primary metric on the validation part, turned so that less is better."""
    return _order(spec)(evaluation.measure(spec, predictor, split.validation)[spec.evaluation.primary])


def _order(spec: ModelSpec) -> Callable[[float], float]:
    better = METRIC_CATALOGUE[spec.evaluation.primary].better
    orders: dict[str, Callable[[float], float]] = {
        "lower": lambda value: value,
        "higher": lambda value: -value,
        "zero": abs,
    }
    return orders[better]


def _measured(
    spec: ModelSpec,
    split: Split,
    preparations: Mapping[bool, features.Preparation],
    fitted: training.Fitted,
    run: Run,
) -> Trained | Candidate:
    params = fitted.choice.params
    if fitted.model is None:
        run.progress(f"{fitted.algorithm}: {fitted.status.replace('_', ' ')}: {fitted.message}")
        return Candidate(fitted.algorithm, params, fitted.status, fitted.seconds, {}, fitted.message)
    predictor = BundlePredictor(preparations[fitted.model.reads_past], fitted.model)
    metrics = {part: evaluation.measure(spec, predictor, split.part(part)) for part in MEASURED}
    primary = spec.evaluation.primary
    run.progress(
        f"{fitted.algorithm}: {primary} {metrics['train'][primary]:.4g} on train, "
        f"{metrics['validation'][primary]:.4g} on validation, {fitted.seconds:.1f} s"
    )
    candidate = Candidate(fitted.algorithm, params, "trained", fitted.seconds, metrics, fitted.message)
    return Trained(candidate, predictor, fitted.history, fitted.overfitted)


def best_of(spec: ModelSpec, fits: list[Trained | Candidate]) -> Trained:
    """The best by the primary metric on the validation part. NaN never wins."""
    primary = spec.evaluation.primary
    order = _order(spec)
    ranked = [
        (order(value), place)
        for place, fit in enumerate(fits)
        if isinstance(fit, Trained) and (value := fit.candidate.metrics["validation"][primary]) == value
    ]
    if ranked:
        winner = fits[min(ranked)[1]]
        assert isinstance(winner, Trained)
        return winner
    reasons = [
        f"{fit.algorithm} {fit.status.replace('_', ' ')}: {fit.message}"
        if isinstance(fit, Candidate)
        else f"{fit.candidate.algorithm} has no {primary} on the validation part"
        for fit in fits
    ]
    raise TrainingError(f"{spec.name}: no candidate can be used: {'; '.join(reasons)}")
