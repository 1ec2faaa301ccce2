"""Commands about what is in production: status, history, report, rollback. They need the ledger, nothing else."""

from __future__ import annotations

import click

from mlops_assets.cli.opening import now, platform, run, spec_of
from mlops_assets.errors import LedgerError


@click.command()
@click.argument("model", required=False)
def status(model: str | None) -> None:
    """Champion, age, last decision and open alerts of every model, or of MODEL."""
    from mlops_assets.cli import tables

    with platform() as opened:
        tables.status(opened, [spec_of(model).name] if model else None, now())


@click.command()
@click.argument("model")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
def history(model: str, limit: int) -> None:
    """Every decision about MODEL, newest first: who, when, what, why."""
    from mlops_assets.cli import tables

    with platform() as opened:
        tables.history(opened.ledger.history(model, limit), model)


@click.command()
@click.argument("model")
@click.option("--version", type=int, help="A version other than the newest evaluated one.")
@click.option("--html", is_flag=True, help="Print where the HTML report with the plots is.")
def report(model: str, version: int | None, html: bool) -> None:
    """The gate report of MODEL's newest challenger as Markdown for code review.

    Exits with 0 when the gates promote or keep, with 1 when they refuse.
    """
    with platform() as opened:
        found = opened.ledger.versions(model)
        number = version or next(
            (row.version for row in found if opened.ledger.evidence_of(model, row.version)), None
        )
        if number is None:
            raise LedgerError(f"{model!r} has no evaluated version; run 'mlops run {model}' first")
        folder = opened.reports(model, number)
        if html:
            click.echo(str(folder / "report.html"))
            return
        click.echo((folder / "report.md").read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("model")
@click.option("--to", "to_version", type=int, help="A version other than the last that really served.")
@click.option("--reason", default="rolled back by hand", show_default=True)
def rollback(model: str, to_version: int | None, reason: str) -> None:
    """Put the last version that really served back in production. Needs neither Dagster nor MLflow running."""
    from mlops_assets.lifecycle.promote import roll_back

    with platform() as opened:
        champion = roll_back(opened, model, to_version, run(), reason)
        click.echo(f"{model}: version {champion.version} is champion again, epoch {champion.epoch}")


COMMANDS = (status, history, report, rollback)
