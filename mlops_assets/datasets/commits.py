"""The log of a table: who or what made each version, when and from which code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from mlops_assets.artifacts import TableVersion

if TYPE_CHECKING:
    from deltalake import DeltaTable


COMMIT_PREFIX: Final = "mlops."


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who or what makes a version of a table, when (with a zone), in which run and from which commit of the code."""

    author: str
    at: datetime
    run_id: str = ""
    code_commit: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of a table's log."""

    version: TableVersion
    operation: str
    by: Provenance


def commits_of(model: str, table: str, delta: DeltaTable, limit: int | None = None) -> Iterator[Commit]:
    """Yield our own commits, newest first; maintenance by other tools changes no rows and is skipped.

    A commit's number is the one that we wrote into it. delta-rs counts down from the version it has open,
    which is wrong when another writer came in between.

    Args:
        model: Name of the model.
        table: Name of the table.
        delta: The open Delta table.
        limit: Largest number of commits; None for all.

    Yields:
        Commits.
    """
    result: list[int] = []
    # Reading one entry is enough nearly always; the whole log costs a file each.
    for depth in (1, None):
        for entry in delta.history(depth):
            if limit is not None and len(result) >= limit:
                return
            number = int(entry.get(COMMIT_PREFIX + "version", -1))
            if number >= 0 and (not result or number < result[-1]):
                result.append(number)
                yield _commit_of(model, table, entry)


def _commit_of(model: str, table: str, entry: Mapping[str, Any]) -> Commit:
    reported = {
        key.removeprefix(COMMIT_PREFIX): value
        for key, value in entry.items()
        if key.startswith(COMMIT_PREFIX)
    }
    version = TableVersion(
        model=model,
        table=table,
        version=int(reported["version"]),
        content_hash=reported["content_hash"],
        rows=int(reported["rows"]),
        columns=tuple(json.loads(reported["columns"])),
    )
    return Commit(
        version=version,
        operation=reported["operation"],
        by=Provenance(
            reported["author"],
            datetime.fromisoformat(reported["at"]),
            reported["run_id"],
            reported["code_commit"],
        ),
    )
