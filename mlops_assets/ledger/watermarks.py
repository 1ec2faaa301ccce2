"""How far each source was read for each model: a text the source understands, replaced as it moves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.schema import watermarks


class Watermarks(Store):
    """Set and get."""

    def set_watermark(self, model: str, source: str, value: str, at: datetime) -> None:
        """Store how far a source was read; the earlier value is replaced.

        Args:
            model: Name of the model, as in its model file.
            source: Name of the source or check.
            value: Text that the caller can compare, for example an ISO time.
            at: Time of reading, with a zone.
        """
        statement = insert(watermarks).values(model=model, source=source, value=value, at=utc(at))
        with self._transaction() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["model", "source"],
                    set_={"value": statement.excluded.value, "at": statement.excluded.at},
                )
            )

    def watermark(self, model: str, source: str) -> str | None:
        """Return how far a source was read.

        Args:
            model: Name of the model, as in its model file.
            source: Name of the source or check.

        Returns:
            The stored text, or None.
        """
        with self._transaction() as connection:
            return connection.scalar(
                select(watermarks.c.value).where(watermarks.c.model == model, watermarks.c.source == source)
            )
