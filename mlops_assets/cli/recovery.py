"""Commands of recovery: try a rollback, predict again after one, train a version again: drill, rescore, reproduce."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from mlops_assets.cli.context import model_folder, model_spec, new_run, now, open_platform
from mlops_assets.cli.options import MODEL, OPTIONAL_MODEL, Instant


@click.command()
@OPTIONAL_MODEL
def drill(model: str | None) -> None:
    """Check that a rollback of MODEL (or of every model) would work, without moving anything, and time it.

    The version that a rollback would go to is checked byte for byte and loaded, its sample is replayed, and features of
    recent readings are built and predicted. Exits with 1 when a target could not take over.
    """
    from mlops_assets.lifecycle.recovery import rollback_check

    failed = False
    with open_platform() as platform:
        specs = {spec.name: spec for spec in model_folder().specs}
        names = (
            [model_spec(model).name]
            if model
            else [name for name in platform.ledger.models() if name in specs]
        )
        for name in names:
            run = new_run()
            result = rollback_check.check_rollback(platform, name, run)
            rollback_check.alert(platform, result, run, specs.get(name))
            failed = failed or (result.version is not None and not result.ready)
            click.secho(result.sentence, fg="red" if failed else None)
    sys.exit(1 if failed else 0)


@click.command()
@MODEL
@click.option("--since", required=True, type=Instant(), help="Predictions made from this instant on.")
@click.option("--version", type=int, help="The bad version; default the last that was rolled back from.")
def rescore(model: str, since: datetime, version: int | None) -> None:
    """After a rollback: list every prediction that the bad version made, and make exactly those again.

    The predictions of the present champion are added next to the old ones; nothing is changed or removed. Exits with 1
    when readings of some predictions are gone.
    """
    from mlops_assets.lifecycle.recovery.rescore import rescore as rescore_predictions

    model_spec(model)
    with open_platform() as platform:
        result = rescore_predictions(platform, model, since, new_run(), version)
    if not result.made:
        click.echo(f"{model}: version {result.bad} made no predictions since {since:%Y-%m-%d %H:%M} UTC")
        return
    click.echo(
        f"{model}: version {result.bad} made {result.made:,} predictions between {result.first:%Y-%m-%d %H:%M} and "
        f"{result.last:%Y-%m-%d %H:%M} UTC"
    )
    click.echo(f"version {result.champion} made {result.again:,} of them again, {result.new_rows:,} are new")
    if result.table is not None:
        click.echo(
            f"side by side: mlops data show {model} {result.table.version} --table {result.table.table} "
            f"({result.table.rows:,} rows)"
        )
    if result.out_of_reach:
        click.secho(
            f"{result.out_of_reach:,} could not be made again: their readings are gone", fg="red", err=True
        )
    sys.exit(1 if result.out_of_reach else 0)


@click.command()
@click.argument("version", metavar="MODEL@VERSION")
def reproduce(version: str) -> None:
    """Train MODEL@VERSION again from its recorded data, model file and seed, and compare every prediction.

    MODEL alone means its champion. Exits with 0 when equal or equal within the tolerance, with 1 when not, and says
    what differs. Nothing is registered and no champion moves.
    """
    from mlops_assets.errors import LedgerError
    from mlops_assets.lifecycle.recovery.reproduce import reproduce as reproduce_version

    model, _, number = version.partition("@")
    model_spec(model)
    if number and not number.isdecimal():
        raise click.UsageError(f"{number!r} is no version; write {model}@3")
    with open_platform() as platform:
        champion = platform.ledger.champion(model)
        if not number and champion is None:
            raise LedgerError(f"{model} has no champion; name a version: {model}@1")
        started = now()
        chosen = int(number) if number else champion.version if champion else 0
        result = reproduce_version(platform, model, chosen, new_run())
    good = result.verdict in ("equal", "within_tolerance")
    click.secho(result.sentence, fg="green" if good else "red")
    click.echo(f"took {(now() - started).total_seconds():.1f} s")
    sys.exit(0 if good else 1)


COMMANDS = (drill, rescore, reproduce)
