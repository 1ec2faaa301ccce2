"""Commands that report on decisions: report, what-if. They need the ledger, nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mlops_assets.cli.opening import platform, run, spec_of
from mlops_assets.model_file import load_model


@click.command()
@click.argument("model")
@click.option("--version", type=int, help="A version other than the newest evaluated one.")
@click.option(
    "--against",
    "ref",
    help="Add what changed in the model file since this git ref, and what that would flip.",
)
@click.option("--html", is_flag=True, help="Print where the HTML report with the plots is.")
def report(model: str, version: int | None, ref: str | None, html: bool) -> None:
    """The gate report of MODEL's newest challenger as Markdown for code review.

    Needs neither Dagster nor MLflow. Exits with 0 when the gates promote or keep (waiting for a person included), with
    1 when they refuse.
    """
    from mlops_assets.lifecycle import reports
    from mlops_assets.lifecycle.approvals import answers

    spec = spec_of(model)
    with platform() as opened:
        circumstances = run()
        found = answers.subject(spec, opened, circumstances, version)
        if html:
            click.echo(str(opened.reports(model, found.evidence.version) / "report.html"))
            return
        text, decision = reports.report(spec, opened, circumstances, found)
        click.echo(text, nl=False)
        if ref is not None:
            click.echo("\n" + reports.against(spec, opened, ref), nl=False)
    sys.exit(1 if decision.outcome == "refuse" else 0)


@click.command(name="what-if")
@click.argument("model")
@click.option("--file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def what_if(model: str, file: Path) -> None:
    """Which past decisions about MODEL would flip under the gates of FILE, from stored evidence, without training."""
    from mlops_assets.lifecycle import reports

    changed = load_model(file)
    spec_of(model)
    if changed.name != model:
        raise click.UsageError(f"{file} is the model file of {changed.name!r}, not of {model!r}")
    with platform() as opened:
        for line in reports.told(reports.replay(changed, opened, model)):
            click.echo(line)


COMMANDS = (report, what_if)
