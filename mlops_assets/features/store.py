"""The feature store: Feast's definitions generated from a model file, and its online store written and read.

Comes in: the model file and a feature table built by `build`. Goes out: a Feast repository below a folder, and rows
from its online store. Offline joins stay with `joined` sources, which give the same rows in a fraction of time and
memory; Feast's own is there for those who use it already. Feast is an extra, imported when first needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl

from mlops_assets.artifacts import Profile, TableVersion
from mlops_assets.errors import DataError, MissingExtraError
from mlops_assets.features.catalogue import FAMILIES, catalogue
from mlops_assets.features.kinds import Feature
from mlops_assets.model_file import ModelSpec

EVER: Final = timedelta(0)
"""Feast's way to say that online values do not expire; freshness is monitored elsewhere."""


class FeatureStore:
    """One model's features in Feast.

    A view per family, services `<model>_training` and `<model>_inference`, one push source per view.

    online is Feast's own section `online_store`, such as `online_store` below makes; unset means SQLite in the folder.
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

    def apply(
        self, table: pl.DataFrame, made_from: Sequence[TableVersion] = (), profile: Profile | None = None
    ) -> tuple[Feature, ...]:
        """Write the table as the offline source and register the features of the model file.

        Tags of every view: the model file's digest and `made_from`. Tags of every feature: its source columns
        and the profile's statistics.

        Args:
            table: The feature table.
            made_from: Versions of the tables from raw readings to this one.
            profile: Distributions of the features, for their tags; None for none.

        Returns:
            The registered features.
        """
        result = catalogue(self.spec, table.columns, profile)
        keys = [self._timestamp, self._entity]
        table.select(*keys, *(one.name for one in result if one.name not in keys)).write_parquet(
            self._source_file
        )
        self._feast.apply(self._definitions(table.schema, result, made_from))
        return result

    def materialize(self, table: pl.DataFrame) -> int:
        """Write each entity's newest row to the online store.

        Args:
            table: The feature table.

        Returns:
            Number of entities.

        Raises:
            DataError: When another model file, or none, was applied: its features may mean something else.
        """
        applied = {view.tags.get("model_file") for view in self._views()}
        if applied != {self._digest}:
            which = "another state of the model file was applied" if applied else "nothing was applied yet"
            raise DataError(f"{self.spec.name}: {which}; run 'mlops features apply {self.spec.name}' first")
        newest = table.sort(self._timestamp).unique(self._entity, keep="last", maintain_order=True)
        for family, names in self._families(table).items():
            rows = newest.select(self._timestamp, pl.col(self._entity).cast(pl.String), *names)
            self._feast.push(f"{self.spec.name}_{family}_push", rows.to_pandas())
        return newest.height

    def get(self, entities: Sequence[str], service: str = "inference") -> pl.DataFrame:
        """Return online features.

        Args:
            entities: Entities to look up.
            service: Feature service: `inference` or `training`.

        Returns:
            One row per entity, in the requested order; null for an unknown entity or value.

        Raises:
            DataError: When nothing was applied.
        """
        if not self._views():
            raise DataError(
                f"{self.spec.name}: nothing was applied yet; run 'mlops features apply {self.spec.name}' first"
            )
        rows = self._feast.get_online_features(
            features=self._feast.get_feature_service(f"{self.spec.name}_{service}"),
            entity_rows=[{self._entity: entity} for entity in entities],
        )
        return pl.DataFrame(rows.to_dict(), strict=False)

    def historical(self, keys_and_times: pl.DataFrame, service: str = "training") -> pl.DataFrame:
        """Return Feast's own point-in-time join, in the order of time, then entity.

        Feast omits rows before an entity's first fact; here they come back with nulls, as from a `joined` source.

        Args:
            keys_and_times: Columns entity and timestamp.
            service: Feature service: `inference` or `training`.

        Returns:
            One row per row of `keys_and_times`, with the service's features.
        """
        keys = [self._timestamp, self._entity]
        frame = keys_and_times.select(keys).unique().rename({self._timestamp: "event_timestamp"}).to_pandas()
        job = self._feast.get_historical_features(
            entity_df=frame, features=self._feast.get_feature_service(f"{self.spec.name}_{service}")
        )
        joined = pl.from_pandas(job.to_df()).rename({"event_timestamp": self._timestamp})
        result = joined.with_columns(pl.col(self._timestamp).cast(keys_and_times.schema[self._timestamp]))
        return keys_and_times.join(result, on=keys, how="left").sort(keys)

    def listed(self) -> tuple[dict[str, Any], ...]:
        """Every registered feature: view, name, type, description, and the tags of the view and its own."""
        return tuple(
            {
                "view": view.name,
                "name": field.name,
                "type": str(field.dtype),
                "description": field.description,
                **view.tags,
                **{key: json.loads(value) for key, value in field.tags.items()},
            }
            for view in self._views()
            for field in view.schema
            if field.name != self._entity
        )

    def _views(self) -> list[Any]:
        return sorted(self._feast.list_feature_views(), key=lambda one: str(one.name))

    @property
    def _digest(self) -> str:
        return self.spec.digest()[:12]

    @property
    def _source_file(self) -> Path:
        return self.folder / f"{self.spec.name}.parquet"

    def _families(self, table: pl.DataFrame) -> dict[str, list[str]]:
        result = catalogue(self.spec, table.columns)
        grouped = {
            family: [one.name for one in result if one.family == family and one.name != self._entity]
            for family in FAMILIES
        }
        return {family: names for family, names in grouped.items() if names}

    def _definitions(
        self, schema: pl.Schema, features: Sequence[Feature], made_from: Sequence[TableVersion]
    ) -> list[Any]:
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
        tags = {"model_file": self._digest, "data": _lineage(made_from)}
        views, pushes = [], []
        for family in FAMILIES:
            members = [one for one in features if one.family == family and one.name != self._entity]
            if not members:
                continue
            push = feast.PushSource(name=f"{spec.name}_{family}_push", batch_source=batch)
            fields = [
                feast.Field(
                    name=one.name,
                    dtype=_type(schema[one.name]),
                    description=one.description,
                    tags=_tags(one),
                )
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


def online_store(url: str) -> dict[str, Any]:
    """Return Feast's configuration section for an online store.

    `rediss://` uses TLS; for PostgreSQL `?sslmode=` chooses it, with libpq's default `prefer`. The error
    message does not repeat the URL, which may contain a password.

    Args:
        url: `redis://:password@host:6379/0` or `postgresql://user:password@host:5432/name`.

    Returns:
        The section.

    Raises:
        DataError: For another scheme.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    password, query = unquote(parts.password or ""), parse_qs(parts.query)
    name = unquote(parts.path.strip("/"))
    if scheme in ("redis", "rediss"):
        text = [f"{parts.hostname or 'localhost'}:{parts.port or 6379}", f"db={name or 0}"]
        text += [f"username={unquote(parts.username)}"] if parts.username else []
        text += [f"password={password}"] if password else []
        text += ["ssl=true"] if scheme == "rediss" else []
        return {"type": "redis", "connection_string": ",".join(text)}
    if scheme in ("postgres", "postgresql"):
        return {
            "type": "postgres",
            "host": parts.hostname or query.get("host", ["localhost"])[0],
            "port": parts.port or 5432,
            "database": name or "postgres",
            "user": unquote(parts.username or "postgres"),
            "password": password,
            "sslmode": query.get("sslmode", ["prefer"])[0],
        }
    raise DataError(
        f"an online store at {scheme!r}:// is not known; set redis://host:6379/0 or "
        "postgresql://user:password@host:5432/name"
    )


def _lineage(made_from: Sequence[TableVersion]) -> str:
    return ", ".join(f"{one.table} {one.version} ({one.content_hash[:12]})" for one in made_from)


def _tags(one: Feature) -> dict[str, str]:
    """Lineage and statistics as Feast keeps them: text."""
    known = {"sources": list(one.sources), "missing": one.missing, "mean": one.mean, "std": one.std}
    return {key: json.dumps(value) for key, value in known.items() if value is not None}


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
