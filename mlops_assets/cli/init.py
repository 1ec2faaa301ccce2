"""The command that makes a user's own repository: `mlops init FOLDER`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from mlops_assets.cli.context import actor

OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--owner", help="GitHub user or ORGANIZATION/TEAM who approves model files; default: your user name."
)
def init(folder: Path, owner: str | None) -> None:
    """Make a repository of your own in FOLDER: model files, settings, tests, CI, code owners, README.

    FOLDER must be new or empty (a .git folder may be there). The package mlops_assets is its only dependency.
    """
    from mlops_assets.drafting.repository_files import repository_files

    owner = (owner or actor()).removeprefix("@")
    if not OWNER.fullmatch(owner):
        raise click.UsageError(f"{owner!r} is no GitHub user or ORGANIZATION/TEAM; name one with --owner")
    if folder.is_file() or (folder.is_dir() and any(path.name != ".git" for path in folder.iterdir())):
        raise click.ClickException(f"{folder} is not empty; name a new folder")
    for path, text in repository_files(folder.absolute().name, owner).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(f"  {file}")
    click.echo(f"Next: cd {shlex.quote(str(folder))} && mlops validate && mlops run wine_classifier")


COMMANDS = (init,)
