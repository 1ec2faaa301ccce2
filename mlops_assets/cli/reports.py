"""Commands that report on decisions: report, what-if. They need only the ledger."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import model_spec, new_run, open_platform
from mlops_assets.cli.options import EVALUATED_VERSION, JSON, MODEL
from mlops_assets.cli.output import print_json

if TYPE_CHECKING:
    from mlops_assets.model_file import ModelSpec
    from mlops_assets.settings import Settings


@click.command()
@MODEL
@EVALUATED_VERSION
@click.option(
    "--against",
    "ref",
    help="Begin with what changed in the model file since this git ref, and which decisions would flip.",
)
@click.option("--html", is_flag=True, help="Print where the HTML report with the plots is.")
@JSON
def report(model: str, version: int | None, ref: str | None, html: bool, as_json: bool) -> None:
    """Print the gate report of MODEL's newest challenger as Markdown for code review.

    Needs neither Dagster nor MLflow. Exits with 0 when the gates promote or keep (waiting for an approval included),
    with 1 when they refuse.
    """
    from mlops_assets.lifecycle import reports
    from mlops_assets.lifecycle.approvals import verdicts

    spec = model_spec(model)
    with open_platform() as platform:
        run = new_run()
        subject = verdicts.subject(spec, platform, run, version)
        if html:
            click.echo(str(platform.reports(model, subject.evidence.version) / "report.html"))
            return
        text, decision = reports.report(spec, platform, run, subject)
        if as_json:
            print_json(asdict(subject) | {"decision": asdict(decision)})
        else:
            if ref is not None:
                click.echo(reports.against(spec, platform, ref))
                _print_backtest(spec, platform.settings, ref)
            click.echo(text, nl=False)
    sys.exit(1 if decision.outcome == "refuse" else 0)


@click.command(name="what-if")
@MODEL
@click.option(
    "--file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Model file with the gates to try.",
)
def what_if(model: str, file: Path) -> None:
    """List which past decisions about MODEL would flip under the gates of FILE.

    The stored evidence decides; nothing is trained.
    """
    from mlops_assets.lifecycle import reports
    from mlops_assets.model_file import load_model

    changed = load_model(file)
    model_spec(model)
    if changed.name != model:
        raise click.UsageError(f"{file} is the model file of {changed.name!r}, not of {model!r}")
    with open_platform() as platform:
        for line in reports.replay_lines(reports.replay(changed, platform, model)):
            click.echo(line)


def _print_backtest(spec: ModelSpec, settings: Settings, ref: str) -> None:
    """Print what a backtest said about a change of gates, monitoring, retraining or schedules, or how to run one."""
    from mlops_assets.backtest.summary import backtest_of_change
    from mlops_assets.lifecycle.file_history import file_of, model_at

    before = model_at(file_of(settings.models, spec.name), ref)
    text = backtest_of_change(settings.home, before, spec, ref) if before is not None else ""
    if text:
        click.echo(text)


COMMANDS = (report, what_if)
