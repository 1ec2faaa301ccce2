"""`mlops heal`: what is wrong with the platform, why, and what is done about it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import now, open_platform, settings
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import print_json

if TYPE_CHECKING:
    from mlops_assets.operations.healing.heal import Diagnosis, Outcome


@click.command()
@click.option("--dry-run", is_flag=True, help="Only print; change, record and send nothing.")
@JSON
def heal(dry_run: bool, as_json: bool) -> None:
    """Find what is wrong with the platform and its cause, and carry out the remedy if the table has one.

    Each remedy has a limit per day and is verified at the next call; what did not help goes to a person as an alert.
    Exits with 1 when a person has to act.
    """
    from mlops_assets.local.exporter import platform_sources
    from mlops_assets.local.healing import run_pass, take_snapshot

    with open_platform() as platform:
        current = settings()
        snapshot = take_snapshot(platform_sources(current, platform.stores, current.home / "backups"), now())
        diagnosis, outcomes = run_pass(platform, snapshot, act=True, dry_run=dry_run)
    if as_json:
        print_json(
            {
                "at": diagnosis.at,
                "outcomes": [asdict(one) for one in outcomes],
                "forecasts": [asdict(one) for one in diagnosis.forecasts],
                "score": diagnosis.score,
            }
        )
    else:
        _print(diagnosis, outcomes)
    sys.exit(1 if any(one.escalate for one in outcomes) else 0)


def _print(diagnosis: Diagnosis, outcomes: tuple[Outcome, ...]) -> None:
    for number, outcome in enumerate(outcomes, start=1):
        click.secho(f"{number}. {outcome.cause.component}", bold=True)
        for reason in outcome.cause.reasons:
            click.echo(f"   {reason}")
        click.secho(f"   {outcome.step}: {outcome.sentence}", fg="yellow" if outcome.escalate else "green")
    if not outcomes:
        click.echo("nothing is beyond its limit")
    for forecast in diagnosis.forecasts:
        click.echo(forecast.sentence)
    if diagnosis.is_unusual:
        click.echo(
            f"the platform as a whole looks unusual (score {diagnosis.score:.2f}, usual is above -0.5)"
        )


COMMANDS = (heal,)
