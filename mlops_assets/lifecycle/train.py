"""From features to a challenger: split, prepare, fit every candidate, keep the best as a whole bundle with a version.

Goes out: a `TrainedModel`. Judging it is `evaluate`'s business; nothing here looks at the test part.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

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
        fits = _fit_all(spec, split, preparation, started, run)
        candidates = tuple(
            replace(one, mlflow_run_id=tracked.candidate(one))
            for one in (fit.candidate if isinstance(fit, Trained) else fit for fit in fits)
        )
        best = _best(spec, fits)
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
            preparation=to_json(preparation),
            spec=spec.model_dump(mode="json"),
            profile=to_json(features.profile(split.train, record.names)),
            sample=best.predictor.matrix(split.validation.head(SAMPLE_ROWS)),
            data=[to_json(table) for table in record.data],
            code_commit=run.code_commit,
            seed=spec.training.seed,
        )
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


def _fit_all(
    spec: ModelSpec, split: Split, preparation: features.Preparation, started: float, run: Run
) -> list[Trained | Candidate]:
    matrices = {part: preparation.apply(split.part(part)) for part in MEASURED}
    targets: dict[Part, pl.Series] = {part: split.part(part)[spec.target] for part in MEASURED}
    names = ", ".join(choice.name for choice in spec.training.algorithms)
    run.progress(f"training {names} on {split.train.height:,} rows x {len(matrices['train'].names)} columns")
    fitted = training.fit_all(
        spec,
        matrices["train"],
        targets["train"],
        matrices["validation"],
        targets["validation"],
        deadline_seconds=spec.training.time_limit.total_seconds() - (time.monotonic() - started),
    )
    return [_measured(spec, split, preparation, one, run) for one in fitted]


def _measured(
    spec: ModelSpec, split: Split, preparation: features.Preparation, fitted: training.Fitted, run: Run
) -> Trained | Candidate:
    params = fitted.choice.params
    if fitted.model is None:
        run.progress(f"{fitted.algorithm}: {fitted.status.replace('_', ' ')}: {fitted.message}")
        return Candidate(fitted.algorithm, params, fitted.status, fitted.seconds, {}, fitted.message)
    predictor = BundlePredictor(preparation, fitted.model)
    metrics = {part: evaluation.measure(spec, predictor, split.part(part)) for part in MEASURED}
    primary = spec.evaluation.primary
    run.progress(
        f"{fitted.algorithm}: {primary} {metrics['train'][primary]:.4g} on train, "
        f"{metrics['validation'][primary]:.4g} on validation, {fitted.seconds:.1f} s"
    )
    return Trained(Candidate(fitted.algorithm, params, "trained", fitted.seconds, metrics), predictor)


def _best(spec: ModelSpec, fits: list[Trained | Candidate]) -> Trained:
    """The best by the primary metric on the validation part. NaN never wins."""
    primary = spec.evaluation.primary
    better = METRIC_CATALOGUE[primary].better
    order = {"lower": lambda value: value, "higher": lambda value: -value, "zero": abs}[better]
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
