"""Commands about what is in production: list, status, history, promote, rollback, retire. They need only the ledger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from mlops_assets.cli import tables
from mlops_assets.cli.context import (
    actor,
    disk_problems,
    model_folder,
    model_spec,
    new_run,
    now,
    open_platform,
)
from mlops_assets.cli.options import JSON, MODEL, OPTIONAL_MODEL
from mlops_assets.errors import LedgerError

if TYPE_CHECKING:
    from mlops_assets.lifecycle.platform import Platform


@click.command()
@OPTIONAL_MODEL
@JSON
def status(model: str | None, as_json: bool) -> None:
    """Show champion, age, health, last decision and open alerts of every model, or of MODEL.

    Models that never ran and model files that are broken are listed too. Exits with 1 when the ledger breaks one of
    its own rules.
    """
    from mlops_assets.ledger import invariants
    from mlops_assets.lifecycle.status import status_records
    from mlops_assets.local.environment import open_to_others

    with open_platform(emergency=True) as platform:
        if model:
            records = status_records(platform, [model_spec(model).name], now())
        else:
            folder = model_folder()
            names = {spec.name for spec in folder.specs} | set(platform.ledger.models())
            records = status_records(platform, sorted(names), now())
            for broken in folder.broken:
                records = _with_broken(records, broken.name, broken.sentence)
        tables.print_status(records, now(), as_json=as_json)
        violations = invariants(platform.ledger)
    for sentence in violations:
        click.secho(f"broken: {sentence}", fg="red", err=True)
    for sentence in disk_problems():
        click.secho(sentence, fg="red", err=True)
    for path in open_to_others(platform.settings.home):
        click.secho(f"other users of this machine can read {path}: chmod 700 it", fg="red", err=True)
    sys.exit(1 if violations else 0)


def _with_broken(records: list[dict[str, object]], name: str, problem: str) -> list[dict[str, object]]:
    """Say at a model that its file is broken; a model that is unknown so far gets a line of its own."""
    if any(record["model"] == name for record in records):
        return [record | {"problem": problem} if record["model"] == name else record for record in records]
    unknown = dict.fromkeys(
        (
            "champion",
            "since",
            "last_decision",
            "health",
            "hold",
            "waivers",
            "bundles_newer_than_ledger",
            "open_alerts",
            "rollback_to",
            "rollback_checked",
        )
    )
    return [*records, {"model": name, **unknown, "problem": problem}]


@click.command()
@MODEL
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="Largest number of decisions.",
)
@JSON
def history(model: str, limit: int, as_json: bool) -> None:
    """List every decision about MODEL, newest first: who, when, what, why.

    The reason of a promotion ends with what it delivered, once labels of later rows have arrived.
    """
    from mlops_assets.lifecycle.delivery import calibration, deliveries, history_with_delivery

    with open_platform() as platform:
        tables.print_history(history_with_delivery(platform, model, limit), model, as_json=as_json)
        summary = calibration(list(deliveries(platform, model).values()))
    if summary and not as_json:
        click.echo(summary)


@click.command()
@MODEL
@click.option("--to", "to_version", type=int, help="A version other than the last that really served.")
@click.option(
    "--revision", "--epoch", type=int, help="Do nothing unless the champion's revision is still this one."
)
@click.option(
    "--reason", default="rolled back by hand", show_default=True, help="Why; recorded in the history."
)
def rollback(model: str, to_version: int | None, revision: int | None, reason: str) -> None:
    """Put the last version that really served back in production. Needs neither Dagster nor MLflow.

    A second rollback in a row needs --to, so that a repeated command does not go back twice.
    """
    from mlops_assets.lifecycle.recovery.rollback import roll_back

    with open_platform(emergency=True) as platform:
        expected = platform.ledger.champion_state(model).revision if revision is None else revision
        if to_version is None:
            _refuse_second(platform, model)
        roll_back(platform, model, to_version, new_run(), reason, expected)


def _refuse_second(platform: Platform, model: str) -> None:
    moves = (
        entry
        for entry in platform.ledger.history(model, None)
        if entry.action in ("promoted", "rolled_back", "retired")
    )
    last = next(moves, None)
    if last is None or last.action != "rolled_back":
        return
    target = platform.ledger.rollback_target(model)
    further = f"; to go further back: mlops rollback {model} --to {target}" if target else ""
    raise LedgerError(
        f"{model} was rolled back to version {last.version} by {last.actor} at {last.at:%Y-%m-%d %H:%M} UTC, and "
        f"nothing was promoted since{further}"
    )


@click.command()
@MODEL
@click.option("--version", type=int, help="An evaluated version; default the newest.")
def promote(model: str, version: int | None) -> None:
    """Decide about a challenger now: it is promoted only if its recorded evidence passes every gate again.

    For a challenger that waited for an approval. Exits with 1 when it is refused.
    """
    from mlops_assets.lifecycle.stages.promote import apply_decision

    spec = model_spec(model)
    with open_platform() as platform:
        number, evidence_hash = _evaluated(platform, model, version)
        record = apply_decision(spec, platform, new_run(), number, evidence_hash)
    click.echo(f"{model} version {number}: {record.decision.outcome}: {record.decision.reason}")
    sys.exit(1 if record.decision.outcome == "refuse" else 0)


@click.command()
@MODEL
@click.option("--reason", required=True, help="Why; recorded in the history.")
def retire(model: str, reason: str) -> None:
    """Take MODEL out of production: the prediction API responds with 503 until the next promotion or rollback."""
    from mlops_assets.lifecycle.champions import mirror

    with open_platform(emergency=True) as platform:
        entry = platform.ledger.retire(model, actor=actor(), reason=reason, at=now())
        mirror(platform, model, new_run())
    click.echo(f"{model}: version {entry.version} is retired, there is no champion now")


def _evaluated(platform: Platform, model: str, version: int | None) -> tuple[int, str]:
    """Return a version with evidence, and the hash of its newest evidence. Raises LedgerError when there is none."""
    numbers = [version] if version is not None else [row.version for row in platform.ledger.versions(model)]
    for number in numbers:
        if evidence := platform.ledger.evidence_of(model, number):
            return number, evidence[0].hash
    raise LedgerError(f"{model!r} has no evaluated version; run 'mlops run {model}' first")


COMMANDS = (status, history, promote, rollback, retire)
