"""Going back to versions: naming them, bringing one back, writing a whole data set out as files.

Comes in: versions. Goes out: tags that stay, a newest version equal to an old one, a folder of Parquet files equal to
what was written, by hash. Which versions belong to a model version is for the ledger to say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops_assets.artifacts import TableVersion, from_json, to_json
from mlops_assets.datasets.commits import Provenance
from mlops_assets.datasets.content import content_hash
from mlops_assets.datasets.tables import Datasets
from mlops_assets.errors import DataError
from mlops_assets.model_file.suggestion import did_you_mean

TAGS_TABLE: Final = "_tags"
MANIFEST: Final = "dataset.json"
_TAG: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,99}")
_TAGS_SCHEMA: Final = {
    "tag": pl.String(),
    "table": pl.String(),
    "version": pl.Int64(),
    "record": pl.String(),
    "author": pl.String(),
    "at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Tag:
    """A name such as dataset-v1.0 for one version of each of some tables; it never moves."""

    name: str
    versions: tuple[TableVersion, ...]
    author: str
    at: datetime


def tag(
    datasets: Datasets,
    model: str,
    name: str,
    versions: Sequence[TableVersion],
    by: Provenance,
) -> Tag:
    """Name the versions permanently, next to the tables and as durable as they are; a repeated call changes nothing.

    Args:
        datasets: The Delta tables.
        model: Name of the model.
        name: The tag: letters, digits, dot, dash and underscore.
        versions: Versions of the model's tables.
        by: Who gives the name, when and from which code, recorded in the commit.

    Returns:
        The tag as stored.

    Raises:
        DataError: When the name belongs to other versions, is malformed, or there are no versions.
    """
    if not _TAG.fullmatch(name):
        raise DataError(
            f"{name!r} cannot be a tag; use letters, digits, dot, dash and underscore, such as dataset-v1.0"
        )
    if not versions or any(version.model != model for version in versions):
        raise DataError(f"a tag of {model} needs versions of its tables")
    wanted = Tag(name, tuple(versions), by.author, by.at)

    def with_tag(newest: pl.DataFrame | None) -> pl.DataFrame:
        known = pl.DataFrame(schema=_TAGS_SCHEMA) if newest is None else newest
        provided = next((tag for tag in _parse(known) if tag.name == name), None)
        if provided is None:
            return pl.concat([known, _rows(wanted)])
        if provided.versions != wanted.versions:
            raise DataError(
                f"the tag {name!r} of {model} was made by {provided.author} on {provided.at:%Y-%m-%d}; tags never move"
            )
        return known

    datasets.change(
        model,
        TAGS_TABLE,
        with_tag,
        by,
        operation=f"tag {name}",
    )
    return tagged(datasets, model, name)


def tags(datasets: Datasets, model: str) -> tuple[Tag, ...]:
    """Return all tags of a model, oldest first.

    Args:
        datasets: The Delta tables.
        model: Name of the model.

    Returns:
        The tags.
    """
    newest = datasets.latest(model, TAGS_TABLE)
    return tuple(_parse(datasets.read(newest))) if newest else ()


def tagged(datasets: Datasets, model: str, name: str) -> Tag:
    """Return one tag.

    Args:
        datasets: The Delta tables.
        model: Name of the model.
        name: The tag.

    Returns:
        The tag with its versions.

    Raises:
        DataError: When no tag has this name.
    """
    known = {tag.name: tag for tag in tags(datasets, model)}
    if name not in known:
        raise DataError(f"{model} has no tag {name!r}{did_you_mean(name, known)}")
    return known[name]


def restore(datasets: Datasets, version: TableVersion, by: Provenance) -> TableVersion:
    """Write an old version's rows as the newest version; history stays.

    Args:
        datasets: The Delta tables.
        version: The version to restore.
        by: Who restores it, when and from which code, recorded in the commit.

    Returns:
        The new version.

    Raises:
        DataError: When the rows cannot be read.
    """
    frame = datasets.read(version)
    restored = datasets.write(
        version.model,
        version.table,
        frame,
        by,
        operation=f"restore {version.version}",
    )
    if restored.content_hash != version.content_hash:
        raise DataError(
            f"{version.model}/{version.table}: restoring version {version.version} gave other rows"
        )
    return restored


def checkout(datasets: Datasets, versions: Sequence[TableVersion], folder: Path) -> tuple[Path, ...]:
    """Write each version as `<table>.parquet`, and `dataset.json` that names them; whole or not at all.

    Args:
        datasets: The Delta tables.
        versions: One version of each table.
        folder: A new or empty folder.

    Returns:
        The Parquet files.

    Raises:
        DataError: When a file that was read back has another hash, the folder is not empty, or two versions
            are of one table.
    """
    if not versions or len({version.table for version in versions}) != len(versions):
        raise DataError("a data set is one version of each of its tables")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; name a new folder")
    building = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        for version in versions:
            file = building / f"{version.table}.parquet"
            datasets.read(version).write_parquet(file)
            if content_hash(pl.read_parquet(file)) != version.content_hash:
                raise DataError(
                    f"{file.name} does not read back as {version.table} version {version.version}"
                )
        body = json.dumps([to_json(version) for version in versions], indent=2)
        (building / MANIFEST).write_text(body + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return tuple(folder / f"{version.table}.parquet" for version in versions)


def verify(folder: Path) -> tuple[TableVersion, ...]:
    """Verify a checked-out folder.

    Args:
        folder: Folder of `checkout`.

    Returns:
        The versions that it contains.

    Raises:
        DataError: When a file differs from the manifest.
    """
    try:
        body: list[dict[str, Any]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        versions = tuple(from_json(TableVersion, entry) for entry in body)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is not a checked-out data set: {error}") from None
    for version in versions:
        file = folder / f"{version.table}.parquet"
        try:
            result = content_hash(pl.read_parquet(file))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
        if result != version.content_hash:
            raise DataError(f"{file} holds other rows than {version.table} version {version.version}")
    return versions


def _rows(tag: Tag) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (tag.name, version.table, version.version, json.dumps(to_json(version)), tag.author, tag.at)
            for version in tag.versions
        ],
        schema=_TAGS_SCHEMA,
        orient="row",
    )


def _parse(frame: pl.DataFrame) -> list[Tag]:
    result: dict[str, Tag] = {}
    for row in frame.iter_rows(named=True):
        version = from_json(TableVersion, json.loads(row["record"]))
        earlier = result[row["tag"]].versions if row["tag"] in result else ()
        result[row["tag"]] = Tag(row["tag"], (*earlier, version), row["author"], row["at"])
    return list(result.values())
