"""`mlops doctor`: try everything the platform needs and say what is wrong and how to fix it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import now, open_platform, settings
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import print_json
from mlops_assets.errors import MlopsError

if TYPE_CHECKING:
    from mlops_assets.operations.doctor import Finding

OLD_BACKUP = timedelta(days=8)
"""A day more than a weekly backup."""
COLORS = {"good": "green", "warning": "yellow", "problem": "red"}


@click.command()
@JSON
def doctor(as_json: bool) -> None:
    """Try model files, folders, disk, ledger, clock, champions, alerts, backups and running services.

    Each problem is followed by the way to fix it. Exits with 1 when there is a problem, with 0 when there are at most
    warnings.
    """
    from mlops_assets.operations.doctor import Finding, examine, platform_checks

    findings = examine({"permissions": _permissions, "services": _services, "backup": _backups})
    try:
        with open_platform() as platform:
            findings += examine(platform_checks(platform, now))
    except MlopsError as error:
        findings += (Finding("ledger", "problem", str(error), "docs/operations.md, 'The database is down'"),)
    if as_json:
        print_json([asdict(one) for one in findings])
    for one in () if as_json else findings:
        click.echo(f"{click.style(f'{one.state:8}', fg=COLORS[one.state])} {one.check}: {one.sentence}")
        if one.fix:
            click.echo(f"{'':8}   -> {one.fix}")
    sys.exit(1 if any(one.state == "problem" for one in findings) else 0)


def _permissions() -> Iterator[Finding]:
    from mlops_assets.local.environment import open_to_others
    from mlops_assets.operations.doctor import Finding

    home = settings().home
    exposed = open_to_others(home)
    for path in exposed:
        yield Finding("", "problem", f"other users of this machine can read {path}", f"chmod 700 {path}")
    if not exposed:
        yield Finding("", "good", f"only you can read {home}")


def _services() -> Iterator[Finding]:
    from mlops_assets.local.addresses import SIGNED, running
    from mlops_assets.local.front import HEALTH
    from mlops_assets.local.probes import responds
    from mlops_assets.operations.doctor import Finding

    listening = running(settings().home)
    if not listening:
        yield Finding("", "good", "'mlops up' does not run here")
    for name, address in listening.items():
        # the front of Dagster and MLflow refuses requests without a session, but not those for its own health
        path = HEALTH if name in SIGNED else "/health"
        if responds(f"{address}{path}"):
            yield Finding("", "good", f"{name} responds at {address}")
        else:
            fix = f"read {settings().home / 'logs'}/{name}.log; mlops up starts it again"
            yield Finding("", "problem", f"{name} does not respond at {address}", fix)


def _backups() -> Iterator[Finding]:
    from mlops_assets.local import backup
    from mlops_assets.operations.doctor import Finding

    newest = next(iter(backup.known(settings().home / "backups")), None)
    if newest is None:
        yield Finding("", "warning", "there is no backup below MLOPS_HOME", "mlops backup create")
        return
    _, made = newest
    old = now() - made.created_at > OLD_BACKUP
    yield Finding(
        "",
        "warning" if old else "good",
        f"the newest backup is of {made.created_at:%Y-%m-%d %H:%M} UTC",
        "mlops backup create" if old else "",
    )


COMMANDS = (doctor,)
