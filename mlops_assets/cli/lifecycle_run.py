"""One lifecycle run of a model: its progress while it runs, and its results afterwards, printed for a person."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets import stages
from mlops_assets.cli.context import settings
from mlops_assets.cli.waiting_line import progress_printer

if TYPE_CHECKING:
    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.model_file import ModelSpec

OUTCOMES = {
    "promote": ("promoted", "green"),
    "keep": ("kept", "yellow"),
    "refuse": ("refused", "red"),
}


def run_lifecycle(spec: ModelSpec, as_of: datetime, actor: str, *, force: bool = False) -> bool:
    """Run the graph of one model and print progress and results.

    Args:
        spec: the model.
        as_of: the instant that the run looks at the data from.
        actor: who started it, for the history.
        force: train although nothing changed since the last challenger.

    Returns:
        True unless a step failed or the challenger was refused.
    """
    # skops looks for each of scipy's functions in every module loaded before them: after Dagster, a second longer
    import scipy.special  # noqa: F401

    from mlops_assets.defs.execution import materialize
    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.settings import Stores

    click.echo(f"{spec.name}: lifecycle run as of {as_of:%Y-%m-%d %H:%M %Z}")
    started = time.monotonic()
    with progress_printer() as progress:
        result = materialize(spec, as_of=as_of, actor=actor, progress=progress, reuse=not force)
    platform = Platform.open(settings(), Stores.from_environment(os.environ))
    try:
        _print_results(spec, platform, result.run_id, unchanged=result.success)
    finally:
        platform.ledger.close()
    for stage, sentence in result.failures:
        click.secho(f"  {stage} failed: {sentence}", fg="red", err=True)
    click.echo(f"  run {result.run_id} took {time.monotonic() - started:.1f} s")
    return result.success


def _print_results(spec: ModelSpec, platform: Platform, run_id: str, *, unchanged: bool) -> None:
    from mlops_assets.artifacts import TrainedModel
    from mlops_assets.lifecycle.platform import own_record
    from mlops_assets.lifecycle.records import (
        FeaturesRecord,
        PredictionsRecord,
        PromotionRecord,
        ReportRecord,
    )

    built = own_record(platform, spec, stages.FEATURES, run_id, FeaturesRecord)
    if built is not None:
        for table in built.data:
            click.echo(
                f"  {table.table:<16} version {table.version}, {table.rows:,} rows, content {table.content_hash[:12]}"
            )
    trained = own_record(platform, spec, stages.TRAINED_MODEL, run_id, TrainedModel)
    if unchanged and trained is None:
        _print_unchanged(spec, platform)
    report = own_record(platform, spec, stages.EVALUATION_REPORT, run_id, ReportRecord)
    if trained is not None:
        click.echo(
            f"  challenger       version {trained.version} ({trained.algorithm}), MLflow run {trained.mlflow_run_id}"
        )
    if report is not None:
        for gate in report.gates:
            click.echo(f"  {gate.verdict:<16} {gate.gate}: {gate.reason}")
        click.echo(f"  report           {Path(report.folder) / 'report.html'}")
    promotion = own_record(platform, spec, stages.PRODUCTION_MODEL, run_id, PromotionRecord)
    decision = promotion.decision if promotion else report.decision if report else None
    predictions = own_record(platform, spec, stages.PREDICTIONS, run_id, PredictionsRecord)
    if predictions is not None:
        click.echo(f"  predictions      {predictions.new_rows:,} new, by version {predictions.version}")
    if promotion is not None and promotion.rollout is not None and promotion.champion != promotion.version:
        click.secho(f"  not champion yet: {promotion.rollout}", fg="yellow", bold=True)
    elif decision is not None:
        outcome, color = OUTCOMES[decision.outcome]
        click.secho(f"  {outcome}: {decision.reason}", fg=color, bold=True)


def _print_unchanged(spec: ModelSpec, platform: Platform) -> None:
    """Print how an earlier challenger of the same data and model file was decided."""
    champion = platform.ledger.champion(spec.name)
    for entry in platform.ledger.history(spec.name, 1):
        click.echo(
            f"  unchanged        version {entry.version} was {entry.action} on exactly this data: {entry.reason}"
        )
    if champion is not None:
        click.echo(f"  champion         version {champion.version}, since {champion.since:%Y-%m-%d %H:%M %Z}")
