"""Ledger records as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import polars as pl

    from mlops_assets.datasets import Commit, Difference
    from mlops_assets.ledger import HistoryEntry, Waiver
    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.lifecycle.recovery.rollback_check import RollbackCheck


def status(platform: Platform, names: Sequence[str] | None, now: datetime) -> None:
    """One line per model."""
    from mlops_assets.lifecycle.recovery.rollback_check import last_check

    table = Table("model", "champion", "since", "last decision", "open alerts", "rollback to")
    for name in names if names is not None else platform.ledger.models():
        champion_state = platform.ledger.champion_state(name)
        last = next(iter(platform.ledger.history(name, 1)), None)
        target = platform.ledger.rollback_target(name)
        table.add_row(
            name,
            f"version {champion_state.champion.version}" if champion_state.champion else "none",
            _ago(now - champion_state.champion.since) if champion_state.champion else "",
            f"{last.action} version {last.version}, {_ago(now - last.at)}" if last else "none",
            str(len(platform.ledger.alerts(name, open_only=True))),
            _rollback(target, last_check(platform, name), now),
        )
    _print(table)


def _rollback(target: int | None, tried: RollbackCheck | None, now: datetime) -> str:
    """The version a rollback would go to, and whether it was seen to work."""
    if target is None:
        return "none"
    if tried is None or tried.version != target:
        return f"version {target}, never tried"
    how = f"tried {_ago(now - tried.at)}" if tried.ready else "[red]NOT READY[/red]"
    return f"version {target}, {how}"


def history(entries: Sequence[HistoryEntry], model: str) -> None:
    """One line per decision."""
    table = Table("at", "who", "what", "version", "champion after", "why", "evidence", title=model)
    for entry in entries:
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M}",
            entry.actor,
            entry.action.replace("_", " "),
            str(entry.version),
            str(entry.to_version or "none"),
            entry.reason,
            (entry.evidence_hash or "")[:12],
        )
    _print(table)


def waivers(found: Sequence[Waiver], model: str, now: datetime) -> None:
    """One line per waiver, whether it holds or has expired."""
    table = Table("since", "gate", "owner", "reason", "until", "holds", title=f"{model}: waived gates")
    for one in found:
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M}",
            one.gate,
            one.owner,
            one.reason,
            f"{one.expires_at:%Y-%m-%d %H:%M}",
            "yes" if now < one.expires_at else "expired",
        )
    if table.row_count:
        _print(table)
    else:
        _print_words(f"no gate of {model} was ever waived")


def versions(commits: Sequence[Commit], title: str) -> None:
    """One line per version of a table."""
    table = Table("version", "at", "rows", "content", "by", "operation", "run", "code", title=title)
    for one in commits:
        table.add_row(
            str(one.version.version),
            f"{one.at:%Y-%m-%d %H:%M}",
            f"{one.version.rows:,}",
            one.version.content_hash[:12],
            one.author,
            one.operation,
            one.run_id[:8],
            one.code_commit[:8],
        )
    _print(table)


def online_features(rows: pl.DataFrame, entity: str) -> None:
    """One line per feature, one column per entity: features are many, the entities somebody asks about are few."""
    table = Table("feature", *(str(key) for key in rows[entity]))
    for name in rows.columns:
        if name != entity:
            table.add_row(name, *("-" if value is None else str(value) for value in rows[name]))
    _print(table)


def registered_features(found: Sequence[dict[str, Any]], model: str) -> None:
    """One line per feature of the feature store, and the table versions they came from."""
    table = Table("feature", "view", "meaning", "made from", "missing", "mean", "std", title=model)
    for one in found:
        numbers = (one.get("missing"), one.get("mean"), one.get("std"))
        table.add_row(
            one["name"],
            one["view"].removeprefix(f"{model}_"),
            one["description"],
            ", ".join(one["sources"]),
            *("" if number is None else f"{number:.4g}" for number in numbers),
        )
    _print(table)
    for data, digest in sorted({(one["data"], one["model_file"]) for one in found}):
        _print_words(f"from {data}; model file {digest}")


def difference(found: Difference) -> None:
    """What changed between two versions of a table."""
    if found.same:
        _print_words("both versions hold the same rows")
        return
    _print_words(
        f"{found.rows_removed:,} rows removed, {found.rows_added:,} added; rows {found.after.rows:,}"
    )
    for word, names in (("removed", found.columns_removed), ("added", found.columns_added)):
        if names:
            _print_words(f"columns {word}: {', '.join(names)}")
    table = Table("column", "type", "missing", "mean")
    for one in found.changed:
        table.add_row(
            one.name,
            one.type_after if one.type_before == one.type_after else f"{one.type_before} -> {one.type_after}",
            f"{one.missing_before:.2%} -> {one.missing_after:.2%}",
            ""
            if one.mean_before is None or one.mean_after is None
            else f"{one.mean_before:.4g} -> {one.mean_after:.4g}",
        )
    if table.row_count:
        _print(table)


def _print_words(sentence: str) -> None:
    Console().print(sentence, highlight=False)


def _print(table: Table) -> None:
    console = Console()
    console.print(table if table.row_count else "nothing yet; run 'mlops run MODEL' first")


def _ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days ago"
