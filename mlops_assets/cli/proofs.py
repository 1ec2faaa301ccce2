"""Commands that try things before they are needed, or prove them afterwards: drill, rescore, reproduce."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from mlops_assets.cli.opening import now, platform, run, settings, spec_of
from mlops_assets.cli.running import Instant
from mlops_assets.model_file import load_models


@click.command()
@click.argument("model", required=False)
def drill(model: str | None) -> None:
    """Try a rollback of MODEL (or of every model) without moving anything, and time it.

    The version a rollback would go to is checked byte for byte and loaded, its sample replayed, features of recent
    readings built and predicted. Exits with 1 when a target could not take over.
    """
    from mlops_assets.lifecycle.recovery import rollback_check

    failed = False
    with platform() as opened:
        specs = {spec.name: spec for spec in load_models(settings().models)}
        names = [spec_of(model).name] if model else [n for n in opened.ledger.models() if n in specs]
        for name in names:
            circumstances = run()
            made = rollback_check.check_rollback(opened, name, circumstances)
            rollback_check.alert(opened, made, circumstances, specs.get(name))
            failed = failed or (made.version is not None and not made.ready)
            click.secho(made.words, fg="red" if failed else None)
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("model")
@click.option("--since", required=True, type=Instant(), help="Predictions made from this instant on.")
@click.option("--version", type=int, help="The bad version; default the last that was rolled back from.")
def rescore(model: str, since: datetime, version: int | None) -> None:
    """After a rollback: list every prediction the bad version made, and make exactly those again.

    The present champion's answers are added beside the old ones; nothing is changed or removed. Exits with 1 when
    readings of some predictions are gone.
    """
    from mlops_assets.lifecycle.recovery.rescore import rescore as again

    spec_of(model)
    with platform() as opened:
        done = again(opened, model, since, run(), version)
    if not done.made:
        click.echo(f"{model}: version {done.bad} made no predictions since {since:%Y-%m-%d %H:%M} UTC")
        return
    click.echo(
        f"{model}: version {done.bad} made {done.made:,} predictions between {done.first:%Y-%m-%d %H:%M} and "
        f"{done.last:%Y-%m-%d %H:%M} UTC"
    )
    click.echo(f"version {done.champion} made {done.again:,} of them again, {done.new_rows:,} are new")
    if done.table is not None:
        click.echo(
            f"side by side: mlops data show {model} {done.table.version} --table {done.table.table} "
            f"({done.table.rows:,} rows)"
        )
    if done.out_of_reach:
        click.secho(
            f"{done.out_of_reach:,} could not be made again: their readings are gone", fg="red", err=True
        )
    sys.exit(1 if done.out_of_reach else 0)


@click.command()
@click.argument("which", metavar="MODEL@VERSION")
def reproduce(which: str) -> None:
    """Train MODEL@VERSION again from its recorded data, model file and seed, and compare every answer.

    MODEL alone means its champion. Exits with 0 when equal or equal within the tolerance, with 1 when not, and says
    what differs. Nothing is registered and no champion moves.
    """
    from mlops_assets.errors import LedgerError
    from mlops_assets.lifecycle.recovery.reproduce import reproduce as prove

    model, _, number = which.partition("@")
    spec_of(model)
    if number and not number.isdecimal():
        raise click.UsageError(f"{number!r} is no version; write {model}@3")
    with platform() as opened:
        champion = opened.ledger.champion(model)
        if not number and champion is None:
            raise LedgerError(f"{model} has no champion; name a version: {model}@1")
        began = now()
        made = prove(opened, model, int(number) if number else champion.version if champion else 0, run())
    good = made.verdict in ("equal", "within_tolerance")
    click.secho(made.words, fg="green" if good else "red")
    click.echo(f"took {(now() - began).total_seconds():.1f} s")
    sys.exit(0 if good else 1)


COMMANDS = (drill, rescore, reproduce)
