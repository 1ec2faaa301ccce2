"""The append-only history of decisions, read back. Written only by the champion's verbs, in their transactions."""

from __future__ import annotations

from sqlalchemy import Connection, select

from mlops_assets.ledger.engine import Store
from mlops_assets.ledger.moves import entry
from mlops_assets.ledger.records import HistoryEntry
from mlops_assets.ledger.schema import history
from mlops_assets.ledger.serving_order import ServingOrder, serving_order


class History(Store):
    """Reading what was decided, by whom, when, why, on which evidence."""

    def history(self, model: str, limit: int | None = 50) -> tuple[HistoryEntry, ...]:
        """Return the newest history entries of a model.

        Args:
            model: Name of the model, as in its model file.
            limit: Largest number of entries; None for all.

        Returns:
            Entries, newest first.
        """
        with self._transaction() as connection:
            return entries(connection, model, limit=limit)


def entries(
    connection: Connection, model: str, *, version: int | None = None, limit: int | None = None
) -> tuple[HistoryEntry, ...]:
    """Return the entries of a model, or of one of its versions.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.
        version: Only entries about this version; None for all.
        limit: Largest number of entries; None for all.

    Returns:
        Entries, newest first.
    """
    query = select(history).where(history.c.model == model).order_by(history.c.id.desc()).limit(limit)
    if version is not None:
        query = query.where(history.c.version == version)
    return tuple(entry(row) for row in connection.execute(query))


def serving_order_of(connection: Connection, model: str) -> ServingOrder:
    """Return the model's versions in the order they served.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.

    Returns:
        The order, rebuilt from the model's whole history.
    """
    return serving_order(reversed(entries(connection, model)))
