"""The command that writes the site of all models: docs."""

from __future__ import annotations

from pathlib import Path

import click

from mlops_assets.cli.context import exit_with, model_folder, now, open_platform, settings
from mlops_assets.settings import Settings


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write the pages; default reports/site below MLOPS_HOME, which the review page serves at /docs.",
)
def docs(out: Path | None) -> None:
    """Write a static site about all models: a list, and a page per model with its file, features, gates and history.

    Works before the first run, from the model files alone. The pages load nothing from elsewhere. Exits with 1 when a
    model file is refused; the list names its problems.
    """
    from mlops_assets.lifecycle.model_site import site_folder, write_site

    current, folder = settings(), model_folder()
    target = out or site_folder(current.home)
    if _has_ledger(current):
        with open_platform() as platform:
            pages = write_site(target, folder, platform, now())
    else:
        pages = write_site(target, folder, None, now())
        click.echo(
            f"there is no ledger below {current.home} yet: the pages show the model files alone", err=True
        )
    click.echo(f"{len(pages)} pages; open {pages[0]}")
    exit_with(not folder.broken)


def _has_ledger(current: Settings) -> bool:
    """Return whether there is a database to read; none is made for pages that would only say that it is empty."""
    return current.database_url is not None or (current.home / "postgres").exists()


COMMANDS = (docs,)
