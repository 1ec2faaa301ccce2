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
        """Register the next version of `model`, as challenger. Numbers start at 1 and are never given twice.

        at_least: the smallest number that is free; above 1 where bundles exist that this ledger does not know, for
        example because it was restored from a backup.

        A bundle's folder carries the version's number, so the number comes first: leave bundle_path and
        manifest_sha256 out and give them to `record_bundle` once the bundle is on disk.
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
        """Say where the finished bundle is and what its manifest hashes to.

        Written once: a second, different answer raises LedgerError; the same one is accepted again, so that a
        retried step may repeat itself.
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
        """Archive challengers that never got a bundle, because their training was killed; return how many.

        before: only those that were created earlier.
        """
        orphan = (versions.c.status == "challenger") & versions.c.bundle_path.is_(None)
        with self._transaction() as connection:
            return connection.execute(
                update(versions).where(orphan, versions.c.created_at < utc(before)).values(status="archived")
            ).rowcount

    def model_version(self, model: str, version: int) -> ModelVersion:
        """One version. Raises LedgerError when there is none, naming those there are."""
        with self._transaction() as connection:
            return require_version(connection, model, version)

    def versions(self, model: str, status: Status | None = None) -> tuple[ModelVersion, ...]:
        """Every version of `model`, newest first, of one status when given."""
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
    """Return the version. Raises LedgerError when it does not exist."""
    query = select(versions).where(versions.c.model == model, versions.c.version == version)
    row = connection.execute(query).one_or_none()
    if row is not None:
        return as_version(row)
    last = connection.scalar(select(func.max(versions.c.version)).where(versions.c.model == model))
    known = f"it has versions 1 to {last}" if last else "the ledger knows no version of it"
    raise LedgerError(f"model '{model}' has no version {version}: {known}")


def set_status(connection: Connection, model: str, version: int, status: Status) -> None:
    """Change a version's status; the caller has checked that the change is allowed."""
    connection.execute(
        update(versions).where(versions.c.model == model, versions.c.version == version).values(status=status)
    )


def as_version(row: Row[Any]) -> ModelVersion:
    """Return a row of model_versions as a record."""
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
