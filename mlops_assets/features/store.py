"""The feature store: Feast's definitions generated from a model file, its online store filled and asked.

Comes in: the model file and a feature table built by `build`. Goes out: a Feast repository below a folder, and rows
from its online store. Offline joins stay with `asof_join`, which gives the same rows in a fraction of time and memory;
Feast's own is there for those who use it already. Feast is an extra, imported when first needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops_assets.errors import DataError, MissingExtraError
from mlops_assets.features.catalogue import FAMILIES, Feature, catalogue
from mlops_assets.spec import ModelSpec

EVER: Final = timedelta(0)
"""Feast's way to say that online values do not expire; freshness is monitored elsewhere."""


class FeatureStore:
    """One model's features in Feast: a view per family, services `<model>_training` and `<model>_inference`, one push
    source per view.

    online is Feast's own section `online_store`; unset means SQLite in the folder. Another is `{"type": "redis",
    "connection_string": ...}` or `{"type": "postgres", "host": ..., ...}`.
    """

    def __init__(self, spec: ModelSpec, folder: Path, online: Mapping[str, Any] | None = None) -> None:
        """Open or create the repository. Raises MissingExtraError without Feast, DataError without time or entity."""
        if spec.timestamp is None or spec.entity is None:
            raise DataError(f"{spec.name}: a feature store needs 'timestamp' and 'entity' in the model file")
        self.spec, self.folder = spec, folder
        self._timestamp, self._entity = spec.timestamp, spec.entity
        folder.mkdir(parents=True, exist_ok=True)
        feast = _feast()
        self._feast = feast.FeatureStore(
            config=feast.RepoConfig(
                project=spec.name,
                registry=str(folder / "registry.db"),
                provider="local",
                offline_store={"type": "file"},
                online_store=dict(online or {"type": "sqlite", "path": str(folder / "online.db")}),
                entity_key_serialization_version=3,
            )
        )

    def apply(self, table: pl.DataFrame, version: int | None = None) -> tuple[Feature, ...]:
        """Keep the table as the offline source and register what the model file implies; answers what was registered.

        version is that of the feature table, kept as a tag beside the model file's digest.
        """
        found = catalogue(self.spec, table.columns)
        keys = [self._timestamp, self._entity]
        table.select(*keys, *(one.name for one in found if one.name not in keys)).write_parquet(
            self._source_file
        )
        self._feast.apply(self._definitions(table.schema, found, version))
        return found

    def materialize(self, table: pl.DataFrame) -> int:
        """Put each entity's newest row into the online store; answers the number of entities."""
        newest = table.sort(self._timestamp).unique(self._entity, keep="last", maintain_order=True)
        for family, names in self._families(table).items():
            rows = newest.select(self._timestamp, pl.col(self._entity).cast(pl.String), *names)
            self._feast.push(f"{self.spec.name}_{family}_push", rows.to_pandas())
        return newest.height

    def get(self, entities: Sequence[str], service: str = "inference") -> pl.DataFrame:
        """Online features, one row per entity in the order asked; null for an entity or value that is not there."""
        rows = self._feast.get_online_features(
            features=self._feast.get_feature_service(f"{self.spec.name}_{service}"),
            entity_rows=[{self._entity: entity} for entity in entities],
        )
        return pl.DataFrame(rows.to_dict(), strict=False)

    def historical(self, asked: pl.DataFrame, service: str = "training") -> pl.DataFrame:
        """Feast's own point-in-time join for rows of entity and timestamp, in the order of time, then entity."""
        frame = asked.rename({self._timestamp: "event_timestamp"}).to_pandas()
        job = self._feast.get_historical_features(
            entity_df=frame, features=self._feast.get_feature_service(f"{self.spec.name}_{service}")
        )
        joined: pl.DataFrame = pl.from_pandas(job.to_df()).rename({"event_timestamp": self._timestamp})
        return joined.sort(self._timestamp, self._entity)

    def listed(self) -> tuple[dict[str, Any], ...]:
        """Every registered feature: view, name, type, description, and the view's tags."""
        return tuple(
            {
                "view": view.name,
                "name": field.name,
                "type": str(field.dtype),
                "description": field.description,
                **view.tags,
            }
            for view in sorted(self._feast.list_feature_views(), key=lambda one: str(one.name))
            for field in view.schema
            if field.name != self._entity
        )

    @property
    def _source_file(self) -> Path:
        return self.folder / f"{self.spec.name}.parquet"

    def _families(self, table: pl.DataFrame) -> dict[str, list[str]]:
        found = catalogue(self.spec, table.columns)
        grouped = {
            family: [one.name for one in found if one.family == family and one.name != self._entity]
            for family in FAMILIES
        }
        return {family: names for family, names in grouped.items() if names}

    def _definitions(self, schema: pl.Schema, found: Sequence[Feature], version: int | None) -> list[Any]:
        feast = _feast()
        spec = self.spec
        entity = feast.Entity(
            name=self._entity,
            join_keys=[self._entity],
            value_type=feast.ValueType.STRING,
            description=f"what a reading of {spec.name} is about",
        )
        batch = feast.FileSource(
            name=f"{spec.name}_features",
            path=str(self._source_file.resolve()),
            timestamp_field=self._timestamp,
        )
        tags = {"model_file": spec.digest()[:12], "table_version": "" if version is None else str(version)}
        views, pushes = [], []
        for family in FAMILIES:
            members = [one for one in found if one.family == family and one.name != self._entity]
            if not members:
                continue
            push = feast.PushSource(name=f"{spec.name}_{family}_push", batch_source=batch)
            fields = [
                feast.Field(name=one.name, dtype=_type(schema[one.name]), description=one.description)
                for one in members
            ]
            view = feast.FeatureView(
                name=f"{spec.name}_{family}",
                entities=[entity],
                ttl=EVER,
                schema=fields,
                source=push,
                online=True,
                description=f"{family} of {spec.name}",
                tags=tags,
                owner=spec.owners[0],
            )
            pushes.append(push)
            views.append(view)
        services = [
            feast.FeatureService(
                name=f"{spec.name}_{purpose}", features=views, tags=tags, owner=spec.owners[0]
            )
            for purpose in ("training", "inference")
        ]
        return [entity, batch, *pushes, *views, *services]


def _type(kind: pl.DataType) -> Any:
    from feast import types

    if kind == pl.String:
        return types.String
    return types.Float32 if kind == pl.Float32 else types.Float64


def _feast() -> Any:
    try:
        import feast
    except ModuleNotFoundError as error:
        raise MissingExtraError("the feature store", "feast") from error
    return feast
