"""Keys of the prediction API: who has one, what it may do, until when. The keys themselves are stored nowhere."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import insert, select, update

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import ApiKey
from mlops_assets.ledger.schema import api_keys


class ApiKeys(Store):
    """Create, list and end keys."""

    def create_api_key(self, key: ApiKey) -> None:
        """Store a key's record.

        Args:
            key: The record, with the sha256 of the key.

        Raises:
            LedgerError: The id or the hash exists already.
        """
        with self._transaction() as connection:
            connection.execute(insert(api_keys).values(**asdict(key)))

    def api_keys(self) -> tuple[ApiKey, ...]:
        """Return all keys, the oldest first, ended ones too."""
        with self._transaction() as connection:
            rows = connection.execute(
                select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
            ).mappings()
            return tuple(ApiKey(**row) for row in rows)

    def end_api_key(self, key_id: str, at: datetime, *, revoke: bool) -> bool:
        """End a key at an instant; a key that ends earlier keeps its end.

        Args:
            key_id: The public part of the key.
            at: When it ends, with a zone.
            revoke: Record it as revoked now, not as expiring.

        Returns:
            Whether anything changed.
        """
        column = api_keys.c.revoked_at if revoke else api_keys.c.expires_at
        statement = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        if not revoke:
            statement = statement.where(column.is_(None) | (column > utc(at)))
        with self._transaction() as connection:
            return bool(connection.execute(statement.values({column.name: utc(at)})).rowcount)
