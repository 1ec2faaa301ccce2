"""Ledger records as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from mlops_assets.ledger import HistoryEntry
    from mlops_assets.lifecycle.platform import Platform


def status(platform: Platform, names: Sequence[str] | None, now: datetime) -> None:
    """One line per model."""
    table = Table("model", "champion", "since", "last decision", "open alerts", "rollback to")
    for name in names if names is not None else platform.ledger.models():
        standing = platform.ledger.standing(name)
        last = next(iter(platform.ledger.history(name, 1)), None)
        target = platform.ledger.rollback_target(name)
        table.add_row(
            name,
            f"version {standing.champion.version}" if standing.champion else "none",
            _ago(now - standing.champion.since) if standing.champion else "",
            f"{last.action} version {last.version}, {_ago(now - last.at)}" if last else "none",
            str(len(platform.ledger.alerts(name, open_only=True))),
            f"version {target}" if target else "none",
        )
    _print(table)


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


def _print(table: Table) -> None:
    console = Console()
    console.print(table if table.row_count else "nothing yet; run 'mlops run MODEL' first")


def _ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days ago"
