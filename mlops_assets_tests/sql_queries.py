"""A PostgreSQL server asked in plain SQL, past all of our own code but the connection."""

from __future__ import annotations

from mlops_assets.local import databases


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    """The rows of an answer; none for a statement that has no answer."""
    connection = databases.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
