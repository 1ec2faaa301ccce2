"""Writing and reading versions of tables.

Comes in: a frame and who wrote it. Goes out: its `TableVersion`, which always reads back the same rows.
One write is one Delta commit on top of the version it saw: readers meet the old rows or the new ones, two writers
never mix, and a writer that dies leaves at most a file that no version names.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import polars as pl

from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets.commits import Commit, Provenance, commits_of
from mlops_assets.datasets.content import content_hash, content_hash_of, storable
from mlops_assets.datasets.delta import DeltaTables
from mlops_assets.errors import DataError

ATTEMPTS: Final = 30


class Datasets(DeltaTables):
    """All tables below one root: a folder, or s3://bucket/prefix with delta-rs `storage_options`."""

    def write(
        self,
        model: str,
        table: str,
        frame: pl.DataFrame,
        by: Provenance,
        *,
        operation: str = "write",
    ) -> TableVersion:
        """Write the rows as the table's newest version; content equal to the newest version makes none.

        Args:
            model: Name of the model.
            table: Name of the table.
            frame: The rows.
            by: Who makes the version, when and from which code, recorded in the commit.
            operation: Name of the operation, recorded in the commit.

        Returns:
            The new version, or the newest when it is equal.

        Raises:
            DataError: When a column cannot be stored, or other writers were faster `ATTEMPTS` times in a row.
        """
        return self.change(
            model,
            table,
            lambda _: frame,
            by,
            operation=operation,
            reads=False,
        )

    def change(
        self,
        model: str,
        table: str,
        change: Callable[[pl.DataFrame | None], pl.DataFrame],
        by: Provenance,
        *,
        operation: str,
        reads: bool = True,
    ) -> TableVersion:
        """Write the rows that `change` returns for the newest rows. After a conflict, `change` is called again.

        Args:
            model: Name of the model.
            table: Name of the table.
            change: Receives the newest rows, None before the first version or when `reads` is False.
            by: Who makes the version, when and from which code, recorded in the commit.
            operation: Name of the operation, recorded in the commit.
            reads: Whether the newest rows are read.

        Returns:
            The new version, or the newest when it is equal.

        Raises:
            DataError: As `write`.
        """
        for attempt in range(ATTEMPTS):
            known = self._open(model, table)
            newest = next(commits_of(model, table, known), None) if known is not None else None
            frame = storable(change(self.read(newest.version) if newest and reads else None))
            if not frame.width:
                raise DataError(f"{model}/{table}: a frame without columns cannot become a table")
            digest = content_hash(frame)
            if newest is not None and newest.version.content_hash == digest:
                return newest.version
            number = 0 if known is None else known.version() + 1
            metadata = {
                "version": str(number),
                "content_hash": digest,
                "rows": str(frame.height),
                "columns": json.dumps(frame.columns),
                "operation": operation,
                **asdict(by),
                "at": by.at.isoformat(),
            }
            if self._commit(model, table, known, frame, metadata):
                return TableVersion(model, table, number, digest, frame.height, tuple(frame.columns))
            time.sleep(random.uniform(0, 0.01 * (attempt + 1)))
        raise DataError(
            f"{model}/{table}: other writers were faster {ATTEMPTS} times running; nothing was written"
        )

    def append(
        self,
        model: str,
        table: str,
        frame: pl.DataFrame,
        by: Provenance,
    ) -> TableVersion:
        """Write the newest rows with these rows below them as a new version.

        Args:
            model: Name of the model.
            table: Name of the table.
            frame: Rows with the columns of the table.
            by: Who makes the version, when and from which code, recorded in the commit.

        Returns:
            The new version.

        Raises:
            DataError: When the columns differ, and as `write`.
        """

        def with_rows(newest: pl.DataFrame | None) -> pl.DataFrame:
            if newest is None:
                return frame
            if set(newest.columns) != set(frame.columns):
                raise DataError(
                    f"{model}/{table} has the columns {', '.join(newest.columns)}; "
                    f"rows with the columns {', '.join(frame.columns)} cannot be added"
                )
            return pl.concat([newest, storable(frame).select(newest.columns)], how="vertical_relaxed")

        return self.change(
            model,
            table,
            with_rows,
            by,
            operation="append",
        )

    def read(self, version: TableVersion, *, verify: bool = True) -> pl.DataFrame:
        """Return exactly the rows of a version.

        Args:
            version: The table version.
            verify: Compare the hash of the rows.

        Returns:
            The rows.

        Raises:
            DataError: When the rows are gone, or (`verify`) differ from what was written.
        """
        name = f"{version.model}/{version.table} version {version.version}"
        delta = self._open(version.model, version.table, version.version)
        if delta is None:
            raise DataError(f"{name} is not below {self.root}")
        try:
            # Delta keeps the order of columns of the first version; a version knows its own.
            frame = self._scan(delta).select(version.columns).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from None
        if verify:
            _require_hash(name, content_hash(frame), version)
        return frame

    def scan(self, version: TableVersion, *, verify: bool = True) -> pl.LazyFrame:
        """Return the rows of a version, to be read part by part: for tables larger than the memory.

        Args:
            version: The table version.
            verify: Compare the hash of the rows, which reads all of them once.

        Returns:
            The rows, in their order.

        Raises:
            DataError: As `read`.
        """
        name = f"{version.model}/{version.table} version {version.version}"
        delta = self._open(version.model, version.table, version.version)
        if delta is None:
            raise DataError(f"{name} is not below {self.root}")
        try:
            rows = self._scan(delta).select(version.columns)
            if verify:
                _require_hash(name, content_hash_of(rows), version)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{name} cannot be read: {str(error).splitlines()[0]}") from None
        return rows

    def schema(self, version: TableVersion) -> dict[str, str]:
        """Return the type of each column of that version, without reading rows.

        Args:
            version: The version of a table.

        Returns:
            Type by column, in the version's order.

        Raises:
            DataError: The version is gone.
        """
        delta = self._open(version.model, version.table, version.version)
        if delta is None:
            raise DataError(
                f"{version.model}/{version.table} version {version.version} is not below {self.root}"
            )
        types = self._scan(delta).collect_schema()
        return {name: str(types[name]) for name in version.columns}

    def latest(self, model: str, table: str) -> TableVersion | None:
        """Return the newest version, or None when the table was never written.

        Args:
            model: Name of the model.
            table: Name of the table.

        Returns:
            The version, or None.
        """
        delta = self._open(model, table)
        newest = next(commits_of(model, table, delta), None) if delta is not None else None
        return newest.version if newest else None

    def version(self, model: str, table: str, number: int) -> TableVersion:
        """Return the version of a number.

        Args:
            model: Name of the model.
            table: Name of the table.
            number: Number of the version, from 0.

        Returns:
            The version.

        Raises:
            DataError: When there is none.
        """
        for commit in self.log(model, table):
            if commit.version.version == number:
                return commit.version
        newest = self.latest(model, table)
        known = f"the newest is {newest.version}" if newest else "the table was never written"
        raise DataError(f"{model}/{table} has no version {number}; {known}")

    def log(self, model: str, table: str, limit: int | None = None) -> list[Commit]:
        """Return the table's versions, newest first; empty when it was never written.

        Args:
            model: Name of the model.
            table: Name of the table.
            limit: Largest number of versions; None for all.

        Returns:
            Commits.
        """
        delta = self._open(model, table)
        return list(commits_of(model, table, delta, limit)) if delta is not None else []

    def tables(self) -> list[tuple[str, str]]:
        """Return model and name of every table below a root that is a folder; none for s3://."""
        logs = [] if self._remote else sorted(Path(self.root).glob("*/*/_delta_log"))
        return [(log.parent.parent.name, log.parent.name) for log in logs]

    def collect(
        self, model: str, table: str, keep: Collection[int], older_than: timedelta, *, dry_run: bool
    ) -> tuple[int, int]:
        """Remove files that no kept version reads; the log, and so every version's number and hash, stays.

        Reading a version that lost files raises DataError.

        Args:
            model: Name of the model.
            table: Name of the table.
            keep: Versions that stay readable, besides the newest.
            older_than: Files that were replaced within this time stay, too.
            dry_run: Only count.

        Returns:
            How many files, and their bytes.
        """
        delta = self._open(model, table)
        if delta is None:
            return 0, 0
        folder = Path(self.location(model, table))
        known = [number for number in sorted(keep) if number <= delta.version()]

        def vacuum(*, dry_run: bool) -> list[str]:
            return delta.vacuum(
                retention_hours=int(older_than.total_seconds() // 3600),
                dry_run=dry_run,
                enforce_retention_duration=False,  # the table's own retention is for ever
                full=True,
                keep_versions=known,
            )

        # the log goes on to list files that an earlier call has removed
        files = [file for name in vacuum(dry_run=True) if (file := folder / unquote(name)).exists()]
        size = sum(file.stat().st_size for file in files)
        if files and not dry_run:
            vacuum(dry_run=False)
        return len(files), size


def _require_hash(name: str, result: str, version: TableVersion) -> None:
    if result != version.content_hash:
        raise DataError(
            f"{name} holds other rows than were written: hash {result[:12]}, expected {version.content_hash[:12]}"
        )
