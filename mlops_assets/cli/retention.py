"""What is kept and who did what: `mlops gc` and `mlops audit`."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime, timedelta

import click

from mlops_assets.cli.context import now, open_platform, prepare_stores, settings
from mlops_assets.cli.options import JSON, OPTIONAL_MODEL, Instant
from mlops_assets.cli.output import Column, minute, print_json, print_records
from mlops_assets.settings import Stores


@click.command()
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option(
    "--keep",
    multiple=True,
    metavar="LINE=DURATION",
    help="Another duration for one line of the table, such as served_predictions=30d; at least 7d.",
)
@JSON
def gc(dry_run: bool, keep: tuple[str, ...], as_json: bool) -> None:
    """Remove old events, caches, logs, files of tables and backups; print what is kept, and for how long.

    Model versions, evidence, decisions, runs, and the data that one of them names are kept for ever. With
    MLOPS_DATABASE_URL the ledger is opened at MLOPS_RETENTION_URL, as the role mlops_retention.
    """
    from mlops_assets.operations.retention import RETENTION, Removal, RetentionStores, collect

    durations = dict(_duration(one) for one in keep)
    prepare_stores()
    opened = RetentionStores.open(settings(), Stores.from_environment(os.environ))
    removals = {one.what: one for one in collect(opened, now(), durations, dry_run=dry_run)}
    if as_json:
        print_json([{"what": one.what, "count": one.count, "bytes": one.size} for one in removals.values()])
        return

    def text(one: Removal | None) -> str:
        if one is None:
            return ""
        size = f", {one.size / 1e6:,.1f} MB" if one.size else ""
        return f"{one.count:,} {one.unit}{size}"

    verb = "would remove" if dry_run else "removed"
    records = [
        {
            "what": line.what,
            "kept": "for ever" if line.after is None else f"{removals[line.what].after.days} days",
            verb: text(removals.get(line.what)),
            "why": line.why,
        }
        for line in RETENTION
    ]
    columns = [Column("what", lambda r: r["what"]), Column("kept", lambda r: r["kept"])]
    columns += [Column(verb, lambda r: r[verb]), Column("why", lambda r: r["why"])]
    print_records(records, columns, as_json=False)


@click.command()
@OPTIONAL_MODEL
@click.option("--by", "actor", help="Only acts of this person or program.")
@click.option("--since", type=Instant(), help="Only acts from this instant on.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many newest acts.")
@JSON
def audit(model: str | None, actor: str | None, since: datetime | None, limit: int, as_json: bool) -> None:
    """Print who did what, newest first: decisions, verdicts, waivers, acknowledged alerts, API keys.

    The ledger refuses every change and deletion of decisions, verdicts and waivers, whoever asks.
    """
    with open_platform() as platform:
        acts = platform.ledger.acts(model=model, actor=actor, since=since, limit=limit)
    columns = [Column("at", lambda record: minute(record["at"]))]
    columns += [Column.of(name) for name in ("actor", "action", "model", "subject", "reason")]
    print_records(
        [asdict(one) for one in acts], columns, as_json=as_json, empty="nobody has done anything yet"
    )


def _duration(text: str) -> tuple[str, timedelta]:
    from mlops_assets.model_file.values import parse_duration

    line, separator, duration = text.rpartition("=")
    try:
        if not separator:
            raise ValueError
        return line, parse_duration(duration)
    except ValueError:
        raise click.UsageError(
            f"--keep {text}: write LINE=DURATION, such as served_predictions=30d"
        ) from None


COMMANDS = (gc, audit)
