"""Records of the ledger and of the tables, printed as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mlops_assets.cli.output import Column, Record, age, minute, number, print_json, print_records

if TYPE_CHECKING:
    import polars as pl

    from mlops_assets.datasets import Commit, Difference
    from mlops_assets.ledger import HistoryEntry, Waiver


def print_status(records: Sequence[Record], now: datetime, *, as_json: bool) -> None:
    """Print one line per model.

    Args:
        records: Result of `status_records`.
        now: Present time, with a zone.
        as_json: Print JSON instead of a table.
    """

    def champion(record: Record) -> str:
        if record["problem"]:
            return str(record["problem"])
        version = f"version {record['champion']}" if record["champion"] else "none"
        if record["bundles_newer_than_ledger"]:
            newer = ", ".join(str(number) for number in record["bundles_newer_than_ledger"])
            version = f"{version} (bundles newer than the ledger: {newer})"
        return f"{version}, ON HOLD" if record["hold"] else version

    def decision(record: Record) -> str:
        last = record["last_decision"]
        return f"{last['action']} version {last['version']}, {age(now - last['at'])}" if last else "none"

    def health(record: Record) -> str:
        return str(record["health"]["diagnosis"]).replace("_", " ") if record["health"] else ""

    def rollback(record: Record) -> str:
        target, check = record["rollback_to"], record["rollback_checked"]
        if target is None:
            return "none"
        if check is None:
            return f"version {target}, never tried"
        tried = f"tried {age(now - check['at'])}" if check["ready"] else "NOT READY"
        return f"version {target}, {tried}"

    columns = (
        Column.of("model"),
        Column("champion", champion),
        Column("since", lambda record: age(now - record["since"]) if record["since"] else ""),
        Column("health", health),
        Column("last decision", decision),
        Column.of("open alerts"),
        Column(
            "waived gates", lambda record: ", ".join(waiver["gate"] for waiver in record["waivers"] or ())
        ),
        Column("rollback to", rollback),
    )
    print_records(records, columns, as_json=as_json)


def print_history(entries: Sequence[HistoryEntry], model: str, *, as_json: bool) -> None:
    """Print one line per decision.

    Args:
        entries: Entries, newest first.
        model: Name of the model.
        as_json: Print JSON instead of a table.
    """
    columns = (
        Column("at", lambda record: minute(record["at"])),
        Column.of("who", "actor"),
        Column("what", lambda record: record["action"].replace("_", " ")),
        Column.of("version"),
        Column("champion after", lambda record: record["to_version"] or "none"),
        Column.of("why", "reason"),
        Column("evidence", lambda record: (record["evidence_hash"] or "")[:12]),
    )
    print_records([asdict(entry) for entry in entries], columns, as_json=as_json, title=model)


def print_waivers(waivers: Sequence[Waiver], model: str, now: datetime, *, as_json: bool) -> None:
    """Print one line per waiver, and whether it is in force.

    Args:
        waivers: Waivers, newest first.
        model: Name of the model.
        now: Present time, with a zone.
        as_json: Print JSON instead of a table.
    """
    columns = (
        Column("since", lambda record: minute(record["at"])),
        Column.of("gate"),
        Column.of("owner"),
        Column.of("reason"),
        Column("until", lambda record: minute(record["expires_at"])),
        Column("in force", lambda record: "yes" if record["in_force"] else "expired"),
    )
    records = [asdict(waiver) | {"in_force": now < waiver.expires_at} for waiver in waivers]
    print_records(
        records,
        columns,
        as_json=as_json,
        title=f"{model}: waived gates",
        empty=f"no gate of {model} was ever waived",
    )


def commit_record(commit: Commit) -> dict[str, Any]:
    """Return one entry of a table's log as a flat record.

    Args:
        commit: An entry of the log.

    Returns:
        The record.
    """
    record = asdict(commit)
    return {**record.pop("version"), **record.pop("by"), **record}


def print_versions(records: Sequence[Record], title: str, *, as_json: bool) -> None:
    """Print one line per version of a table.

    Args:
        records: Results of `commit_record`, newest first.
        title: Title of the table.
        as_json: Print JSON instead of a table.
    """
    columns = (
        Column.of("version"),
        Column("at", lambda record: minute(record["at"])),
        Column("rows", lambda record: f"{record['rows']:,}"),
        Column("content", lambda record: record["content_hash"][:12]),
        Column.of("by", "author"),
        Column.of("operation"),
        Column("run", lambda record: record["run_id"][:8]),
        Column("code", lambda record: record["code_commit"][:8]),
    )
    print_records(records, columns, as_json=as_json, title=title)


def print_online_features(rows: pl.DataFrame, entity: str) -> None:
    """Print one line per feature and one column per entity: features are many, the requested entities are few.

    Args:
        rows: One row per entity, one column per feature.
        entity: Name of the entity column.
    """
    entities = [str(key) for key in rows[entity]]
    records = [
        {
            "feature": name,
            **dict(zip(entities, ("-" if value is None else value for value in rows[name]), strict=True)),
        }
        for name in rows.columns
        if name != entity
    ]
    columns = [Column.of("feature"), *(Column.of(key, key) for key in entities)]
    print_records(records, columns, as_json=False)


def print_registered_features(features: Sequence[Mapping[str, Any]], model: str) -> None:
    """Print one line per feature of the feature store, and the table versions they came from.

    Args:
        features: One record per feature.
        model: Name of the model.
    """
    columns = (
        Column.of("feature", "name"),
        Column("view", lambda record: record["view"].removeprefix(f"{model}_")),
        Column.of("meaning", "description"),
        Column("made from", lambda record: ", ".join(record["sources"])),
        Column("missing", lambda record: number(record.get("missing"))),
        Column("mean", lambda record: number(record.get("mean"))),
        Column("std", lambda record: number(record.get("std"))),
    )
    print_records(features, columns, as_json=False, title=model)
    for data, digest in sorted({(feature["data"], feature["model_file"]) for feature in features}):
        click.echo(f"from {data}; model file {digest}")


def print_difference(difference: Difference, *, as_json: bool) -> None:
    """Print what changed between two versions of a table.

    Args:
        difference: The comparison.
        as_json: Print JSON instead of a table.
    """
    if as_json:
        print_json(asdict(difference))
        return
    if difference.same:
        click.echo("both versions hold the same rows")
        return
    click.echo(
        f"{difference.rows_removed:,} rows removed, {difference.rows_added:,} added; "
        f"rows {difference.after.rows:,}"
    )
    for heading, names in (("removed", difference.columns_removed), ("added", difference.columns_added)):
        if names:
            click.echo(f"columns {heading}: {', '.join(names)}")

    def types(record: Record) -> str:
        before, after = record["type_before"], record["type_after"]
        return str(after) if before == after else f"{before} -> {after}"

    def means(record: Record) -> str:
        before, after = record["mean_before"], record["mean_after"]
        return "" if before is None or after is None else f"{before:.4g} -> {after:.4g}"

    columns = (
        Column.of("column", "name"),
        Column("type", types),
        Column("missing", lambda record: f"{record['missing_before']:.2%} -> {record['missing_after']:.2%}"),
        Column("mean", means),
    )
    if difference.changed:
        print_records([asdict(change) for change in difference.changed], columns, as_json=False)
