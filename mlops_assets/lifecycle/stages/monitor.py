"""Monitoring the champion: how far the newest readings have moved from its training data."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import polars as pl

from mlops_assets import features, monitoring, retraining, stages
from mlops_assets.artifacts import DriftReport, Profile, Signal, TableVersion
from mlops_assets.lifecycle.model_loading import champion_profile
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.lifecycle.served_inputs import predicted_values, served_inputs
from mlops_assets.model_file import ModelSpec

MOST_SIGNALS: Final = 1_000
"""Signals of each cause that the record of the alarms is counted from, the newest."""


def report_drift(spec: ModelSpec, platform: Platform, run: Run) -> DriftReport:
    """Compare the newest `monitoring.window` of readings with the champion's training profile, per feature.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The report; level `no_champion` without a champion.
    """
    champion_state = platform.ledger.champion_state(spec.name)
    profile = champion_profile(spec, platform)
    if champion_state.champion is None or profile is None:
        report = DriftReport(spec.name, None, 0, "no_champion", None, None, (), run.as_of)
    else:
        validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
        frame = features.build(spec, platform.datasets.read(validated.table))
        version = champion_state.champion.version
        platform.ledger.record_signals(_other_signals(spec, platform, run, version, frame), run.now())
        report = _measure(spec, platform, run, version, profile, frame, validated.table)
    run.progress(f"drift: {report.level}")
    signal = retraining.drift_signal(spec, report)
    if signal is not None:
        platform.ledger.record_signals([signal], run.now())
        known = platform.ledger.newest_signals([spec.name], MOST_SIGNALS).get(spec.name, [])
        report = replace(report, alarms=retraining.alarm_records(known, spec.monitoring.window))
    keep_record(platform, spec, stages.DRIFT_REPORT, run, report)
    return report


def _measure(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    version: int,
    profile: Profile,
    frame: pl.DataFrame,
    table: TableVersion,
) -> DriftReport:
    """Measure what callers of the API sent in the window, else the readings; and the predictions."""
    instant = timedelta(microseconds=1)  # a window ends with its last instant and begins after its first
    since, until = run.as_of - spec.monitoring.window + instant, run.as_of + instant
    computed, from_clock = features.computed_names(spec), features.clock_names(spec)
    inputs = monitoring.inputs_alone(spec, profile, computed)
    served = served_inputs(spec, platform, inputs, since, until)
    if served.height >= monitoring.MIN_ROWS:
        report = monitoring.drift(
            spec, inputs, version, served, run.as_of, computed=computed, from_clock=from_clock
        )
        report = replace(report, source="served inputs")
    else:
        if spec.timestamp is not None:
            frame = frame.filter(pl.col(spec.timestamp) >= since)
        report = monitoring.drift(
            spec, profile, version, frame, run.as_of, computed=computed, from_clock=from_clock, table=table
        )
    predicted = predicted_values(spec, platform, version, since, until)
    return replace(report, prediction=monitoring.prediction_drift(spec, profile, predicted, run.as_of))


def _other_signals(
    spec: ModelSpec, platform: Platform, run: Run, version: int, frame: pl.DataFrame
) -> list[Signal]:
    """Return the signals about new rows, and about code and model file, since the champion's training."""
    row = platform.ledger.model_version(spec.name, version)
    digests = [
        str(one.body.get("spec_digest", "")) for one in platform.ledger.evidence_of(spec.name, version)
    ]
    trained_with = row.code_commit or "", digests[-1] if digests else ""
    upstream = retraining.upstream_signal(
        spec,
        champion=version,
        trained_with=trained_with,
        present=(run.code_commit, spec.digest()),
        now=run.as_of,
    )
    after = pl.col(spec.timestamp) > row.created_at if spec.timestamp else pl.lit(value=True)
    volume = retraining.data_volume_signal(
        spec, champion=version, new_rows=frame.filter(after).height, now=run.as_of
    )
    return [upstream, *([volume] if volume else [])]
