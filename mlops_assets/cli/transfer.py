"""Commands that carry a model version from one environment to the next: export, import."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_assets.cli.context import exit_with, model_spec, new_run, open_platform
from mlops_assets.cli.options import complete_models


@click.command(name="export")
@click.argument("version", metavar="MODEL[@V]", shell_complete=complete_models)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_command(version: str, file: Path) -> None:
    """Write the champion of MODEL, or version V, to FILE: bundle, evidence, data versions by hash, and who approved it.

    The same version again writes the same bytes.
    """
    from mlops_assets.lifecycle.transfer.exporting import export_version

    model, at, number = version.partition("@")
    if at and not number.isdecimal():
        raise click.UsageError(f"{version!r} names no version; write {model}@3")
    with open_platform() as platform:
        head, digest = export_version(platform, model, int(number) if at else None, file)
    verdict = f", {head.verdict.verdict} by {head.verdict.actor}" if head.verdict else ""
    click.echo(f"{head.model} version {head.version}{verdict}: evidence {head.evidence_hash[:16]}")
    click.echo(f"{file}: sha256 {digest}")


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_command(file: Path) -> None:
    """Register the version in FILE as a challenger here, and let the gates of this environment decide on it.

    Refused where the bundle was altered or cannot be loaded by the libraries here, where the model file is another one,
    and where the sources do not give the data that it was trained on. A verdict of the other environment is shown and
    counts for no gate here. Exits with 1 when the version is refused.
    """
    from mlops_assets.lifecycle.transfer import archive
    from mlops_assets.lifecycle.transfer.importing import import_version

    content = archive.read(file)
    head, evidence = content.head, content.evidence
    click.echo(f"{head.model} version {head.version} elsewhere, evidence {head.evidence_hash[:16]}")
    if head.verdict:
        click.echo(f"{head.verdict.verdict} there by {head.verdict.actor}: {head.verdict.comment}")
    spec = model_spec(head.model)
    with open_platform() as platform:
        result = import_version(spec, platform, new_run(evidence.as_of), content)
    if result.promotion is None:
        click.echo(f"it is version {result.version} here already, {result.status}; nothing was changed")
        return
    decision = result.promotion.decision
    click.echo(f"version {result.version} here: {decision.outcome}: {decision.reason}")
    exit_with(decision.outcome != "refuse")


COMMANDS = (export_command, import_command)
