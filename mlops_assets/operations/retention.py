"""What is kept, for how long, and the removal of the rest: the one table of the platform's retention.

Comes in: the open stores and an instant. Goes out: for each line of `RETENTION` how much is or was removed. Runs, model
versions, bundles, evidence, decisions, and every table version that one of them refers to, are kept for ever; nothing
younger than a week is ever removed, so that no run that goes on can need it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mlops_assets.datasets import Datasets, tags
from mlops_assets.errors import DataError
from mlops_assets.ledger.dagster_events import DagsterEvents
from mlops_assets.ledger.retention import COLLECTED, Retention
from mlops_assets.settings import RETENTION_ROLE, Settings, Stores, with_driver, with_user

LEAST: Final = timedelta(days=7)
"""No retention may be shorter: the longest run takes two days."""
LEAST_BACKUPS: Final = 3
"""Backups that stay whatever their age."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A line of the table. after: how long it is kept, None for ever; unit: what is counted."""

    what: str
    after: timedelta | None
    unit: str
    why: str


def _days(what: str, days: int, unit: str, why: str) -> Keep:
    return Keep(what, timedelta(days=days), unit, why)


RETENTION: Final = (
    Keep("model versions, bundles, evidence, history, approvals, waivers", None, "", "every decision can be explained"),
    Keep("runs, materializations, checks, failures", None, "", "the history of every asset"),
    Keep("data named by a version, its evidence, a record, a tag or a receipt", None, "", "reproduce, receipts"),
    _days("predictions", 400, "rows", "rescore after a rollback, errors of a year"),
    _days("served_predictions", 400, "rows", "receipts of a year; the largest table of a busy API"),
    _days("posted_labels", 400, "rows", "as long as their predictions"),
    _days("signals", 400, "rows", "the newest 100 of each cause stay"),
    _days("alerts_log", 400, "rows", "conditions of the readings"),
    _days("shadow_predictions", 90, "rows", "those of a roll-out that goes on stay"),
    _days("rollout_observations", 90, "rows", "those of a roll-out that goes on stay"),
    _days("asset_records", 90, "rows", "old reports of monitoring; the newest of each asset stays"),
    _days("table files", 90, "files", "of versions that nothing names"),
    _days("events", 90, "rows", "how runs went step by step, not what they made"),
    _days("compute logs", 30, "folders", "output of runs that have ended"),
    _days("backups", 60, "backups", f"the newest {LEAST_BACKUPS} stay"),
)  # fmt: skip
COLLECTABLE: Final = {one.what: one.after for one in RETENTION if one.after is not None}


@dataclass(frozen=True, slots=True)
class Removal:
    """What one line removed or would remove. size: bytes where they are known."""

    what: str
    after: timedelta
    count: int
    unit: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class RetentionStores:
    """The stores that retention works on; each is opened with the least rights that it needs."""

    ledger: Retention
    events: DagsterEvents
    datasets: Datasets
    compute_logs: Path
    backups: Path

    @classmethod
    def open(cls, settings: Settings, stores: Stores) -> RetentionStores:
        """Open the stores of an installation; the ledger as the role that may delete event rows.

        Args:
            settings: Settings of the installation.
            stores: URLs of the databases.

        Returns:
            The stores.
        """
        own = settings.environ.get("MLOPS_RETENTION_URL")
        embedded = with_user(stores.ledger_url, RETENTION_ROLE)
        return cls(
            ledger=Retention.open(with_driver(own or (embedded if settings.embedded else stores.ledger_url))),
            events=DagsterEvents.open(stores.dagster_url),
            datasets=Datasets(settings.data_root),
            compute_logs=Path(settings.environ["MLOPS_COMPUTE_LOGS"]),
            backups=settings.home / "backups",
        )


def collect(
    stores: RetentionStores, now: datetime, keep: Mapping[str, timedelta] | None = None, *, dry_run: bool
) -> Iterator[Removal]:
    """Remove what is older than the table says.

    Args:
        stores: The stores.
        now: The present instant, with a zone.
        keep: Other durations by line of the table, at least a week each.
        dry_run: Only count.

    Yields:
        One result per line that can lose something, in the order of the table.

    Raises:
        DataError: A duration is shorter than a week, or its line does not exist.
    """
    durations = COLLECTABLE | dict(keep or {})
    for what, after in durations.items():
        if what not in COLLECTABLE:
            raise DataError(
                f"no line of the retention is named {what!r}; choose from {', '.join(COLLECTABLE)}"
            )
        if after < LEAST:
            raise DataError(
                f"{what} must be kept for at least {LEAST.days} days: a run that goes on may need it"
            )
    units = {one.what: one.unit for one in RETENTION}
    others: dict[str, Callable[[timedelta], tuple[int, int | None]]] = {
        "table files": lambda after: _table_files(stores, after, dry_run=dry_run),
        "events": lambda after: (_events(stores, now - after, dry_run=dry_run), None),
        "compute logs": lambda after: _compute_logs(stores, now - after, dry_run=dry_run),
        "backups": lambda after: _backups(stores.backups, now - after, dry_run=dry_run),
    }
    for what, after in durations.items():
        if what in COLLECTED:
            act = stores.ledger.count if dry_run else stores.ledger.remove
            count, size = act(what, now - after), None
        else:
            count, size = others[what](after)
        yield Removal(what, after, count, units[what], size)


def kept_versions(
    stores: RetentionStores, model: str, table: str, named: Collection[tuple[str, str, int]]
) -> set[int]:
    """Return the versions of a table that something names, in the ledger or by a tag.

    Args:
        stores: The stores.
        model: Name of the model.
        table: Name of the table.
        named: What the ledger names: model, table and version.

    Returns:
        Version numbers.
    """
    tagged = {
        (one.model, one.table, one.version) for tag in tags(stores.datasets, model) for one in tag.versions
    }
    return {version for owner, name, version in {*named, *tagged} if (owner, name) == (model, table)}


def _table_files(stores: RetentionStores, after: timedelta, *, dry_run: bool) -> tuple[int, int | None]:
    named = stores.ledger.table_versions()
    counts, sizes = 0, 0
    for model, table in stores.datasets.tables():
        keep = kept_versions(stores, model, table, named)
        count, size = stores.datasets.collect(model, table, keep, after, dry_run=dry_run)
        counts, sizes = counts + count, sizes + size
    return counts, sizes


def _events(stores: RetentionStores, before: datetime, *, dry_run: bool) -> int:
    return stores.events.count(before) if dry_run else stores.events.remove(before)


def _compute_logs(stores: RetentionStores, before: datetime, *, dry_run: bool) -> tuple[int, int]:
    unfinished = stores.events.unfinished()
    folders = [one for one in stores.compute_logs.glob("*") if one.is_dir() and one.name not in unfinished]
    old = [one for one in folders if _newest_change(one) < before.timestamp()]
    return _remove_folders(old, dry_run=dry_run)


def _backups(folder: Path, before: datetime, *, dry_run: bool) -> tuple[int, int]:
    finished = sorted(one for one in folder.glob("*T*Z") if (one / "manifest.json").is_file())
    old = [one for one in finished[:-LEAST_BACKUPS] if one.name < f"{before:%Y%m%dT%H%M%SZ}"]
    return _remove_folders(old, dry_run=dry_run)


def _newest_change(folder: Path) -> float:
    return max(one.stat().st_mtime for one in (folder, *folder.rglob("*")))


def _remove_folders(folders: Collection[Path], *, dry_run: bool) -> tuple[int, int]:
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    for folder in () if dry_run else folders:
        shutil.rmtree(folder)
    return len(folders), size
