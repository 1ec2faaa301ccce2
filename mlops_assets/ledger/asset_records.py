"""Small records handed between the steps of a run: row counts, table versions, verdicts. Frames go to Delta tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.ledger import canonical
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.schema import asset_records as records


class AssetRecords(Store):
    """One record per asset and run."""

    def put_record(self, asset: str, run_id: str, body: Mapping[str, Any], at: datetime) -> None:
        """Store `body` for this asset and run; a retried step replaces what its first try wrote.

        Args:
            asset: Name of the asset, with the model in it ('pump_efficiency/features').
            run_id: Id of the orchestrator's run.
            body: The record; values that `canonical_text` accepts.
            at: Time of writing, with a zone.

        Raises:
            EvidenceError: When a value cannot be written as canonical JSON.
        """
        written = text("cast(:body as json)").bindparams(body=canonical.canonical_text(body))
        statement = insert(records).values(asset=asset, run_id=run_id, body=written, at=utc(at))
        with self._transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["asset", "run_id"],
                    set_={"body": statement.excluded.body, "at": statement.excluded.at},
                )
            )

    def get_record(
        self, asset: str, run_id: str | None = None, *, exact: bool = False
    ) -> dict[str, Any] | None:
        """Return the record of a run, or the asset's latest one.

        Args:
            asset: Name of the asset, with the model in it.
            run_id: Id of the run whose record comes first; None for the latest.
            exact: Never fall back from `run_id` to the latest record.

        Returns:
            The record's body, or None when there is none.
        """
        of_this_run = records.c.run_id == (run_id or "")
        query = (
            select(cast(records.c.body, Text))
            .where(records.c.asset == asset)
            .order_by(of_this_run.desc(), records.c.at.desc(), records.c.run_id)
            .limit(1)
        )
        if exact:
            query = query.where(of_this_run)
        with self._transaction() as connection:
            body = connection.scalar(query)
        return None if body is None else canonical.parse(body)

    def newest_records(self, asset: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest records of an asset, one per run.

        Args:
            asset: Name of the asset, with the model in it.
            limit: Largest number of records.

        Returns:
            Bodies, newest first.
        """
        query = (
            select(cast(records.c.body, Text))
            .where(records.c.asset == asset)
            .order_by(records.c.at.desc(), records.c.run_id)
            .limit(limit)
        )
        with self._transaction() as connection:
            return [canonical.parse(body) for body in connection.scalars(query)]

    def record_times(self, assets: Collection[str]) -> dict[str, datetime]:
        """Return when each asset was last recorded.

        Args:
            assets: Names of assets, with the model in them.

        Returns:
            Time in UTC by asset; assets without a record are absent.
        """
        query = (
            select(records.c.asset, func.max(records.c.at).label("at"))
            .where(records.c.asset.in_(assets))
            .group_by(records.c.asset)
        )
        with self._transaction() as connection:
            return {row.asset: utc(row.at) for row in connection.execute(query)}
