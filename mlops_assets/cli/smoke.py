"""`mlops smoke`: does every champion of a deployment predict?"""

from __future__ import annotations

from dataclasses import asdict

import click

from mlops_assets.cli.context import exit_with, settings
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import Column, print_records


@click.command()
@click.option(
    "--url", default="http://127.0.0.1:8000", show_default=True, help="Address of the prediction API."
)
@JSON
def smoke(url: str, as_json: bool) -> None:
    """Let every champion of a running prediction API predict its example, and check version and value.

    The key is the one of MLOPS_API_KEY, else of the file api_key. Exits with 1 when a model does not predict, or there
    is none.
    """
    from mlops_assets import key_files
    from mlops_assets.serving.smoke import smoke as check

    outcomes = check(url.rstrip("/"), key_files.read_key(settings(), key_files.API))
    print_records(
        [asdict(outcome) for outcome in outcomes],
        (
            Column.of("model"),
            Column.of("version"),
            Column("ms", lambda record: f"{record['milliseconds']:.1f}"),
            Column("result", lambda record: record["problem"] or "predicts"),
        ),
        as_json=as_json,
        empty="no model has a champion that can be served",
    )
    exit_with(bool(outcomes) and not any(outcome.problem for outcome in outcomes))


COMMANDS = (smoke,)
