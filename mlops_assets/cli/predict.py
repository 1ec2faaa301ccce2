"""`mlops predict`: predictions of a version for every stored reading of a window."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from functools import partial

import click

from mlops_assets.cli.context import model_spec, new_run, now, open_platform
from mlops_assets.cli.options import JSON, MODEL, Instant
from mlops_assets.cli.output import minute, print_json


@click.command()
@MODEL
@click.option("--from", "start", required=True, type=Instant(), help="First instant of the readings.")
@click.option("--to", "end", type=Instant(), help="End of the window, exclusive; default now.")
@click.option("--version", type=click.IntRange(1), help="Number of the version; default the champion.")
@JSON
def predict(model: str, start: datetime, end: datetime | None, version: int | None, as_json: bool) -> None:
    """Predict every stored reading of a window with MODEL's champion or another version.

    Each reading gets one prediction of a version, however often the command runs: one that was stopped, or killed, goes
    on where it ended. Predictions are stored where those of the asset `predictions` are, and monitoring reads them.
    """
    from mlops_assets.lifecycle.window_scoring import score_window

    model_spec(model)
    with open_platform() as platform:
        run = replace(new_run(), progress=partial(click.echo, err=True))
        scores = score_window(platform, model, start, end or now(), run, version)
    if as_json:
        print_json(asdict(scores))
        return
    click.echo(
        f"{model}: version {scores.version} has predicted {scores.rows:,} readings from {minute(scores.first)} to "
        f"{minute(scores.last)}; {scores.new_rows:,} predictions are new"
    )


COMMANDS = (predict,)
