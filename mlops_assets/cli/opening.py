"""How commands reach the stores: settings from the environment, services made ready, the platform opened."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from mlops_assets.model_file import ModelSpec, load_models
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.settings import Settings

if TYPE_CHECKING:
    from mlops_assets.lifecycle.platform import Platform, Run


def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(os.environ)


def now() -> datetime:
    """The clock, read here and nowhere below."""
    return datetime.now(UTC)


def actor() -> str:
    """Who runs the command, for the history."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def spec_of(name: str) -> ModelSpec:
    """The named model file, or a usage error with the nearest name."""
    specs = {spec.name: spec for spec in load_models(settings().models)}
    if name not in specs:
        raise click.UsageError(f"no model {name!r} in {settings().models}{did_you_mean(name, specs)}")
    return specs[name]


def make_ready() -> None:
    """Start or reach the database, migrate what needs it, and tell Dagster and children the addresses."""
    from mlops_assets.local.environment import environment
    from mlops_assets.local.postgres import prepare

    here = settings()
    os.environ.update(environment(here, prepare(here, partial(click.echo, err=True))))


@contextmanager
def platform() -> Iterator[Platform]:
    """The open platform for one command."""
    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.settings import Stores

    make_ready()
    opened = Platform.open(settings(), Stores.from_environment(os.environ))
    try:
        yield opened
    finally:
        opened.ledger.close()


def run(as_of: datetime | None = None) -> Run:
    """The circumstances of a command that acts without Dagster."""
    from mlops_assets.lifecycle.platform import Run, code_commit

    return Run(
        id=uuid4().hex,
        as_of=as_of or now(),
        now=now,
        actor=actor(),
        code_commit=code_commit(Path(__file__).parent),
        progress=click.echo,
    )
