"""What moves the champion's predictions on recent rows, against the holdout that it was judged on."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import polars as pl

from mlops_assets import evaluation, features, retraining, stages
from mlops_assets.artifacts import ImportanceReport
from mlops_assets.lifecycle.champion_features import with_features_of
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.lifecycle.stages.performance import newest_evidence
from mlops_assets.model_file import ModelSpec

RECENT_ROWS: Final = 200
BACKGROUND_ROWS: Final = 1_000
SECONDS: Final = 20.0
"""Time that explaining may take, whatever the model."""


def report_importance(spec: ModelSpec, platform: Platform, run: Run) -> ImportanceReport:
    """Explain a sample of the newest `monitoring.window` by the champion and compare the ranking with its holdout's.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The report; level `no_champion` without a champion.
    """
    champion = platform.ledger.champion(spec.name)
    if champion is None:
        report = ImportanceReport(spec.name, None, run.as_of, "no_champion", "there is no champion")
    else:
        report = _measure(spec, platform, run, champion.version)
    run.progress(f"importance: {report.sentence}")
    signal = retraining.importance_signal(spec, report)
    if signal is not None:
        platform.ledger.record_signals([signal], run.now())
    keep_record(platform, spec, stages.IMPORTANCE_REPORT, run, report)
    return report


def _measure(spec: ModelSpec, platform: Platform, run: Run, version: int) -> ImportanceReport:
    evidence = newest_evidence(platform, spec.name, version)
    judged = evidence.evaluation.explanation if evidence else None
    if judged is None:
        reason = f"version {version} was not explained when it was judged"
        return ImportanceReport(spec.name, version, run.as_of, "unmeasurable", reason)
    validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
    frame = features.build(spec, platform.datasets.read(validated.table))
    predictor, bundle = load_version(platform, spec.name, version, "judged")
    frame = with_features_of(predictor, bundle, frame, spec=spec, platform=platform, run=run)
    recent = older = frame
    if spec.timestamp is not None:
        since = run.as_of - spec.monitoring.window
        recent, older = (
            frame.filter(pl.col(spec.timestamp) > since),
            frame.filter(pl.col(spec.timestamp) <= since),
        )
    if recent.is_empty():
        return ImportanceReport(spec.name, version, run.as_of, "unmeasurable", "the window has no row")
    order = np.random.default_rng(spec.training.seed).permutation
    background = older if older.height else recent
    until = time.monotonic() + SECONDS
    shap = evaluation.explain(
        spec,
        predictor,
        background[order(background.height)[:BACKGROUND_ROWS].tolist()],
        _in_order(spec, recent[order(recent.height)[:RECENT_ROWS].tolist()]),
        lambda: until - time.monotonic(),
    )
    return evaluation.importance_drift(spec.name, version, run.as_of, judged, shap, spec.training.seed)


def _in_order(spec: ModelSpec, rows: pl.DataFrame) -> pl.DataFrame:
    return rows if spec.timestamp is None else rows.sort(spec.timestamp)
