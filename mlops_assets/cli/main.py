"""The root command. Errors that a user can fix are printed without a traceback and exit with 1."""

from __future__ import annotations

import atexit
import errno
import gc
import sys
from importlib import import_module

import click
from typing_extensions import override

from mlops_assets import __version__
from mlops_assets.cli.sections import SECTIONS
from mlops_assets.errors import MlopsError

MODULES = (
    "run",
    "services",
    "champions",
    "diff",
    "alerts",
    "health",
    "docs",
    "retraining",
    "reports",
    "approvals",
    "recovery",
    "rollouts",
    "predict",
    "stream",
    "data",
    "features",
    "keys",
    "smoke",
    "models",
    "new",
    "init",
    "plan",
    "doctor",
    "backup",
    "backtest",
    "transfer",
    "retention",
    "healing",
)
"""Modules of this package with a tuple `COMMANDS`; help lists them by `sections`, completion in alphabetical order."""

LONGEST_SENTENCE = 300
"""Of a command in the list of all; its lines wrap."""

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


class RootCommand(click.Group):
    """The group of all commands. A module is imported when help, completion or a call needs it."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        self._load()
        return super().list_commands(ctx)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        self._load()
        return super().get_command(ctx, cmd_name)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, each with its whole first sentence."""
        self._load()
        for title, names in SECTIONS.items():
            with formatter.section(title):
                rows = [(name, self.commands[name].get_short_help_str(LONGEST_SENTENCE)) for name in names]
                formatter.write_dl(rows)

    def _load(self) -> None:
        if not self.commands:
            for name in MODULES:
                for command in import_module(f"mlops_assets.cli.{name}").COMMANDS:
                    self.add_command(command)


@click.group(
    cls=RootCommand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="mlops")
def cli() -> None:
    """Run the whole lifecycle of models: one YAML file declares a model, one Dagster asset graph runs it."""


def _name_full_disks() -> None:
    """Say which disk is full: few errors of the programs below us do."""
    from mlops_assets.cli.context import disk_problems

    for sentence in disk_problems():
        click.echo(f"{sentence}; free some space", err=True)


def main() -> None:
    """Run the `mlops` command and exit."""
    # Dagster and MLflow make a million objects that are never freed: looking for garbage among them every 700 new ones
    # costs a fifth of their import, and once more a second when the process ends.
    gc.set_threshold(50_000, 10, 10)
    atexit.register(gc.freeze)
    try:
        cli.main(prog_name="mlops", standalone_mode=False)
    except MlopsError as error:
        click.echo(f"error: {error}", err=True)
        _name_full_disks()
        sys.exit(1)
    except OSError as error:
        if error.errno not in (*DISK_FULL, *NOT_WRITABLE):
            raise
        click.echo(f"error: {error}", err=True)
        _name_full_disks()
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
