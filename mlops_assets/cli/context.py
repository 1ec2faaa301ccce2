"""What every command starts from: settings, the model files, open stores, the identity of the caller.

Only the command line reads the environment and the clock; packages below receive both as arguments.
"""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import click

from mlops_assets.settings import Settings

if TYPE_CHECKING:
    from mlops_assets.lifecycle.platform import Platform, Run
    from mlops_assets.model_file import ModelFolder, ModelSpec


ADDRESSES: Final = {"review": "MLOPS_REVIEW_URL", "mlflow": "MLOPS_MLFLOW_URL"}
"""Services whose pages links lead to, and the variable with the address; a running `mlops up` has one for each."""


def settings() -> Settings:
    """Return the settings of this process."""
    return Settings.from_environment(os.environ)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def actor() -> str:
    """Return the name of the user, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def model_spec(name: str) -> ModelSpec:
    """Read the model file of one model; files of other models may be broken.

    Args:
        name: Name of the model.

    Returns:
        The model file.

    Raises:
        SpecError: the file of this model is broken.
        click.UsageError: no file has this model; the message names the nearest.
    """
    from mlops_assets.model_file import read_folder
    from mlops_assets.model_file.suggestion import did_you_mean

    folder = read_folder(settings().models)
    spec = folder.find(name)
    if spec is None:
        known = {spec.name for spec in folder.specs}
        raise click.UsageError(f"no model {name!r} in {settings().models}{did_you_mean(name, known)}")
    return spec


def model_folder() -> ModelFolder:
    """Read all model files, and print one line to stderr for each that is broken."""
    from mlops_assets.model_file import read_folder

    folder = read_folder(settings().models)
    for broken in folder.broken:
        click.echo(f"warning: {broken.sentence}", err=True)
    return folder


def prepare_stores() -> None:
    """Start or reach the database, migrate what needs it, and pass the addresses on to Dagster and child processes.

    Files that this process and its children write from here on are readable by their owner alone.
    """
    from mlops_assets.local import addresses
    from mlops_assets.local.environment import PRIVATE, environment
    from mlops_assets.local.postgres import prepare

    running = addresses.running(settings().home)
    for service, variable in ADDRESSES.items():
        if service in running:
            os.environ.setdefault(variable, running[service])
    os.umask(PRIVATE)  # readings, bundles and reports are the owner's, whoever else uses this machine
    current = settings()
    os.environ.update(environment(current, prepare(current, partial(click.echo, err=True))))


def disk_problems() -> tuple[str, ...]:
    """Return a sentence for each disk of the platform that is full."""
    from mlops_assets.local import reserve

    current = settings()
    root = () if "://" in current.data_root else (Path(current.data_root),)
    return reserve.full_disks((current.home, current.model_root, *root, Path(tempfile.gettempdir())))


@contextmanager
def open_platform(*, emergency: bool = False) -> Iterator[Platform]:
    """Open the stores for one command and close them afterwards.

    Args:
        emergency: The command has to work on a full disk too: space that was reserved for it is released.

    Yields:
        The open platform.
    """
    if emergency:
        from mlops_assets.local import reserve

        if sentence := reserve.give_back(settings().home):
            click.secho(sentence, fg="red", err=True)
    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.settings import Stores

    prepare_stores()
    platform = Platform.open(settings(), Stores.from_environment(os.environ))
    try:
        yield platform
    finally:
        platform.ledger.close()


def new_run(as_of: datetime | None = None) -> Run:
    """Return the run record of a command that acts without Dagster.

    Args:
        as_of: the instant that the command looks at the data from; default now.

    Returns:
        The run, its id drawn at random.
    """
    from mlops_assets.lifecycle.platform import Run, code_commit

    return Run(
        id=uuid4().hex,
        as_of=as_of or now(),
        now=now,
        actor=actor(),
        uid=os.getuid() if hasattr(os, "getuid") else None,
        code_commit=code_commit(Path(__file__).parent),
        progress=click.echo,
    )


def exit_with(success: bool) -> None:
    """End the command with exit code 0 for success, else 1.

    Args:
        success: Whether the command succeeded.
    """
    sys.exit(0 if success else 1)
