"""Monitoring the champion: how far the newest readings have moved from its training data."""

from __future__ import annotations

import polars as pl

from mlops_assets import features, monitoring, retraining, stages
from mlops_assets.artifacts import DriftReport, Signal
from mlops_assets.lifecycle.model_loading import champion_profile
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.model_file import ModelSpec


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
        if spec.timestamp is not None:
            frame = frame.filter(pl.col(spec.timestamp) > run.as_of - spec.monitoring.window)
        report = monitoring.drift(
            spec,
            profile,
            version,
            frame,
            run.as_of,
            computed=features.computed_names(spec),
            from_clock=features.clock_names(spec),
            table=validated.table,
        )
    run.progress(f"drift: {report.level}")
    signal = retraining.drift_signal(spec, report)
    if signal is not None:
        platform.ledger.record_signals([signal], run.now())
    keep_record(platform, spec, stages.DRIFT_REPORT, run, report)
    return report


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
