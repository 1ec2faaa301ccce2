"""The Delta tables themselves: where they lie, how one is opened, scanned and committed to.

Comes in: names of tables, frames, and the metadata of a commit. Goes out: open tables and lazy frames. What a version
is and how writers take turns is in `tables`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import polars as pl

from mlops_assets.datasets.commits import COMMIT_PREFIX
from mlops_assets.errors import DataError

if TYPE_CHECKING:
    from deltalake import DeltaTable

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_UNSAFE: Final = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]\\^|`]")
"""In a folder's name: delta-rs takes `%20` for a space, a backslash for a slash, and panics on the others."""

# delta-rs would drop log entries after thirty days, and with them the versions that champions were trained on.
_KEEP_FOR_EVER: Final = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


class DeltaTables:
    """Delta tables at `<root>/<model>/<table>`, in a folder or an object store."""

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        """Name the root. Raises DataError for a folder whose name delta-rs would read as another one."""
        self.root = str(root).rstrip("/")
        if not self._remote and (match := _UNSAFE.search(self.root)):
            raise DataError(
                f"tables cannot be stored below {self.root!r}: {match[0]!r} in a folder's name means another "
                "character in an address; rename the folder or set MLOPS_HOME to another one"
            )
        self.storage_options = dict(storage_options) if storage_options else None

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
