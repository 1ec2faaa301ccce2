"""Commands about alerts: read what happened, and acknowledge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import actor, model_spec, now, open_platform
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import Column, age, print_records
from mlops_assets.errors import LedgerError

if TYPE_CHECKING:
    from mlops_assets.ledger import Alert
    from mlops_assets.lifecycle.platform import Platform

NEWEST = 1_000


@click.group(invoke_without_command=True)
@click.option("--model", help="Alerts of one model only.")
@click.option("--all", "everything", is_flag=True, help="Acknowledged and closed alerts too.")
@JSON
@click.pass_context
def alerts(context: click.Context, model: str | None, everything: bool, as_json: bool) -> None:
    """List open alerts, one line per group of repeated events, the newest first.

    The number in the first column acknowledges the whole group: mlops alerts ack 12
    """
    if context.invoked_subcommand is not None:
        return
    name = model_spec(model).name if model else None
    with open_platform() as platform:
        rows = platform.ledger.alerts(name, open_only=not everything, limit=NEWEST)
    print_alerts(grouped(rows), now(), as_json=as_json)


@alerts.command()
@click.argument("numbers", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Every open alert.")
@click.option("--model", help="With --all: every open alert of one model.")
def ack(numbers: tuple[int, ...], everything: bool, model: str | None) -> None:
    """Acknowledge the alerts with these numbers, and the events that repeat them."""
    if bool(numbers) == everything:
        raise click.UsageError("name the numbers that 'mlops alerts' shows, or --all")
    with open_platform() as platform:
        count = acknowledge(platform, numbers, model_spec(model).name if model else None, actor())
    click.echo(f"{count} alert{'' if count == 1 else 's'} acknowledged")


@alerts.command()
@click.argument("model", type=str)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, NEWEST), help="Most lines.")
@JSON
def log(model: str, limit: int, as_json: bool) -> None:
    """List the conditions of `alerts.rules` in the readings of a model, the newest first."""
    with open_platform() as platform:
        lines = platform.ledger.sensor_alerts(model_spec(model).name, limit)
    columns = (
        Column("rule", lambda record: record["flag"]),
        Column.of("entity"),
        Column.of("severity"),
        Column("since", lambda record: f"{record['started_at']:%Y-%m-%d %H:%M}"),
        Column("last", lambda record: f"{record['ended_at']:%Y-%m-%d %H:%M}"),
        Column.of("readings"),
        Column.of("times"),
        Column("state", lambda record: "open" if record["closed_at"] is None else "closed"),
    )
    print_records(
        [asdict(line) for line in lines],
        columns,
        as_json=as_json,
        title="conditions",
        empty="no condition of alerts.rules was true",
    )


def acknowledge(platform: Platform, numbers: Sequence[int], model: str | None, who: str) -> int:
    """Acknowledge alerts and their groups; without numbers every open one.

    Args:
        platform: The open stores and settings.
        numbers: Numbers that `mlops alerts` shows; empty for all.
        model: Only alerts of this model; None for all.
        who: Name of the person.

    Returns:
        How many alerts were open.

    Raises:
        LedgerError: When no open alert has one of the numbers.
    """
    rows = platform.ledger.alerts(model, open_only=True, limit=NEWEST)
    known = {row.id: row.group for row in rows}
    unknown = [str(number) for number in numbers if number not in known]
    if unknown:
        raise LedgerError(f"no open alert has the number {', '.join(unknown)}; 'mlops alerts' lists them")
    groups = {known[number] for number in numbers} if numbers else set(known.values())
    return platform.ledger.acknowledge_groups(sorted(groups), who, now())


def grouped(rows: Sequence[Alert]) -> list[list[Alert]]:
    """Return alerts by group, the group of the newest alert first, the newest alert of each group first.

    Args:
        rows: Alerts, newest first.

    Returns:
        Groups of alerts.
    """
    groups: dict[str, list[Alert]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return list(groups.values())


def print_alerts(groups: Sequence[Sequence[Alert]], at: datetime, *, as_json: bool) -> None:
    """Print one line per group of alerts that repeat the same event.

    Args:
        groups: Result of `grouped`.
        at: Present time, for ages.
        as_json: Print JSON instead of a table.
    """
    columns = (
        Column.of("no", "id"),
        Column.of("severity"),
        Column("model", lambda record: record["model"] or "the platform"),
        Column("kind", lambda record: record["kind"].replace("_", " ")),
        Column.of("times"),
        Column("first", lambda record: age(at - record["first"])),
        Column("last", lambda record: age(at - record["at"])),
        Column.of("state"),
        Column.of("message"),
    )
    records = [
        asdict(group[0]) | {"times": len(group), "first": group[-1].at, "state": _state(group[0])}
        for group in groups
    ]
    print_records(records, columns, as_json=as_json, title="alerts", empty="no open alerts")


def _state(alert: Alert) -> str:
    if alert.closed_at is not None:
        return "closed"
    if alert.acknowledged_by is not None:
        return f"acknowledged by {alert.acknowledged_by}"
    return alert.delivery.replace("_", " ")


COMMANDS = (alerts,)
