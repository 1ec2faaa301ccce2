"""Commands about what is in production: status, history, promote, rollback. They need the ledger, nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.opening import actor, now, platform, run, spec_of
from mlops_assets.errors import LedgerError

if TYPE_CHECKING:
    from mlops_assets.lifecycle.platform import Platform


@click.command()
@click.argument("model", required=False)
def status(model: str | None) -> None:
    """Champion, age, last decision and open alerts of every model, or of MODEL.

    Exits with 1 when the ledger breaks one of its own rules.
    """
    from mlops_assets.cli import tables
    from mlops_assets.ledger import invariants

    with platform() as opened:
        tables.status(opened, [spec_of(model).name] if model else None, now())
        broken = invariants(opened.ledger)
    for sentence in broken:
        click.secho(f"broken: {sentence}", fg="red", err=True)
    sys.exit(1 if broken else 0)


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
@click.option("--to", "to_version", type=int, help="A version other than the last that really served.")
@click.option(
    "--revision", "--epoch", type=int, help="Do nothing unless the champion's revision is still this one."
)
@click.option("--reason", default="rolled back by hand", show_default=True)
def rollback(model: str, to_version: int | None, revision: int | None, reason: str) -> None:
    """Put the last version that really served back in production. Needs neither Dagster nor MLflow running.

    A second rollback in a row needs --to, so that a command given twice does not go back twice.
    """
    from mlops_assets.lifecycle.recovery.rollback import roll_back

    with platform() as opened:
        seen = opened.ledger.champion_state(model).revision if revision is None else revision
        if to_version is None:
            _refuse_twice(opened, model)
        roll_back(opened, model, to_version, run(), reason, seen)


def _refuse_twice(opened: Platform, model: str) -> None:
    moves = (
        e for e in opened.ledger.history(model, None) if e.action in ("promoted", "rolled_back", "retired")
    )
    last = next(moves, None)
    if last is None or last.action != "rolled_back":
        return
    target = opened.ledger.rollback_target(model)
    further = f"; to go further back: mlops rollback {model} --to {target}" if target else ""
    raise LedgerError(
        f"{model} was rolled back to version {last.version} by {last.actor} at {last.at:%Y-%m-%d %H:%M} UTC, and "
        f"nothing was promoted since{further}"
    )


@click.command()
@click.argument("model")
@click.option("--version", type=int, help="An evaluated version; default the newest.")
def promote(model: str, version: int | None) -> None:
    """Settle a challenger now: promoted only when its recorded evidence passes every gate again.

    For a challenger that waited for an approval. Exits with 1 when it is refused.
    """
    from mlops_assets.lifecycle.stages.promote import apply_decision

    spec = spec_of(model)
    with platform() as opened:
        number, evidence_hash = _evaluated(opened, model, version)
        record = apply_decision(spec, opened, run(), number, evidence_hash)
    click.echo(f"{model} version {number}: {record.decision.outcome}: {record.decision.reason}")
    sys.exit(1 if record.decision.outcome == "refuse" else 0)


@click.command()
@click.argument("model")
@click.option("--reason", required=True)
def retire(model: str, reason: str) -> None:
    """Take MODEL out of production: the prediction API answers 503 until the next promotion or rollback."""
    from mlops_assets.lifecycle.champions import mirror

    with platform() as opened:
        entry = opened.ledger.retire(model, actor=actor(), reason=reason, at=now())
        mirror(opened, model, run())
    click.echo(f"{model}: version {entry.version} is retired, there is no champion now")


def _evaluated(opened: Platform, model: str, version: int | None) -> tuple[int, str]:
    """A version with evidence, and the hash of its newest evidence. Raises LedgerError when there is none."""
    numbers = [version] if version is not None else [row.version for row in opened.ledger.versions(model)]
    for number in numbers:
        if evidence := opened.ledger.evidence_of(model, number):
            return number, evidence[0].hash
    raise LedgerError(f"{model!r} has no evaluated version; run 'mlops run {model}' first")


COMMANDS = (status, history, promote, rollback, retire)
