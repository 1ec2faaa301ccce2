"""Tables that live in memory for as long as somebody needs them: the tables of a replay, of which nothing stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
from typing_extensions import override

from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets.content import content_hash, storable
from mlops_assets.datasets.tables import Datasets
from mlops_assets.errors import DataError

if TYPE_CHECKING:
    from mlops_assets.datasets.commits import Commit, Provenance


class MemoryDatasets(Datasets):
    """Tables with the versions and hashes that Delta tables would have, without files."""

    def __init__(self) -> None:
        super().__init__("memory")
        self._newest: dict[tuple[str, str], TableVersion] = {}
        self._frames: dict[TableVersion, pl.DataFrame] = {}

    def forget(self) -> None:
        """Drop all rows; the numbers of versions go on."""
        self._frames.clear()

    @override
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
        """Keep the rows as the newest version; content equal to a version in memory makes none."""
        newest = self._newest.get((model, table))
        frame = storable(change(self._frames.get(newest) if newest and reads else None))
        digest = content_hash(frame)
        for known in self._frames:
            if (known.model, known.table, known.content_hash) == (model, table, digest):
                return known
        number = 0 if newest is None else newest.version + 1
        version = TableVersion(model, table, number, digest, frame.height, tuple(frame.columns))
        self._newest[model, table] = version
        self._frames[version] = frame
        return version

    @override
    def read(self, version: TableVersion, *, verify: bool = True) -> pl.DataFrame:
        """Return the rows of a version; DataError when they were forgotten."""
        frame = self._frames.get(version)
        if frame is None:
            raise DataError(
                f"{version.model}/{version.table} version {version.version} is no longer in memory"
            )
        return frame

    @override
    def latest(self, model: str, table: str) -> TableVersion | None:
        """Return the newest version, or None when the table was never written."""
        return self._newest.get((model, table))

    @override
    def log(self, model: str, table: str, limit: int | None = None) -> list[Commit]:
        """Return nothing: commits are not kept."""
        return []
