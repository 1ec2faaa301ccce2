"""Writing and reading versions of tables.

Comes in: a frame and who wrote it. Goes out: its `TableVersion`, which always reads back the same rows.
One write is one Delta commit on top of the version it saw: readers meet the old rows or the new ones, two writers
never mix, and a writer that dies leaves at most a file that no version names.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import polars as pl

from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets.commits import COMMIT_PREFIX, Commit, commits_of
from mlops_assets.datasets.content import content_hash, content_hash_of, storable
from mlops_assets.errors import DataError

if TYPE_CHECKING:
    from deltalake import DeltaTable

ATTEMPTS: Final = 30
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_UNSAFE: Final = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]\\^|`]")
"""In a folder's name: delta-rs takes `%20` for a space, a backslash for a slash, and panics on the others."""

# delta-rs would drop log entries after thirty days, and with them the versions that champions were trained on.
_KEEP_FOR_EVER: Final = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


class Datasets:
    """All tables below one root: a folder, or s3://bucket/prefix with delta-rs `storage_options`."""

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Name the root. Raises DataError for a folder whose name delta-rs would read as another one."""
        self.root = str(root).rstrip("/")
        if not self._remote and (match := _UNSAFE.search(self.root)):
            raise DataError(
                f"tables cannot be stored below {self.root!r}: {match[0]!r} in a folder's name means another "
                "character in an address; rename the folder or set MLOPS_HOME to another one"
            )
        self.storage_options = dict(storage_options) if storage_options else None

    def write(
        self,
        model: str,
        table: str,
        frame: pl.DataFrame,
        *,
        run_id: str,
        code_commit: str,
        author: str,
        at: datetime,
        operation: str = "write",
    ) -> TableVersion:
        """Write the rows as the table's newest version; content equal to the newest version makes none.

        Args:
            model: Name of the model.
            table: Name of the table.
            frame: The rows.
            run_id: Id of the run, recorded in the commit.
            code_commit: Git commit of the code, recorded in the commit.
            author: Name of the person or program, recorded in the commit.
            at: Time of the change, with a zone.
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
            run_id=run_id,
            code_commit=code_commit,
            author=author,
            at=at,
            operation=operation,
            reads=False,
        )

    def change(  # noqa: PLR0913
        self,
        model: str,
        table: str,
        change: Callable[[pl.DataFrame | None], pl.DataFrame],
        *,
        run_id: str,
        code_commit: str,
        author: str,
        at: datetime,
        operation: str,
        reads: bool = True,
    ) -> TableVersion:
        """Write the rows that `change` returns for the newest rows. After a conflict, `change` is called again.

        Args:
            model: Name of the model.
            table: Name of the table.
            change: Receives the newest rows, None before the first version or when `reads` is False.
            run_id: Id of the run, recorded in the commit.
            code_commit: Git commit of the code, recorded in the commit.
            author: Name of the person or program, recorded in the commit.
            at: Time of the change, with a zone.
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
                "at": at.isoformat(),
                "run_id": run_id,
                "code_commit": code_commit,
                "author": author,
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
        *,
        run_id: str,
        code_commit: str,
        author: str,
        at: datetime,
    ) -> TableVersion:
        """Write the newest rows with these rows below them as a new version.

        Args:
            model: Name of the model.
            table: Name of the table.
            frame: Rows with the columns of the table.
            run_id: Id of the run, recorded in the commit.
            code_commit: Git commit of the code, recorded in the commit.
            author: Name of the person or program, recorded in the commit.
            at: Time of the change, with a zone.

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
            run_id=run_id,
            code_commit=code_commit,
            author=author,
            at=at,
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

    def location(self, model: str, table: str) -> str:
        """Return the URL of the Delta table.

        Args:
            model: Name of the model.
            table: Name of the table.

        Returns:
            Path or URL.

        Raises:
            DataError: When a name contains other characters than letters, digits, `_`, `-` and `.`.
        """
        for name in (model, table):
            if not _NAME.fullmatch(name):
                raise DataError(f"{name!r} cannot name a model or table; use letters, digits, _ - and .")
        return f"{self.root}/{model}/{table}"

    @property
    def _remote(self) -> bool:
        return "://" in self.root

    def _scan(self, delta: DeltaTable) -> pl.LazyFrame:
        # delta-rs gives addresses ('a%20b'); polars opens them as names of files, so folders need the names themselves.
        addresses = [] if self._remote else delta.file_uris()
        if addresses:
            files = [unquote(address.removeprefix("file://")) for address in addresses]
            return pl.scan_parquet(files, glob=False, hive_partitioning=False)
        # The store's own chain of credentials, as for writing: polars would call boto3, which waits for servers.
        return pl.scan_delta(delta, storage_options=self.storage_options, credential_provider=None)

    def _open(self, model: str, table: str, number: int | None = None) -> DeltaTable | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(
                self.location(model, table), version=number, storage_options=self.storage_options
            )
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            if number is not None:
                return None
            raise DataError(f"{model}/{table} below {self.root} cannot be opened: {error}") from None

    def _commit(
        self,
        model: str,
        table: str,
        latest: DeltaTable | None,
        frame: pl.DataFrame,
        metadata: Mapping[str, str],
    ) -> bool:
        """Write on top of exactly the version that was read; False when someone else wrote since."""
        from deltalake import CommitProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError, DeltaError

        # No retries inside delta-rs: it would let an overwrite slip on top of rows that it has not read.
        properties = CommitProperties(
            {COMMIT_PREFIX + k: v for k, v in metadata.items()}, max_commit_retries=0
        )
        try:
            if latest is None:
                write_deltalake(
                    self.location(model, table),
                    frame,
                    mode="error",
                    configuration=_KEEP_FOR_EVER,
                    storage_options=self.storage_options,
                    commit_properties=properties,
                )
            else:
                write_deltalake(
                    latest, frame, mode="overwrite", schema_mode="overwrite", commit_properties=properties
                )
        except CommitFailedError:
            return False
        except DeltaError as error:
            if latest is None and self._open(model, table) is not None:
                return False
            raise DataError(f"{model}/{table} could not be written: {error}") from None
        return True


def _require_hash(name: str, result: str, version: TableVersion) -> None:
    if result != version.content_hash:
        raise DataError(
            f"{name} holds other rows than were written: hash {result[:12]}, expected {version.content_hash[:12]}"
        )
