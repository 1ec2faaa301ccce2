"""Model versions: numbered per model, never deleted, each pointing to one bundle.

Comes in: what a version was made from. Goes out: `ModelVersion`. The bundle itself is written by training;
what moves a version's status is in champion.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import ModelVersion, Status
from mlops_assets.ledger.schema import model_versions as versions


class Versions(Store):
    """The verbs on model versions."""

    def new_version(  # noqa: PLR0913
        self,
        model: str,
        at: datetime,
        *,
        mlflow_run_id: str | None = None,
        bundle_path: str | None = None,
        manifest_sha256: str | None = None,
        data_versions: Mapping[str, Any] | None = None,
        code_commit: str | None = None,
        seed: int | None = None,
        at_least: int = 1,
    ) -> ModelVersion:
        """Register the next version of `model`, as challenger. Numbers start at 1 and are never used twice.

        A bundle's folder carries the version's number, so the number comes first: leave bundle_path and
        manifest_sha256 out and pass them to `record_bundle` once the bundle is on disk.

        Args:
            model: Name of the model, as in its model file.
            at: Time of registration, with a zone.
            mlflow_run_id: Id of the MLflow run that trained it.
            bundle_path: Folder of the bundle.
            manifest_sha256: sha256 of the bundle's manifest, 64 hexadecimal digits.
            data_versions: Version of each table that the model was made from.
            code_commit: Git commit of the code.
            seed: Seed of the fit.
            at_least: Smallest number to use; above 1 where bundles exist that this ledger does not know, for
                example because it was restored from a backup.

        Returns:
            The version as stored.
        """
        with self._transaction() as connection:
            connection.execute(
                text("select pg_advisory_xact_lock(hashtextextended(:model, 1))"), {"model": model}
            )
            last = connection.scalar(select(func.max(versions.c.version)).where(versions.c.model == model))
            row = connection.execute(
                insert(versions)
                .values(
                    model=model,
                    version=max((last or 0) + 1, at_least),
                    status="challenger",
                    created_at=utc(at),
                    mlflow_run_id=mlflow_run_id,
                    bundle_path=bundle_path,
                    manifest_sha256=manifest_sha256,
                    data_versions=dict(data_versions or {}),
                    code_commit=code_commit,
                    seed=seed,
                )
                .returning(versions)
            ).one()
            return as_version(row)

    def record_bundle(
        self,
        model: str,
        version: int,
        *,
        bundle_path: str,
        manifest_sha256: str,
        mlflow_run_id: str | None = None,
    ) -> ModelVersion:
        """Record the finished bundle of a version, once; the same values again are accepted (a retried step).

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.
            bundle_path: Folder of the bundle.
            manifest_sha256: sha256 of the bundle's manifest, 64 hexadecimal digits.
            mlflow_run_id: Id of the MLflow run; None leaves the recorded one.

        Returns:
            The version as stored.

        Raises:
            LedgerError: When the version does not exist or has another bundle already.
        """
        values: dict[str, Any] = {"bundle_path": bundle_path, "manifest_sha256": manifest_sha256}
        if mlflow_run_id is not None:
            values["mlflow_run_id"] = mlflow_run_id
        with self._transaction() as connection:
            require_version(connection, model, version)
            row = connection.execute(
                update(versions)
                .where(versions.c.model == model, versions.c.version == version)
                .values(**values)
                .returning(versions)
            ).one()
            return as_version(row)

    def archive_unfinished(self, before: datetime) -> int:
        """Archive challengers that never got a bundle, because their training was killed.

        Args:
            before: Only versions created earlier than this, with a zone.

        Returns:
            How many versions were archived.
        """
        orphan = (versions.c.status == "challenger") & versions.c.bundle_path.is_(None)
        with self._transaction() as connection:
            return connection.execute(
                update(versions).where(orphan, versions.c.created_at < utc(before)).values(status="archived")
            ).rowcount

    def model_version(self, model: str, version: int) -> ModelVersion:
        """Return one version.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.

        Returns:
            The version.

        Raises:
            LedgerError: When it does not exist; the message names the versions that do.
        """
        with self._transaction() as connection:
            return require_version(connection, model, version)

    def versions(self, model: str, status: Status | None = None) -> tuple[ModelVersion, ...]:
        """Return the versions of a model.

        Args:
            model: Name of the model, as in its model file.
            status: Only versions of this status; None for all.

        Returns:
            Versions, newest first.
        """
        query = select(versions).where(versions.c.model == model).order_by(versions.c.version.desc())
        if status is not None:
            query = query.where(versions.c.status == status)
        with self._transaction() as connection:
            return tuple(as_version(row) for row in connection.execute(query))

    def models(self) -> tuple[str, ...]:
        """Names of all models that ever had a version, sorted."""
        with self._transaction() as connection:
            return tuple(connection.scalars(select(versions.c.model).distinct().order_by(versions.c.model)))


def require_version(connection: Connection, model: str, version: int) -> ModelVersion:
    """Return the version.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.
        version: Number of the model version, from 1.

    Returns:
        The version.

    Raises:
        LedgerError: When it does not exist.
    """
    query = select(versions).where(versions.c.model == model, versions.c.version == version)
    row = connection.execute(query).one_or_none()
    if row is not None:
        return as_version(row)
    last = connection.scalar(select(func.max(versions.c.version)).where(versions.c.model == model))
    known = f"it has versions 1 to {last}" if last else "the ledger knows no version of it"
    raise LedgerError(f"model '{model}' has no version {version}: {known}")


def set_status(connection: Connection, model: str, version: int, status: Status) -> None:
    """Change a version's status; the caller has checked that the change is allowed.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.
        version: Number of the model version, from 1.
        status: New status.
    """
    connection.execute(
        update(versions).where(versions.c.model == model, versions.c.version == version).values(status=status)
    )


def as_version(row: Row[Any]) -> ModelVersion:
    """Return a row of model_versions as a record.

    Args:
        row: A row of the table, as SQLAlchemy returns it.

    Returns:
        The record, its time in UTC.
    """
    return ModelVersion(
        model=row.model,
        version=row.version,
        status=row.status,
        created_at=utc(row.created_at),
        mlflow_run_id=row.mlflow_run_id,
        bundle_path=row.bundle_path,
        manifest_sha256=row.manifest_sha256,
        data_versions=row.data_versions,
        code_commit=row.code_commit,
        seed=row.seed,
    )
