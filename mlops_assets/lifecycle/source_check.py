"""Whether a model's readings can be read and used now, before anything is stored or trained."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from mlops_assets import monitoring, readings, validation
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages.data import feed_simulated
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.consistency import Finding
from mlops_assets.model_file.suggestion import did_you_mean


def check_source(spec: ModelSpec, platform: Platform, run: Run) -> list[Finding]:
    """Read a model's source as a run would and validate the rows; store nothing.

    Simulated tables of the embedded database are filled up to `run.as_of`, as a run does.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: its `as_of` is the instant to look from.

    Returns:
        Key of the model file and sentence for each problem that would stop a run, and for each column that only
        `alerts.rules` or `monitoring.kpis` name and that the readings lack; empty when all is well.
    """
    try:
        feed_simulated(spec, platform, run)
        fetched = readings.read(spec, as_of=run.as_of, settings=platform.settings)
    except MlopsError as error:
        return [(("source",), str(error))]
    result = validation.validate(spec, fetched.frame, as_of=run.as_of, reference=None)
    return [
        *(
            (("source",), f"{rule.rule}: {rule.message}")
            for rule in result.rules
            if rule.critical and not rule.passed
        ),
        *_missing_in_rules(spec, fetched.frame, platform, run),
        *_missing_in_kpis(spec, fetched.frame),
    ]


def _missing_in_rules(
    spec: ModelSpec, frame: pl.DataFrame, platform: Platform, run: Run
) -> Iterator[Finding]:
    """Rules also see columns that `repairs` removes: what seems to be missing is read as the alert sweep reads it."""
    for name, rule in spec.alerts.rules.items():
        if rule.column in frame.columns:
            continue
        alone = spec.model_copy(update={"alerts": spec.alerts.model_copy(update={"rules": {name: rule}})})
        start = run.as_of - timedelta(hours=1)
        try:
            readings.read_span(alone, start=start, until=run.as_of, settings=platform.settings)
        except MlopsError as error:
            yield ("alerts", "rules", name, "column"), str(error)


def _missing_in_kpis(spec: ModelSpec, frame: pl.DataFrame) -> Iterator[Finding]:
    known = (*frame.columns, *monitoring.KPI_COLUMNS)
    for name in spec.monitoring.kpis:
        for column in monitoring.kpi_columns(spec, name):
            if column not in known:
                sentence = (
                    f"neither predictions nor readings have a column {column!r}{did_you_mean(column, known)}"
                )
                yield ("monitoring", "kpis", name), sentence
