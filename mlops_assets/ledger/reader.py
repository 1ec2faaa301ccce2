"""Queries of a monitoring program: read-only, bounded in time, on the ledger or on another database of the platform.

Comes in: SQL and parameters. Goes out: rows as plain dicts. The queries themselves belong to who needs the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from sqlalchemy import URL, text

from mlops_assets.ledger.engine import Store, make_engine

STATEMENT_TIMEOUT = "5s"  # a query that takes longer would delay every scrape


class Reader(Store):
    """A connection that only reads; usable from several threads."""

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """Open a reader; it connects at the first query.

        Args:
            url: PostgreSQL URL of any database of the platform.

        Returns:
            The reader; close it, or use it as a context manager.

        Raises:
            LedgerError: When the URL is not a PostgreSQL URL.
        """
        return cls(make_engine(url))

    def rows(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query, in one transaction that cannot write.

        Args:
            query: One SQL statement; `:name` is a parameter.
            parameters: Values by name.

        Returns:
            One dict per row, value by column.

        Raises:
            ServiceError: The server does not respond, or takes longer than five seconds.
            LedgerError: The server refuses the query.
        """
        with self._snapshot() as connection:
            connection.execute(text(f"set local statement_timeout = '{STATEMENT_TIMEOUT}'"))
            return [dict(row._mapping) for row in connection.execute(text(query), dict(parameters or {}))]
