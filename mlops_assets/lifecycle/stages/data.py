"""The data stages of a lifecycle run: raw readings, validated data, features. One function per stage."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from mlops_assets import features, readings, stages, validation
from mlops_assets.artifacts import Profile, Signal, TableVersion
from mlops_assets.errors import DataError
from mlops_assets.lifecycle.model_loading import champion_profile
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.records import FeaturesRecord, QualityRecord, ReadingsRecord, ValidatedRecord
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.source import SqlSource
from mlops_assets.readings.sources.feed import catch_up


def read_readings(
    spec: ModelSpec, platform: Platform, run: Run, history: readings.History | None = None
) -> ReadingsRecord:
    """Read the readings up to `run.as_of`, apply the declared cleaning steps, and store them as a table version.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        history: Rows that were fetched before, in place of the source.

    Returns:
        The table version and the cleaning counts.

    Raises:
        DataError: When the source cannot be read.
    """
    if history is None:
        feed_simulated(spec, platform, run)
    fetched = readings.read(spec, as_of=run.as_of, settings=platform.settings, history=history)
    run.progress(f"read {fetched.frame.height:,} rows from {fetched.source}")
    table = _write(spec, platform, run, stages.RAW_READINGS, fetched.frame)
    record = ReadingsRecord(table, fetched.repairs, fetched.source, run.as_of)
    keep_record(platform, spec, stages.RAW_READINGS, run, record)
    return record


def validate_readings(spec: ModelSpec, platform: Platform, run: Run) -> ValidatedRecord:
    """Validate the readings; usable rows and quarantined rows become table versions of their own.

    A failed batch is recorded as failed: `build_features` refuses it, also in a later run.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Rule results and table versions.

    Raises:
        DataError: When no readings were read yet.
    """
    raw = record_of(platform, spec, stages.RAW_READINGS, run.id, ReadingsRecord)
    frame = platform.datasets.read(raw.table)
    reference: Profile | None = champion_profile(spec, platform)
    result = validation.validate(spec, frame, as_of=raw.as_of, reference=reference)
    run.progress(
        f"validated {frame.height:,} rows: {result.valid.height:,} usable, {result.quarantine.height:,} set aside"
    )
    record = ValidatedRecord(
        table=_write(spec, platform, run, stages.VALIDATED_DATA, result.valid),
        quarantine=_write(spec, platform, run, "quarantine", result.quarantine)
        if result.quarantine.height
        else None,
        rules=result.rules,
        passed=result.passed,
        as_of=raw.as_of,
    )
    platform.ledger.record_signals([quality_signal(spec, record)], run.now())
    keep_record(platform, spec, stages.VALIDATED_DATA, run, record)
    return record


def report_quality(spec: ModelSpec, platform: Platform, run: Run) -> QualityRecord:
    """Apply the same rules to the raw readings with Great Expectations and write its pages.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        Result of each rule and the folder of the pages.
    """
    from mlops_assets.validation import expectations

    raw = record_of(platform, spec, stages.RAW_READINGS, run.id, ReadingsRecord)
    docs = platform.settings.home / "docs" / spec.name
    reference = champion_profile(spec, platform)
    results = expectations.run(
        spec, platform.datasets.read(raw.table), docs, as_of=raw.as_of, reference=reference
    )
    run.progress(f"Great Expectations checked {len(results)} rules; its pages are at {docs / 'index.html'}")
    record = QualityRecord(results, raw.table.rows, str(docs), raw.as_of)
    keep_record(platform, spec, stages.DATA_QUALITY_REPORT, run, record)
    return record


def build_features(spec: ModelSpec, platform: Platform, run: Run) -> FeaturesRecord:
    """Build the feature table.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The table version and the names of the features.

    Raises:
        DataError: When the readings did not pass validation.
    """
    validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
    if not validated.passed:
        broken = _broken(validated)
        raise DataError(
            f"{spec.name}: validated data did not pass its rules, nothing is built on it: {broken}"
        )
    raw = record_of(platform, spec, stages.RAW_READINGS, run.id, ReadingsRecord)
    readings_table = platform.datasets.read(validated.table)
    matches = features.match_readings(spec, readings_table)
    features.refuse_unmatched(spec, matches)
    for one in matches:
        run.progress(one.sentence)
    frame = features.build(spec, readings_table)
    table = _write(spec, platform, run, stages.FEATURES, frame)
    names = features.feature_names(spec, tuple(frame.columns))
    run.progress(f"built {len(names)} features over {frame.height:,} rows")
    record = FeaturesRecord(table, names, (raw.table, validated.table, table), validated.as_of)
    keep_record(platform, spec, stages.FEATURES, run, record)
    return record


def _broken(validated: ValidatedRecord) -> str:
    return "; ".join(rule.message for rule in validated.rules if rule.critical and not rule.passed)


def quality_signal(spec: ModelSpec, record: ValidatedRecord) -> Signal:
    """Return whether the readings may train anything, for the retrain governor.

    Args:
        spec: The model file.
        record: The validated readings.

    Returns:
        The signal; active where a critical rule failed.
    """
    reason = "" if record.passed else _broken(record) or "no rule was checked"
    return Signal(spec.name, "data_quality", record.as_of, not record.passed, reason=reason)


def feed_simulated(spec: ModelSpec, platform: Platform, run: Run) -> None:
    """Let the simulator write what the plant would have measured by now; only ever into the embedded database.

    Args:
        spec: The model file; without `simulate` nothing happens.
        platform: The open stores and settings.
        run: The run: `as_of` and progress callback.
    """
    source = spec.source
    if isinstance(source, SqlSource) and source.simulate and source.table and platform.settings.embedded:
        days = source.window / timedelta(days=1) if source.window else 30
        added = catch_up(
            platform.stores.readings_url, source.table, source.simulate, until=run.as_of, days=days
        )
        if added:
            run.progress(f"the {source.simulate} simulator added {added:,} rows to {source.table}")


def _write(spec: ModelSpec, platform: Platform, run: Run, table: str, frame: pl.DataFrame) -> TableVersion:
    return platform.datasets.write(spec.name, table, frame, run.provenance)
